import { isStatic } from '../../compiler/ir/extent.js';
import { viewOf, type Constant, type OpNode, type Param, type Read, type TensorType, type Value } from '../../compiler/ir/graph.js';
import { rowOf } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/** Larger results stay computed at run time: a file of constants is no gain. */
const MAX_ELEMENTS = 1 << 22;

/**
 * f(c₁, c₂, …) = c for constants: sizes, grids, anchors, masks. Tensors that are not trained count as constants.
 * f(w, c, …) of trained tensors becomes a tensor of the file, computed when it is written: NAM's |γ| / Σ|γ|.
 * Refused: operators without a `fold` rule (their runtimes may round otherwise), open sizes, very large results.
 */
export const foldConstants: Pass = {
  name: 'fold-constants',
  doc: 'Computes what is known when compiling: sizes, grids, strides, anchors, masks, products of weights.',
  scope: 'every-graph',
  run: (graph) =>
    rewrite(graph, (node, { replace }) => {
      const folded = node.kind === 'op' ? foldedOf(node) : undefined;
      if (!folded) return [node];
      node.outputs.forEach((value, i) => replace(value, folded[i]!));
      return [];
    }),
};

type Static = TensorType<readonly number[]>;

function foldedOf(node: OpNode): readonly Value[] | undefined {
  if (!node.outputs.every(({ shape }) => isStatic(shape))) return undefined;
  if (node.inputs.every(known)) return node.outputs.every(small) ? computed(node) : undefined;
  return node.inputs.every((value) => value.kind === 'constant' || value.kind === 'param') ? derived(node) : undefined;
}

function computed(node: OpNode): readonly Constant[] | undefined {
  const row = rowOf(node.op);
  const types = node.outputs as readonly TensorType[];
  // Arithmetic in float16 is the runtime's; moving and casting is exact.
  if (node.op !== 'Cast' && row.exactness !== 'exact' && types.some(({ dtype }) => dtype === 'float16')) return undefined;
  const data = evaluate(node);
  return data && types.map(({ dtype, shape }, i) => ({ kind: 'constant', dtype, shape, data: data[i]! }));
}

/** Parameters computed from parameters. Their numbers are read when the file is written. */
function derived(node: OpNode): readonly Param[] | undefined {
  const row = rowOf(node.op);
  const [x] = node.inputs;
  const [y] = node.outputs as readonly Static[];
  if (VIEWS.has(node.op) && x?.kind === 'param') return [viewOf(x, y!.shape)];
  const scaled = scaledParam(node);
  if (scaled) return [scaled];
  // A file of repeated weights is no gain.
  const grows = elements(y!.shape) > Math.max(...node.inputs.map(({ shape }) => elements(shape as readonly number[])));
  if (!row.fold || node.outputs.length !== 1 || grows || !small(y!) || !numeric(y!) || !indicesWithin(node)) return undefined;
  const { key } = node.inputs.find((value) => value.kind === 'param')!;
  return [{ kind: 'param', key, kept: false, dtype: y!.dtype, shape: y!.shape, read: computedOnce(() => row.fold!(node.inputs.map(toConstant).map(wide), node.attrs, wide(y!))!, y!) }];
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

const VIEWS: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze']);

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
function computedOnce(compute: () => ArrayLike<number>, { shape }: Static): Read {
  let values: ArrayLike<number> | undefined;
  return (into, at) => {
    values ??= compute();
    for (let i = 0; i < into.length; i++) into[i] = values[at + i]!;
    if (at + into.length === elements(shape)) values = undefined;
  };
}

function evaluate(node: OpNode): readonly ArrayLike<number>[] | undefined {
  const row = rowOf(node.op);
  const inputs = node.inputs.map(toConstant);
  const outputs = node.outputs as readonly TensorType[] as readonly Static[];
  const data = row.foldMany ? row.foldMany(inputs, node.attrs, outputs) : [row.fold?.(inputs, node.attrs, outputs[0]!)];
  return data.every((numbers) => numbers !== undefined) ? data : undefined;
}

const elements = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

const small = ({ shape }: TensorType): boolean => isStatic(shape) && elements(shape) <= MAX_ELEMENTS;

const known = (value: Value): boolean => value.kind === 'constant' || (value.kind === 'param' && value.kept);

function toConstant(value: Value): Constant {
  if (value.kind === 'constant') return value;
  const shape = value.shape as readonly number[];
  const data = new Float32Array(elements(shape));
  if (value.kind === 'param') value.read(data, 0);
  return { kind: 'constant', dtype: value.dtype, shape, data };
}
