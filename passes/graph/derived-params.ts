/** Arithmetic on parameters: what it gives is a parameter again, computed when the file is written. */
import { internal } from '../../compiler/errors.js';
import { viewOf, type OpNode, type Param, type Read, type TensorType } from '../../compiler/ir/graph.js';
import { rowOf, type OpName } from '../../compiler/onnx/operators/index.js';
import { elements } from '../../compiler/onnx/operators/row.js';
import { small, toConstant, type Static } from './constants.js';

/** Parameters computed from parameters. Their numbers are read when the file is written. */
export function derived(node: OpNode): readonly Param[] | undefined {
  const row = rowOf(node.op);
  const [x] = node.inputs;
  const [y] = node.outputs as readonly Static[];
  if (VIEWS.has(node.op) && x?.kind === 'param') return [viewOf(x, y!.shape)];
  const scaled = scaledParam(node);
  if (scaled) return [scaled];
  // A file of repeated weights is no gain.
  const grows = elements(y!) > Math.max(...node.inputs.map(elements));
  if (!row.fold || node.outputs.length !== 1 || grows || !small(y!) || !numeric(y!) || !indicesWithin(node)) return undefined;
  const { key } = node.inputs.find((value) => value.kind === 'param')!;
  return [{ kind: 'param', key, kept: false, dtype: y!.dtype, shape: y!.shape, read: computedOnce(() => foldOf(node, y!), y!) }];
}

function foldOf(node: OpNode, y: Static): ArrayLike<number> {
  const numbers = rowOf(node.op).fold!(node.inputs.map(toConstant).map(wide), node.attrs, wide(y));
  if (!numbers) throw internal(`${node.op} of parameters was to be folded, but its rule gives nothing`);
  return numbers;
}

/** Parameters are streamed as floating point numbers. */
const numeric = ({ dtype }: TensorType): boolean => dtype === 'float32' || dtype === 'float16';

/** Gather's rule folds plain indices only, which must be known now: the numbers are read later. */
function indicesWithin({ op, inputs, attrs }: OpNode): boolean {
  if (op !== 'Gather') return true;
  const [x, indices] = inputs;
  const size = x!.shape[attrs.axis] as number;
  return indices!.kind === 'constant' && Array.from(indices!.data).every((index) => index >= 0 && index < size);
}

/** The precision in which tensors are read and computed; what is stored is rounded once. */
const wide = <T extends TensorType>(type: T): T => (type.dtype === 'float16' ? { ...type, dtype: 'float32' } : type);

const VIEWS: ReadonlySet<OpName> = new Set(['Reshape', 'Squeeze', 'Unsqueeze'] as const);

/** A parameter times a scalar, chunk by chunk: its size does not matter. */
function scaledParam({ op, inputs }: OpNode): Param | undefined {
  const [weight, factor] = inputs;
  if (op !== 'Mul' || weight?.kind !== 'param' || !factor || factor.shape.some((size) => size !== 1) || factor.shape.length > weight.shape.length) return undefined;
  const read: Read = (into, at) => {
    weight.read(into, at);
    const [scale] = toConstant(factor).data as readonly [number] | Float32Array;
    for (let i = 0; i < into.length; i++) into[i]! *= scale!;
  };
  return { ...weight, kept: false, read };
}

/** Holds the numbers from the first chunk to the last. */
function computedOnce(compute: () => ArrayLike<number>, type: Static): Read {
  let values: ArrayLike<number> | undefined;
  return (into, at) => {
    values ??= compute();
    for (let i = 0; i < into.length; i++) into[i] = values[at + i]!;
    if (at + into.length === elements(type)) values = undefined;
  };
}
