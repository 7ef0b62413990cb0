/** The pipeline: yaml → network → graph of calls → graph of operators → bytes. One stage after the other. */
import { inferChannels } from '../passes/network/infer-channels.js';
import { scale } from '../passes/network/scale.js';
import { runPasses, type CustomOps, type PassReport } from '../passes/pass.js';
import { chosenPasses, refuse } from './choose-passes.js';
import { Problem, type Source } from './errors.js';
import { greatestCommonDivisor, input, mul, type Extent, type Shape } from './ir/extent.js';
import type { Graph } from './ir/graph.js';
import type { BoundLayer, Family, Literal, Network } from './ir/network.js';
import type { ModelSink } from './io.js';
import type { ModuleLibrary } from './library.js';
import type { AnyModule } from './module.js';
import { CUSTOM_OPS, metadataOf, moduleMetadata, opaqueOperators } from './metadata.js';
import { OPSETS, emit, type Emitted, type ExternalData } from './onnx/emit.js';
import { measureStrides, recordModule, recordNetwork, type ImageSize, type Recorded } from './record.js';
import { gflops } from './stats.js';
import type { Target } from './target.js';
import { DEFAULT_SEED, seededWeights } from './weights/seeded.js';
import type { WeightSource } from './weights/source.js';
import { bindModule, loadDefinitions, parseNetwork } from './yaml/index.js';

export type Dynamic = 'none' | 'batch' | 'all';

export interface GraphOptions {
  /** 11 to 22; default 17. */
  readonly opset?: number;
  /** Which input sizes stay open: none (default), the batch, or batch, height and width. */
  readonly dynamic?: Dynamic;
  readonly customOps?: Partial<CustomOps>;
  /** What the runtime wants, see target.ts; default: a file for every runtime. */
  readonly target?: Target;
  /** Float16 weights and arithmetic; `io`: inputs and outputs too. Default `none`. */
  readonly half?: 'none' | 'compute' | 'io';
  /**
   * Names of the passes to run, or changes to the default: `+winograd`, `-softmax-last`. Default: all but the optional
   * ones, as the target wants them. Passes without which the graph is not ONNX always run.
   */
  readonly passes?: readonly string[];
  readonly weights?: WeightSource;
  /** Other names for modules: `{ MyEMA: 'EMA' }`. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly warn?: (warning: Problem) => void;
  readonly onPass?: (report: PassReport) => void;
  /** Called at the end of each stage: yaml, strides, record, every pass, encode, write. */
  readonly onStage?: (stage: string) => void;
}

export interface NetworkOptions extends GraphOptions {
  /** A key of the yaml's `scales:`. */
  readonly scale?: string;
  /** [height, width] in pixels; default 640 × 640. Rounded up to the stride, with a warning. */
  readonly imgsz?: readonly [height: number, width: number];
  readonly batch?: number;
  readonly nc?: number;
  readonly names?: readonly string[];
  /** What a weights file says, for where the yaml and the other options are silent. */
  readonly fallback?: { readonly scale?: string; readonly names?: readonly string[] };
  /** Whether the yaml's file name may tell the scale; default true. */
  readonly scaleByName?: boolean;
}

export interface ModuleOptions extends GraphOptions {
  /** A name as a yaml of the family spells it. */
  readonly module: string;
  /** The yaml row's arguments: text as a yaml has it (`[64, 3, 2]`), or values. */
  readonly args: string | readonly Literal[];
  /** One shape for every input: [batch, channels, height, width], for operators any. */
  readonly inputs: readonly (readonly number[])[];
  /** Repeat count of modules that take it inside, such as C3. */
  readonly repeats?: number;
  readonly family?: Family;
}

export interface EmitHooks {
  readonly sink: ModelSink;
  readonly externalData?: ExternalData | undefined;
  readonly producerVersion: string;
  /** For the metadata: YYYY-MM-DD. */
  readonly date: string;
  readonly pause?: (written: number, total: number) => Promise<void> | undefined;
}

export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
}

export interface Written extends Pick<Emitted, 'bytes' | 'externalData'> {
  readonly opset: number;
  readonly irVersion: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly nodes: number;
  /** Trained elements of the model, before folding. */
  readonly parameters: number;
  /** Keys of the weights file that the graph does not read. */
  readonly unused: readonly string[];
}

/** A network made ready for recording, with the image size that it will get. */
export interface Prepared {
  readonly network: Network<BoundLayer>;
  /** The head's largest. */
  readonly stride: number;
  /** What open image sizes are multiples of. */
  readonly commonStride: number;
  readonly imgsz: readonly [height: number, width: number];
}

const DEFAULT_SIZE = 640;
const MAX_SIZE = 16_384;
const MAX_BATCH = 4096;
/** Of one size of a lone module's input. */
const MAX_EXTENT = 2 ** 24;

/** yaml text → scaled network with channels inferred, stride measured, image size rounded to the stride. */
export async function prepare(source: Source, options: NetworkOptions, library: ModuleLibrary): Promise<Prepared> {
  const parsed = parseNetwork(source, options);
  const network = inferChannels(scale(parsed, await loadDefinitions(parsed, library)));
  options.onStage?.('yaml');
  const imgsz = checkedSize(options);
  const { head, common } = measureStrides(network, imgsz, seededWeights(DEFAULT_SEED));
  options.onStage?.('strides');
  return { network, stride: head, commonStride: common, imgsz: roundedSize(imgsz, head, options.warn) };
}

function checkedSize({ imgsz = [DEFAULT_SIZE, DEFAULT_SIZE] }: NetworkOptions): readonly [number, number] {
  for (const size of imgsz) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
      throw new Problem('bad-imgsz', `image size must be an integer from 1 to ${MAX_SIZE}, got ${size}`, { help: 'Give one number, or height and width: --imgsz 480 640.' });
    }
  }
  return imgsz;
}

function roundedSize(imgsz: readonly [number, number], stride: number, warn: NetworkOptions['warn']): readonly [number, number] {
  const rounded = imgsz.map((size) => Math.ceil(size / stride) * stride) as [number, number];
  if (rounded.some((size, i) => size !== imgsz[i])) {
    warn?.(new Problem('bad-imgsz', `image size ${imgsz.join(' x ')} is not a multiple of the stride ${stride}: ${rounded.join(' x ')} is used`));
  }
  return rounded;
}

/** The sizes that the graph is recorded with: numbers, or symbols for what stays open. */
function imageSize({ imgsz, commonStride: stride }: Prepared, { dynamic = 'none', batch = 1 }: NetworkOptions): ImageSize {
  if (!Number.isInteger(batch) || batch < 1 || batch > MAX_BATCH) throw new Problem('bad-option', `batch must be an integer from 1 to ${MAX_BATCH}, got ${batch}`);
  const open = (name: string): Extent => (stride === 1 ? input(name) : mul(stride, input(`${name}/${stride}`)));
  return {
    batch: dynamic === 'none' ? batch : input('batch'),
    height: dynamic === 'all' ? open('height') : imgsz[0],
    width: dynamic === 'all' ? open('width') : imgsz[1],
  };
}

/** Throws Problem('bad-weights') where the weights do not fit the network. */
export function networkGraph(prepared: Prepared, options: NetworkOptions): { recorded: Recorded; graph: Graph; unused: readonly string[] } {
  const weights = options.weights ?? seededWeights(DEFAULT_SEED);
  const recorded = recordNetwork(prepared.network, imageSize(prepared, options), { weights, ...(options.warn ? { warn: options.warn } : {}) });
  const unused = finished(weights, options, layerNames(prepared.network));
  options.onStage?.('record');
  return { recorded, unused, graph: lowered(recorded.graph, options) };
}

/** Which layer a state_dict key belongs to: `layer 9, SE`. */
function layerNames({ layers }: Prepared['network']): (key: string) => string | undefined {
  return (key) => {
    const index = /^model\.(\d+)\./.exec(key)?.[1];
    const layer = index === undefined ? undefined : layers[Number(index)];
    return layer && `layer ${layer.index}, ${layer.module}`;
  };
}

function finished(weights: WeightSource, options: GraphOptions, layerOf?: (key: string) => string | undefined): readonly string[] {
  const { unused, remarks } = weights.finish(layerOf);
  for (const remark of remarks) options.warn?.(new Problem('bad-weights', remark));
  return unused;
}

/** A whole model, written to the sink. */
export async function writeNetwork(prepared: Prepared, options: NetworkOptions, hooks: EmitHooks): Promise<Written> {
  const { recorded, graph, unused } = networkGraph(prepared, options);
  return write(graph, recorded, unused, options, hooks, prepared.network.name, metadataOf(prepared, options, graph, { date: hooks.date, version: hooks.producerVersion }));
}

/** The given sizes say how open ones relate: of maps 16, 8 and 4 high, the first is always 4 times as high as the last. */
function openSize(axis: 2 | 3, size: number, inputs: ModuleOptions['inputs']): Extent {
  const name = axis === 2 ? 'height' : 'width';
  const sizes = inputs.map((shape) => shape[axis]!);
  const unit = sizes.reduce(greatestCommonDivisor);
  const first = sizes[0]! / unit;
  return mul(size / unit, input(first === 1 ? name : `${name}/${first}`));
}

/** The shapes that a module alone is recorded with: numbers, or symbols for what stays open. */
function moduleShapes({ inputs, dynamic = 'none' }: ModuleOptions, operator: AnyModule['operator']): readonly Shape[] {
  return inputs.map((shape, i) =>
    shape.map((size, axis): Extent => {
      if (axis === 0) return dynamic === 'none' ? size : input('batch');
      if (dynamic !== 'all') return size;
      if (!operator) return axis === 2 || axis === 3 ? openSize(axis, size, inputs) : size;
      const name = operator.shapes[i]?.[axis];
      return typeof name === 'string' && operator.open.includes(name) ? input(name) : size;
    }),
  );
}

function checkInputs(inputs: ModuleOptions['inputs'], operator: AnyModule['operator']): void {
  const wanted = operator?.shapes ?? inputs.map(() => ['batch', 'channels', 'height', 'width']);
  const fits = (shape: readonly number[], names: readonly (string | number)[]): boolean =>
    shape.length === names.length && shape.every((size, axis) => Number.isInteger(size) && size >= 1 && size <= MAX_EXTENT && (typeof names[axis] === 'string' || names[axis] === size));
  if (inputs.length === wanted.length && inputs.every((shape, i) => fits(shape, wanted[i]!))) return;
  const [are, got] = [operator ? operator.shapes : [wanted[0]!], inputs].map((shapes) => shapes.map((shape) => `[${shape.join(', ')}]`).join(' and '));
  throw new Problem('bad-option', `${operator ? 'the inputs are' : 'an input is'} ${are!} with sizes from 1 on, got ${got!}`, { help: 'Give one --input for each, such as --input 1x64x20x20.' });
}

export async function moduleGraph(options: ModuleOptions, library: ModuleLibrary): Promise<{ recorded: Recorded; graph: Graph; unused: readonly string[] }> {
  const family = options.family ?? 'yolov5';
  const { layer } = await bindModule(library, { family, name: options.module, args: options.args, n: options.repeats ?? 1, aliases: options.aliases ?? {}, inputs: options.inputs.map((shape) => shape[1] ?? 1) });
  const { operator } = layer.definition;
  checkInputs(options.inputs, operator);
  const weights = options.weights ?? seededWeights(DEFAULT_SEED);
  const recorded = recordModule(layer, moduleShapes(options, operator), { weights, ...(options.warn ? { warn: options.warn } : {}), namedActivations: family === 'yolov5' });
  return { recorded, unused: finished(weights, options), graph: lowered(recorded.graph, options) };
}

/** One module alone, written to the sink. */
export async function writeModule(options: ModuleOptions, library: ModuleLibrary, hooks: EmitHooks): Promise<Written> {
  const { recorded, graph, unused } = await moduleGraph(options, library);
  return write(graph, recorded, unused, options, hooks, options.module, moduleMetadata(options));
}

async function write(graph: Graph, recorded: Recorded, unused: readonly string[], options: GraphOptions, hooks: EmitHooks, name: string, metadata: readonly (readonly [string, string])[]): Promise<Written> {
  const opset = options.opset ?? OPSETS.default;
  const opaque = opaqueOperators(graph, options.customOps?.names ?? {});
  const described = opaque.length === 0 ? metadata : [...metadata, [CUSTOM_OPS, JSON.stringify(Object.fromEntries(opaque))] as const];
  const emitted = await emit(graph, hooks.sink, { opset, graphName: name, producerVersion: hooks.producerVersion, metadata: described, onEncoded: () => options.onStage?.('encode'), ...(hooks.externalData ? { externalData: hooks.externalData } : {}), ...(hooks.pause ? { pause: hooks.pause } : {}) });
  options.onStage?.('write');
  const most = options.target?.irVersion ?? Infinity;
  if (emitted.irVersion > most) options.warn?.(new Problem('bad-target', `${options.target!.name} reads IR versions up to ${most}, this file has ${emitted.irVersion}`, { help: 'Use a lower --opset: the IR version follows it.' }));
  return {
    bytes: emitted.bytes,
    ...(emitted.externalData ? { externalData: emitted.externalData } : {}),
    opset,
    irVersion: emitted.irVersion,
    nodes: emitted.nodes,
    parameters: recorded.parameters,
    unused,
    inputs: graph.inputs.map(({ name: tensor, dtype, shape }) => ({ name: tensor, dtype, shape })),
    outputs: graph.outputs.map(({ name: tensor, value }) => ({ name: tensor, dtype: value.dtype, shape: value.shape })),
  };
}

/** Runs the passes that were asked for, and those that every graph needs. */
function lowered(graph: Graph, options: GraphOptions): Graph {
  const opset = options.opset ?? OPSETS.default;
  if (!Number.isInteger(opset) || opset < OPSETS.least || opset > OPSETS.most) {
    throw new Problem('bad-option', `opset must be an integer from ${OPSETS.least} to ${OPSETS.most}, got ${opset}`, { help: `Leave it out for opset ${OPSETS.default}.` });
  }
  const context = { opset, customOps: customOpsOf(options), half: options.half ?? 'none', lacks: options.target?.lacks ?? [] };
  const passes = chosenPasses(options);
  for (const pass of passes) refuse(pass, pass.refusal?.(graph, context), options);
  const { onStage, onPass } = options;
  const report = (about: PassReport): void => {
    onStage?.(about.pass.name);
    onPass?.(about);
  };
  return runPasses(graph, passes, context, onStage || onPass ? report : undefined);
}

/** The form, domain and names of custom operators. Throws Problem('bad-option'). */
export function customOpsOf({ customOps = {} }: Pick<GraphOptions, 'customOps'>): CustomOps {
  const { form = 'inline', domain = 'yolonnx', names = {} } = customOps;
  if (!['inline', 'function', 'opaque'].includes(form)) throw new Problem('bad-option', `custom operators are written inline, function or opaque, not ${form as string}`);
  if (!/^[A-Za-z][\w.-]*$/.test(domain)) throw new Problem('bad-option', `the domain of custom operators must be a name such as yolonnx or mmdeploy, got '${domain}'`, { help: 'Use letters, digits, _, - and dots.' });
  if (/^ai\.onnx(\.|$)/.test(domain)) throw new Problem('bad-option', `${domain} is ONNX's own domain`, { help: 'Use another, such as yolonnx or mmdeploy.' });
  for (const [operator, name] of Object.entries(names)) {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new Problem('bad-option', `the name for ${operator} must be letters, digits and _, got '${name}'`, { help: 'For example --custom-name Sqrtm=MatrixSqrt.' });
    if (form !== 'opaque') throw new Problem('bad-option', `another name for ${operator} is for opaque operators, but these are ${form}`, { help: 'Add --custom-ops opaque.' });
  }
  return { form, domain, names };
}

/** GFLOPs at the prepared image size, as the yaml's package prints them. */
export const gflopsOf = ({ network, stride, imgsz }: Prepared): number => gflops(network, stride, imgsz, seededWeights(DEFAULT_SEED));
