import type { CompileOptions, CompileResult, ExternalData, Family } from '../compiler/index.js';
import { printable } from '../compiler/errors.js';
import { inGroup, printJson, sayWarnings, shared, type Command } from './command.js';
import type { Io } from './io.js';
import { customOpsFrom, customOptions } from './custom-ops.js';
import { graphFrom, graphOptions, type GraphOptions } from './graph-options.js';
import { progressBar } from './progress.js';
import { runtimeFrom, runtimeOptions, type RuntimeOptions } from './runtime-options.js';
import { weightsFrom, weightsOptions, type WeightsOptions } from './weights-options.js';
import { classNames, fileSize, imageSize, inputShape } from './values.js';

interface Options extends WeightsOptions, GraphOptions, RuntimeOptions {
  readonly model?: string;
  readonly output?: string;
  readonly module?: string;
  readonly args: string;
  readonly input?: readonly string[];
  readonly repeats: number;
  readonly family?: Family;
  readonly scale?: string;
  readonly imgsz: string;
  readonly batch: number;
  readonly nc?: number;
  readonly names?: string;
  readonly seed: number;
  readonly gain: number;
  readonly half: boolean;
  readonly halfIo: boolean;
  readonly customOps: 'inline' | 'function' | 'opaque';
  readonly customDomain: string;
  readonly customName?: readonly string[];
  readonly externalData: ExternalData;
  readonly profile: boolean;
  readonly verify?: readonly string[];
  readonly report?: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

export const compileCommand: Command<Options> = {
  usage: 'compile [model]',
  describe: 'Compile a YOLO yaml, a trained checkpoint or one module to an ONNX file',
  positionals: { model: { type: 'string', describe: 'the model’s yaml, or its checkpoint (best.pt)' } },
  options: {
    output: { alias: 'o', type: 'string', describe: 'the ONNX file; default: the model’s name beside you' },
    module: { type: 'string', describe: 'compile one module alone', group: 'One module:' },
    args: { type: 'string', default: '[]', describe: 'its row’s args, as a yaml has them', group: 'One module:' },
    input: { type: 'string', array: true, nargs: 1, describe: 'shape of an input, such as 1x64x20x20; repeats', group: 'One module:' },
    repeats: { type: 'number', default: 1, describe: 'repeat count of modules that take it inside, such as C3', group: 'One module:' },
    family: { ...shared.family, group: 'One module:' },
    scale: shared.scale,
    imgsz: shared.imgsz,
    batch: { type: 'number', default: 1, describe: 'images at once' },
    nc: shared.nc,
    names: { type: 'string', describe: 'class names: a,b,c or a file' },
    ...weightsOptions,
    seed: { type: 'number', default: 0, describe: 'seed of seeded weights' },
    gain: { type: 'number', default: 5, describe: 'gain of seeded weights' },
    ...graphOptions,
    half: { type: 'boolean', default: false, describe: 'float16 weights and arithmetic; inputs and outputs stay float32' },
    'half-io': { type: 'boolean', default: false, describe: '--half with float16 inputs and outputs as well' },
    ...customOptions,
    'external-data': { type: 'string', choices: ['auto', 'always'], default: 'auto', describe: 'tensors in a second file, OUTPUT.data: where one file cannot hold them (2 GiB), or always' },
    profile: { type: 'boolean', default: false, describe: 'print time and memory by stage' },
    verify: { type: 'string', array: true, describe: 'goldens that must pass before the file takes its name', group: 'Verification:' },
    report: { type: 'string', describe: 'with --verify: write an HTML page of what was found', group: 'Verification:' },
    ...inGroup('Verification:', runtimeOptions),
    json: shared.json,
    quiet: { alias: 'q', type: 'boolean', default: false, describe: 'say nothing but errors' },
  },
  examples: [
    ['$0 compile best.pt -o best.onnx', 'what was trained, as it was trained'],
    ['$0 compile yolov8n-ema.yaml -o ema.onnx', 'scale n of yolov8-ema.yaml'],
    ['$0 compile yolov5s_SE.yaml --imgsz 480 640 --dynamic batch', 'open batch, fixed size'],
    ['$0 compile yolov8x.yaml --target ort --passes +winograd', 'the fastest on a CPU'],
    ['$0 compile yolov5s_SOCA.yaml --custom-ops opaque --custom-domain trt --custom-name Sqrtm=MatrixSqrt', 'one node for each custom operator, named as your runtime’s kernels are'],
    ["$0 compile --module SE --args '[64, 16]' --input 1x64x20x20 -o se.onnx", 'one module alone'],
  ],
  async run(options, io) {
    const { compile } = await import('../compiler/node/compile.js');
    const bar = await progressBar(io, !options.quiet && !options.json);
    try {
      const result = await compile({
        ...(await requestOf(options)),
        output: options.output ?? defaultOutput(options),
        hash: options.json,
        ...(options.quiet ? {} : { onWarning: sayWarnings(io) }),
        onProgress: ({ stage, done, total }) => bar.show(stage, done, total),
      });
      bar.stop();
      await report(result, options, io);
      return result.verification ? (await import('../compiler/verify.js')).reportExitCode(result.verification) : 0;
    } finally {
      bar.stop();
    }
  },
};

async function requestOf(options: Options): Promise<CompileOptions> {
  const { scale, batch, nc, seed, gain, externalData, verify, profile } = options;
  return {
    ...(options.module === undefined ? {} : { module: moduleOf(options, options.module) }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(scale === undefined ? {} : { scale }),
    ...(nc === undefined ? {} : { nc }),
    ...(options.names === undefined ? {} : { names: await classNames(options.names) }),
    ...weightsFrom(options),
    ...(verify === undefined ? {} : { verify }),
    ...(options.report === undefined ? {} : { report: options.report }),
    ...graphFrom(options),
    imgsz: imageSize(options.imgsz),
    customOps: customOpsFrom(options),
    half: options.halfIo ? 'io' : options.half ? 'compute' : 'none',
    ...runtimeFrom(options),
    batch, seed, gain, externalData, profile,
  };
}

function moduleOf({ args, input = [], repeats, family }: Options, module: string): NonNullable<CompileOptions['module']> {
  return { module, args, inputs: input.map(inputShape), repeats, ...(family === undefined ? {} : { family }) };
}

function defaultOutput({ model, module }: Options): string {
  const name = (model ?? module ?? 'model').replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '');
  return `${name === '' ? 'model' : name}.onnx`;
}

async function report(result: CompileResult, options: Options, io: Io): Promise<void> {
  const { verification } = result;
  if (options.json) {
    printJson(io, result);
  } else {
    if (verification) io.err(await (await import('./verify-table.js')).verifyTable(verification));
    const { output, bytes, externalData, opset, irVersion, nodes, parameters, seconds } = result;
    if (result.weights && !options.quiet) io.err(weightsLine(result.weights));
    if (output !== undefined && !options.quiet) {
      const beside = externalData ? ` + ${externalData.file}  ${fileSize(externalData.bytes)}` : '';
      io.out(`${output}  ${fileSize(bytes)}${beside}  opset ${opset}, IR ${irVersion}  ${nodes} nodes  ${parameters} parameters  ${seconds.toFixed(2)} s`);
    }
  }
  if (result.profile && !options.json) io.err(await (await import('./profile-table.js')).profileTable(result.profile));
  if (verification && verification.failed > 0) io.err(`error: verification failed for ${verification.failed} of ${verification.cases.length} goldens: nothing was written`);
  else if (verification && (await import('../compiler/provider-report.js')).missedProvider(verification.provider)) io.err('error: nodes ran on another provider than required: nothing was written');
}

/** Where the weights are from; what PyTorch saves and no graph reads, by its name. */
function weightsLine({ file, holds, unused }: NonNullable<CompileResult['weights']>): string {
  const counts = new Map<string, number>();
  for (const key of unused) {
    const leaf = key.slice(key.lastIndexOf('.') + 1);
    counts.set(leaf, (counts.get(leaf) ?? 0) + 1);
  }
  const kinds = [...counts].sort(([, a], [, b]) => b - a).map(([leaf, count]) => `${count} ${leaf}`);
  const shown = kinds.slice(0, 4).join(', ') + (kinds.length > 4 ? ', …' : '');
  return printable(`weights: ${file}, ${holds}${unused.length === 0 ? '' : `; not read: ${shown}`}`);
}
