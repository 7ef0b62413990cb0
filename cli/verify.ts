/** `yolonnx verify`: runs a model file, or what goldens name, and compares with PyTorch's results. */
import type { CustomOps } from '../compiler/index.js';
import { printable } from '../compiler/errors.js';
import { printJson, shared, type Command } from './command.js';
import { customOpsFrom, customOptions } from './custom-ops.js';
import { graphFrom, graphOptions, type GraphOptions } from './graph-options.js';
import { progressBar } from './progress.js';
import { runtimeFrom, runtimeOptions, type RuntimeOptions } from './runtime-options.js';
import { weightsFrom, weightsOptions, type WeightsOptions } from './weights-options.js';

interface Options extends Omit<WeightsOptions, 'weights'>, GraphOptions, RuntimeOptions {
  readonly model?: string;
  readonly golden: readonly string[];
  readonly atol?: number;
  readonly rtol?: number;
  readonly report?: string;
  readonly customOps: CustomOps['form'];
  readonly customDomain: string;
  readonly customName?: readonly string[];
  readonly json: boolean;
}

export const verifyCommand: Command<Options> = {
  usage: 'verify [model]',
  describe: 'Run a model in onnxruntime and compare with goldens from PyTorch',
  positionals: { model: { type: 'string', describe: 'an ONNX file; default: compile what each golden names' } },
  options: {
    golden: { alias: 'g', type: 'string', array: true, demandOption: 'name files or folders with --golden', describe: 'golden files, or folders of them' },
    ...runtimeOptions,
    atol: { type: 'number', describe: 'absolute tolerance, in place of the goldens’ own bounds' },
    rtol: { type: 'number', describe: 'tolerance relative to the largest wanted value' },
    report: { type: 'string', describe: 'write an HTML page: differences, layers, passes, the graph' },
    ...Object.fromEntries(Object.entries({ ...graphOptions, ...customOptions }).map(([name, option]) => [name, { ...option, describe: `without a model: ${option.describe}` }])),
    alias: weightsOptions.alias,
    'key-map': weightsOptions['key-map'],
    json: shared.json,
  },
  examples: [
    ['$0 verify --golden fixtures/goldens', 'compile and verify everything there'],
    ['$0 verify ema.onnx --golden yolov8n-ema.safetensors --provider cuda --require-provider', 'one file, every node on the GPU'],
    ['$0 verify ema.onnx --golden yolov8n-ema.safetensors --report ema.html', 'a page to look at'],
  ],
  async run(options, io) {
    const { golden, model, atol, rtol, json } = options;
    const { verify, Problem, formatProblem } = await import('../compiler/index.js');
    const { reportExitCode } = await import('../compiler/verify.js');
    const bar = await progressBar(io, !json);
    const report = await verify({
      ...modelAndGoldens(model, golden),
      ...runtimeFrom(options),
      ...(options.report === undefined ? {} : { report: options.report }),
      ...(atol === undefined ? {} : { atol }),
      ...(rtol === undefined ? {} : { rtol }),
      ...graphFrom(options),
      customOps: customOpsFrom(options),
      ...weightsFrom({ ...(options.alias ? { alias: options.alias } : {}), ...(options.keyMap ? { keyMap: options.keyMap } : {}) }),
      onNote: (note) => {
        bar.stop();
        io.err(printable(`note: ${note}`));
      },
      onProgress: (done, total) => bar.show('verify', done, total),
    }).finally(() => bar.stop());
    if (json) printJson(io, report);
    else io.out(await (await import('./verify-table.js')).verifyTable(report));
    for (const { error, golden: file } of report.cases) if (error) io.err(`${printable(file)}: ${formatProblem(new Problem(error.code, error.message, { help: error.help }))}`);
    return reportExitCode(report);
  },
};

/** `--golden a b model.onnx`: a model after the goldens is still the model. */
function modelAndGoldens(model: string | undefined, goldens: readonly string[]): { model?: string; goldens: readonly string[] } {
  const last = goldens.at(-1);
  if (model === undefined && last?.endsWith('.onnx')) return { model: last, goldens: goldens.slice(0, -1) };
  return { ...(model === undefined ? {} : { model }), goldens };
}
