/** Network → graph: builds every layer's module in order and checks what channel inference said against what came out. */
import { Builder, buildModule, newRecording, type Recording } from './builder.js';
import { Problem, located } from './errors.js';
import { greatestCommonDivisor, ratio, show, showShape, type Extent, type Shape } from './ir/extent.js';
import type { FeatureMap, Graph, Input, Node, Output, Value } from './ir/graph.js';
import { placeOf, type BoundLayer, type Network } from './ir/network.js';
import { usage, type AnyModule } from './module.js';
import type { WeightSource } from './weights/source.js';

export interface ImageSize {
  readonly batch: Extent;
  readonly height: Extent;
  readonly width: Extent;
}

export interface RecordedLayer {
  readonly index: number;
  /** Shapes of what the layer gives; heads may have several. */
  readonly shapes: readonly Shape[];
  /** Elements of its parameters, as `sum(p.numel() for p in m.parameters())`. */
  readonly parameters: number;
}

export interface Recorded {
  readonly graph: Graph;
  readonly layers: readonly RecordedLayer[];
  readonly parameters: number;
  /** `len(list(model.modules()))`: all modules, shared ones once. */
  readonly modules: number;
  /** Whether an nn.Linear is among them. */
  readonly linear: boolean;
}

export interface RecordOptions {
  readonly weights: WeightSource;
  /** Only to be counted, see Recording. */
  readonly countOnly?: boolean;
  readonly warn?: (warning: Problem) => void;
}

/** The size of image at which both packages measure their strides. */
const PROBE = 256;
/** What image sizes are rounded to before a model's own stride is known. */
const USUAL_STRIDE = 32;

/** Records a whole model: input `images` [batch, channels, height, width], outputs `output0`, `output1`, … */
export function recordNetwork(network: Network<BoundLayer>, size: ImageSize, options: RecordOptions): Recorded {
  const recording = newRecording({
    weights: options.weights,
    image: [size.height, size.width],
    namedActivations: network.family === 'yolov5',
    countOnly: options.countOnly ?? false,
    warn: () => undefined,
    ...(network.activation === undefined ? {} : { activation: network.activation }),
  });
  const images: Input<FeatureMap['shape']> = {
    kind: 'input',
    name: 'images',
    dtype: 'float32',
    shape: [size.batch, network.inputChannels, size.height, size.width],
    axes: ['batch', 'channels', 'height', 'width'],
  };
  // The model itself and its Sequential are modules too.
  recording.modules.add('').add('model');
  const nodes: Node[] = [];
  const results: (readonly Value[])[] = [];
  const layers = network.layers.map((layer): RecordedLayer => {
    const inputs = layer.inputs.map((i) => (i < 0 ? images : results[i]![0]!) as FeatureMap);
    const warn = (message: string): void => options.warn?.(new Problem('bad-argument', message, { place: placeOf(network, layer, layer.spans.args) }));
    const before = recording.counted.elements;
    const outputs = recordLayer(network, layer, inputs, { ...recording, warn }, nodes);
    results.push(outputs);
    return { index: layer.index, shapes: outputs.map(({ shape }) => shape), parameters: recording.counted.elements - before };
  });
  warnOfBiases(recording, options);
  const head = network.layers.at(-1)!.definition.head;
  const outputs = results.at(-1)!.map((value, i): Output => {
    const about = head?.outputs[i];
    return { name: `output${i}`, value, ...(about ? { axes: about.axes, doc: about.doc } : {}), ...(about?.boxes ? { boxes: about.boxes } : {}) };
  });
  return { graph: { inputs: [images], outputs, nodes }, layers, ...totals(recording) };
}

function recordLayer(network: Network<BoundLayer>, layer: BoundLayer, inputs: readonly FeatureMap[], recording: Recording, nodes: Node[]): readonly Value[] {
  try {
    const outputs = recordCopies(layer.definition, layer.bound, layer.copies, inputs, recording, nodes, `model.${layer.index}`);
    const channels = outputs[0]!.shape[1];
    if (!layer.definition.head && channels !== layer.outChannels) {
      throw new Problem('bad-channels', `the row says ${layer.outChannels} channels, but ${layer.module} gives ${show(channels ?? 0)} here`, {
        help: `${layer.module} keeps the channels of its input: write the number that scales to ${show(channels ?? 0)}.`,
      });
    }
    return outputs;
  } catch (error) {
    // Maps that do not fit together are a matter of which layers are read, all else of the arguments.
    const joined = inputs.length > 1 && error instanceof Problem && error.code === 'bad-shape';
    const reads = inputs.map((x, i) => `${layer.inputs[i]! < 0 ? 'the image' : `layer ${layer.inputs[i]!}`} ${showShape(x.shape)}`).join(' and ');
    throw located(error, placeOf(network, layer, joined ? layer.spans.from : layer.spans.args), `${layer.module} takes ${usage(layer.definition)} and reads ${reads} here.`);
  }
}

function recordCopies(module: AnyModule, bound: Readonly<Record<string, unknown>>, copies: number, inputs: readonly FeatureMap[], recording: Recording, nodes: Node[], scope: string): readonly Value[] {
  if (scope !== '') recording.modules.add(scope);
  const g = new Builder(recording, nodes, scope);
  if (copies === 1) return buildModule(g, module, inputs, bound);
  let outputs: readonly Value[] = inputs;
  for (let i = 0; i < copies; i++) outputs = buildModule(g.in(String(i)), module, outputs as readonly FeatureMap[], bound);
  return outputs;
}

/** Records one module alone: inputs `x` or `x0`, `x1`, …, outputs `y` or `y0`, …; state_dict keys without prefix. */
export function recordModule({ definition, bound, copies }: BoundLayer, shapes: readonly Shape[], options: RecordOptions & { readonly namedActivations: boolean }): Recorded {
  const recording = newRecording({ weights: options.weights, namedActivations: options.namedActivations, warn: (message) => options.warn?.(new Problem('bad-argument', message)) });
  recording.modules.add('');
  const nodes: Node[] = [];
  const inputs = shapes.map((shape, i): Input<FeatureMap['shape']> => ({
    kind: 'input',
    name: shapes.length === 1 ? 'x' : `x${i}`,
    dtype: 'float32',
    shape: shape as FeatureMap['shape'],
    axes: axesOf(shape, i, shapes[0]!, definition),
  }));
  const values = recordCopies(definition, bound, copies, inputs, recording, nodes, '');
  warnOfBiases(recording, options);
  const outputs = values.map((value, i): Output => ({ name: values.length === 1 ? 'y' : `y${i}`, value, axes: ['batch'] }));
  return { graph: { inputs, outputs, nodes }, layers: [{ index: 0, shapes: values.map(({ shape }) => shape), parameters: recording.counted.elements }], ...totals(recording) };
}

/** Biases that no BatchNorm left behind: the module was trained with another definition. */
function warnOfBiases({ fused }: Recording, { warn }: RecordOptions): void {
  const paths = [...new Set(fused.values())];
  if (paths.length > 0) warn?.(new Problem('bad-weights', `the weights file has a bias where the definition has none, which is added: ${paths.slice(0, 4).join(', ')}${paths.length > 4 ? ', …' : ''}`));
}

/** What open sizes are called. One name stands for one size: that of another map gets a number. */
function axesOf(shape: Shape, index: number, first: Shape, { operator }: AnyModule): string[] {
  if (operator) return shape.map((_, axis) => String(operator.shapes[index]?.[axis] ?? `size${axis}`));
  return ['batch', 'channels', 'height', 'width'].map((name, axis) => (shape[axis] === first[axis] ? name : `${name}${index}`));
}

const totals = (recording: Recording): Pick<Recorded, 'parameters' | 'modules' | 'linear'> => ({
  parameters: recording.counted.elements,
  linear: recording.counted.linear,
  modules: recording.modules.size,
});

/** Pixels of the image per cell. */
export interface Strides {
  /** The largest of the maps that the head reads (of the last layer where there is no head): what image sizes are rounded to. */
  readonly head: number;
  /** A multiple of every map's stride, so that open sizes divide exactly everywhere. */
  readonly common: number;
}

/**
 * Strides, measured as both packages do it: on an image of 256 × 256. A model that cannot run on that is measured on
 * its own image.
 */
export function measureStrides(network: Network<BoundLayer>, [height, width]: readonly [number, number], weights: WeightSource): Strides {
  const last = network.layers.at(-1)!;
  const body = last.definition.head ? network.layers.slice(0, -1) : network.layers;
  if (body.length === 0) return { head: 1, common: 1 };
  const read = last.definition.head ? last.inputs : [body.length - 1];
  const measure = (h: number, w: number): Strides => {
    const { layers } = recordNetwork({ ...network, layers: body }, { batch: 1, height: h, width: w }, { weights, countOnly: true });
    const strides = [...layers.map(({ shapes }) => ratio(h, shapes[0]![2] ?? h)), 1];
    // -1 is the image itself.
    const head = headStride(network, read.map((index) => strides.at(index)!));
    return { head, common: commonStride(head, strides) };
  };
  try {
    return measure(PROBE, PROBE);
  } catch (error) {
    // What fails on the probe fails on the model's own image as well, or is told of that.
    if (!(error instanceof Problem)) throw error;
    return measure(Math.ceil(height / USUAL_STRIDE) * USUAL_STRIDE, Math.ceil(width / USUAL_STRIDE) * USUAL_STRIDE);
  }
}

function headStride(network: Network<BoundLayer>, strides: readonly number[]): number {
  const last = network.layers.at(-1)!;
  const broken = strides.find((stride) => !Number.isInteger(stride));
  if (broken === undefined) return Math.max(1, ...strides);
  if (!last.definition.head) return 1;
  throw new Problem('bad-imgsz', `${last.module} reads a map with one cell for every ${broken.toFixed(3)} pixels: strides must be whole numbers`, {
    place: placeOf(network, last, last.spans.from),
    help: 'Give the Convs and poolings before it a padding that halves maps exactly: None, or kernel // 2.',
  });
}

/** The least common multiple of whole strides, where it is no larger than a probe's map. */
function commonStride(head: number, strides: readonly number[]): number {
  return strides.filter((stride) => Number.isInteger(stride)).reduce((common, stride) => {
    const multiple = (common * stride) / greatestCommonDivisor(common, stride);
    return multiple <= PROBE ? multiple : common;
  }, head);
}
