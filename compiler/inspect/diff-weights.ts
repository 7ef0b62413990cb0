/** The weights of two ONNX files: which both have, under which names, and how far they are apart. */
import { layersOf } from './layers.js';
import { elementsOf, type FileModel, type FileTensor } from './model.js';

export interface WeightsDiff {
  readonly a: number;
  readonly b: number;
  /** In both, number for number; float16 against float32: up to its rounding. */
  readonly equal: number;
  /** Of the equal ones, those that differ by the rounding to a smaller type. */
  readonly rounded: number;
  /** Those that have another name in b: with the same numbers, or the only one of its shape that is left in its layer. */
  readonly renamed: readonly { readonly a: string; readonly b: string }[];
  /** Of one shape with other numbers, though it be the last place alone; the largest difference first. */
  readonly different: readonly WeightDifference[];
  /** Under one name, of other shapes. */
  readonly reshaped: readonly { readonly name: string; readonly a: readonly number[]; readonly b: readonly number[] }[];
  readonly onlyA: readonly OneWeight[];
  readonly onlyB: readonly OneWeight[];
  /** A weight that could not be read, and why; nothing is known of its numbers. */
  readonly unread: readonly { readonly name: string; readonly reason: string }[];
}

export interface OneWeight {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface WeightDifference extends OneWeight {
  /** Its name in b, where that is another. */
  readonly inB?: string;
  /** Layer of a that reads it. */
  readonly layer?: string;
  readonly maxAbs: number;
  /** maxAbs relative to the largest |a|. */
  readonly maxRel: number;
}

/** Weights are initializers of numbers, and constants of more than one number, as exporters fold them. Integers above a byte are shapes and indices. */
const NUMBERS = /^b?float(16|32|64)$|^u?int8$/;

const isWeight = ({ dtype, constant, shape }: FileTensor): boolean => NUMBERS.test(dtype) && elementsOf(shape) > (constant ? 1 : 0);

/** Reads one pair of weights at a time. */
export function weightsDiff(a: FileModel, b: FileModel): WeightsDiff {
  const [ofA, ofB] = [weightsOf(a), weightsOf(b)];
  const layers = layerOf(a);
  const [leftA, leftB] = [new Map(ofA), new Map(ofB)];
  const renamed: WeightsDiff['renamed'][number][] = [];
  const different: WeightDifference[] = [];
  const reshaped: WeightsDiff['reshaped'][number][] = [];
  const unread: WeightsDiff['unread'][number][] = [];
  let [equal, rounded] = [0, 0];
  const tell = ({ own, other, ...compared }: Renamed): void => {
    const { name, dtype, shape } = own;
    const layer = layers.get(name);
    if (compared.equal) equal++;
    if (compared.equal && compared.maxAbs > 0) rounded++;
    if (name !== other.name) renamed.push({ a: name, b: other.name });
    if (!compared.equal) different.push({ name, ...(name === other.name ? {} : { inB: other.name }), dtype, shape, ...(layer === undefined ? {} : { layer }), maxAbs: compared.maxAbs, maxRel: compared.maxRel });
  };
  for (const [name, own] of ofA) {
    const other = ofB.get(name);
    if (!other) continue;
    const compared = own.shape.join() === other.shape.join() ? compareWeights(own, other) : undefined;
    // Names that an exporter counted out stand for anything.
    if (isCounted(name) && !(typeof compared === 'object' && isSame(compared))) continue;
    leftA.delete(name);
    leftB.delete(name);
    if (compared === undefined) reshaped.push({ name, a: own.shape, b: other.shape });
    else if (typeof compared === 'string') unread.push({ name, reason: compared });
    else tell({ own, other, ...compared });
  }
  takeRenamed(leftA, leftB).forEach(tell);
  takeAlone(leftA, leftB, layers, layerOf(b)).forEach(tell);
  const list = (tensors: ReadonlyMap<string, FileTensor>): OneWeight[] => [...tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  different.sort((x, y) => order(y.maxRel) - order(x.maxRel));
  return { a: ofA.size, b: ofB.size, equal, rounded, renamed, different, reshaped, onlyA: list(leftA), onlyB: list(leftB), unread };
}

/** NaN is the largest difference of all. */
const order = (value: number): number => (Number.isNaN(value) ? Infinity : value);

/** `onnx::Conv_123`, `constant_4`, `val_7`, `/model.22/Constant_output_0`: nothing that a weight is called by. */
const isCounted = (name: string): boolean => /^(onnx::\w+|(constant|const|val|tensor|initializer)(_\d+)?|_?\d+|\/.*)$/i.test(name);

const weightsOf = ({ tensors }: FileModel): Map<string, FileTensor> => new Map([...tensors].filter(([, tensor]) => isWeight(tensor)));

function layerOf(model: FileModel): ReadonlyMap<string, string> {
  const layers = new Map<string, string>();
  for (const { name: layer, nodes } of layersOf(model)) for (const { inputs } of nodes) for (const name of inputs) if (!layers.has(name)) layers.set(name, layer);
  return layers;
}

interface Compared {
  readonly equal: boolean;
  readonly maxAbs: number;
  readonly maxRel: number;
}

/** A text where one of them cannot be read. */
function compareWeights(a: FileTensor, b: FileTensor): Compared | string {
  try {
    return compareNumbers(a.read(), b.read(), stepOf(a, b));
  } catch (error) {
    return (error as Error).message;
  }
}

/** Half of the last place of these types, relative to the number. */
const STEP: Readonly<Record<string, number>> = { bfloat16: 2 ** -8, float16: 2 ** -11, float32: 2 ** -24 };
const stepOf = (a: FileTensor, b: FileTensor): number => (a.dtype === b.dtype ? 0 : Math.max(STEP[a.dtype] ?? 0, STEP[b.dtype] ?? 0));

/** Half of the smallest float16. */
const LEAST = 2 ** -25;

function compareNumbers(a: ArrayLike<number>, b: ArrayLike<number>, step: number): Compared {
  let [maxAbs, largest, equal] = [0, 0, true];
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (Math.abs(x) > largest) largest = Math.abs(x);
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const difference = Math.abs(x - y);
    if (difference > maxAbs || Number.isNaN(difference)) maxAbs = difference;
    if (!(difference <= step * 1.001 * Math.max(Math.abs(x), Math.abs(y)) + (step > 0 ? LEAST : 0))) equal = false;
  }
  return { equal, maxAbs, maxRel: maxAbs === 0 ? 0 : maxAbs / Math.max(largest, Number.MIN_VALUE) };
}

/** Two names of one tensor may come from two foldings of a BatchNorm, which round differently. */
const SAME = 1e-5;

interface Renamed extends Compared {
  readonly own: FileTensor;
  readonly other: FileTensor;
}

/** Takes out of both what is the same tensor under two names: of one shape, with the same numbers. */
function takeRenamed(leftA: Map<string, FileTensor>, leftB: Map<string, FileTensor>): Renamed[] {
  const byShape = new Map<string, FileTensor[]>();
  for (const tensor of leftB.values()) {
    const key = tensor.shape.join();
    const known = byShape.get(key);
    if (known) known.push(tensor);
    else byShape.set(key, [tensor]);
  }
  const samples = new Map<FileTensor, Float64Array | undefined>();
  const sampled = (tensor: FileTensor): Float64Array | undefined => {
    if (!samples.has(tensor)) samples.set(tensor, sampleOf(tensor));
    return samples.get(tensor);
  };
  return [...leftA.values()].flatMap((own): Renamed[] => {
    const candidates = byShape.get(own.shape.join()) ?? [];
    for (const [at, other] of candidates.entries()) {
      const [x, y] = [sampled(own), sampled(other)];
      if (!x || !y || !isSame(compareNumbers(x, y, stepOf(own, other)))) continue;
      const compared = compareWeights(own, other);
      if (typeof compared === 'string' || !isSame(compared)) continue;
      candidates.splice(at, 1);
      leftA.delete(own.name);
      leftB.delete(other.name);
      return [{ own, other, ...compared }];
    }
    return [];
  });
}

/** Takes out of both what has another name and other numbers, but is the only one left of its shape in a layer of both. */
function takeAlone(leftA: Map<string, FileTensor>, leftB: Map<string, FileTensor>, layersA: ReadonlyMap<string, string>, layersB: ReadonlyMap<string, string>): Renamed[] {
  const keyed = (left: ReadonlyMap<string, FileTensor>, layers: ReadonlyMap<string, string>): Map<string, FileTensor[]> => {
    const groups = new Map<string, FileTensor[]>();
    for (const tensor of left.values()) {
      const layer = layers.get(tensor.name);
      if (layer === undefined || tensor.constant) continue;
      const key = `${layer} ${tensor.shape.join()}`;
      groups.set(key, [...(groups.get(key) ?? []), tensor]);
    }
    return groups;
  };
  const others = keyed(leftB, layersB);
  return [...keyed(leftA, layersA)].flatMap(([key, [own, ...more]]): Renamed[] => {
    const [other, ...moreOthers] = others.get(key) ?? [];
    // Names that say something say that these are two things.
    if (!own || !other || more.length + moreOthers.length > 0 || !(isCounted(own.name) || isCounted(other.name))) return [];
    const compared = compareWeights(own, other);
    if (typeof compared === 'string') return [];
    leftA.delete(own.name);
    leftB.delete(other.name);
    return [{ own, other, ...compared }];
  });
}

const isSame = ({ equal, maxRel }: Compared): boolean => equal || maxRel <= SAME;

const SAMPLES = 61;

/** Some of its numbers, so that few pairs have to be read whole; undefined where it cannot be read. */
function sampleOf(tensor: FileTensor): Float64Array | undefined {
  try {
    const numbers = tensor.read();
    const count = Math.min(SAMPLES, numbers.length);
    return Float64Array.from({ length: count }, (_, i) => numbers[Math.floor((i * numbers.length) / count)]!);
  } catch {
    return undefined;
  }
}
