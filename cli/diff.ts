/** `yolonnx diff`: what two ONNX files differ in, and where their numbers part. */
import { printJson, shared, type Command } from './command.js';
import { runtimeFrom, runtimeOptions, type RuntimeOptions } from './runtime-options.js';
import { inputShape } from './values.js';

interface Options extends RuntimeOptions {
  readonly a: string;
  readonly b: string;
  readonly golden?: string;
  readonly input?: readonly string[];
  readonly run: boolean;
  readonly atol?: number;
  readonly rtol?: number;
  readonly json: boolean;
}

export const diffCommand: Command<Options> = {
  usage: 'diff <a> <b>',
  describe: 'Compare two ONNX files of any exporter: operators, layers, weights, and numbers layer by layer',
  positionals: { a: { type: 'string', describe: 'an ONNX file' }, b: { type: 'string', describe: 'another, which is measured against it' } },
  options: {
    golden: { alias: 'g', type: 'string', describe: 'run its inputs, and compare both with its outputs as well' },
    input: { type: 'string', array: true, nargs: 1, describe: 'shape of an input whose sizes are open, such as 1x3x320x320; repeats; default: one image of 640 x 640' },
    run: { type: 'boolean', default: true, describe: 'run both on the same numbers (--no-run: compare what is in the files alone)' },
    ...runtimeOptions,
    atol: { type: 'number', describe: 'absolute tolerance, in place of the usual bounds' },
    rtol: { type: 'number', describe: 'tolerance relative to the largest value of a' },
    json: shared.json,
  },
  examples: [
    ['$0 diff pytorch.onnx ours.onnx', 'where two exports of one model part'],
    ['$0 diff best.onnx best-half.onnx --golden best.golden.safetensors', 'on a golden’s inputs'],
    ['$0 diff old.onnx new.onnx --no-run', 'without onnxruntime'],
  ],
  async run(options, io) {
    const { a, b, golden, input, run, atol, rtol, json } = options;
    const { diff } = await import('../compiler/node/diff.js');
    const report = await diff({
      a,
      b,
      run,
      ...(golden === undefined ? {} : { golden }),
      ...(input ? { inputs: input.map(inputShape) } : {}),
      ...runtimeFrom(options),
      ...(atol === undefined ? {} : { atol }),
      ...(rtol === undefined ? {} : { rtol }),
      onNote: (note) => io.err(`note: ${note}`),
    });
    if (json) printJson(io, report);
    else io.out(await (await import('./diff-table.js')).diffTable(report));
    return report.ok ? 0 : 1;
  },
};
