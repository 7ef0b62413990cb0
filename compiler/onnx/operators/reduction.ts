/** Products, reductions, softmax and normalizations. */
import { known, show, showShape, type Extent } from '../../ir/extent.js';
import type { TensorType, Value } from '../../ir/graph.js';
import { sumOver } from '../fold.js';
import { broadcast } from './elementwise.js';
import { elements, operand, row, shapeProblem, type None, type Row, type Spelling } from './row.js';

export interface Reduce {
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

/** Axes are counted from the front here; 0 ≤ axis < rank. */
export function checkAxis(axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank) throw shapeProblem(`axis ${axis} is not an axis of a tensor of rank ${rank}`);
}

function reduced(inputs: readonly Value[], { axes, keepdims }: Reduce): readonly TensorType[] {
  const x = operand(inputs, 0);
  for (const axis of axes) checkAxis(axis, x.shape.length);
  const shape = keepdims
    ? x.shape.map((extent, i): Extent => (axes.includes(i) ? 1 : extent))
    : x.shape.filter((_, i) => !axes.includes(i));
  return [{ dtype: x.dtype, shape }];
}

/** Axes became an input in opset 18 (13 for ReduceSum). */
const reduction = (exactness: Row<Reduce>['exactness'], axesInput: number, { macs, fold }: Pick<Row<Reduce>, 'macs' | 'fold'> = {}): Row<Reduce> =>
  row<Reduce>({
    since: 1,
    exactness,
    infer: reduced,
    ...(macs ? { macs } : {}),
    ...(fold ? { fold } : {}),
    spell: ({ axes, keepdims }, opset): Spelling => {
      const keep = { keepdims: { int: keepdims ? 1 : 0 } };
      return opset >= axesInput
        ? { attributes: keep, operands: [{ kind: 'ints', ints: axes }] }
        : { attributes: { ...keep, axes: { ints: axes } } };
    },
  });

export interface Normalization {
  readonly epsilon: number;
}

/** thop: 2 operations an element, and 2 more for the affine part. */
const normMacs = { when: 'leaf', count: ([x]: readonly Value[]) => 4 * elements(x!) } as const;

function normalized(inputs: readonly Value[], affine: number, size: (x: Value) => Extent): readonly TensorType[] {
  const x = operand(inputs, 0);
  for (let i = 1; i <= affine; i++) {
    const shape = operand(inputs, i).shape;
    if (shape.length !== 1 || shape[0] !== size(x)) {
      throw shapeProblem(`normalization of ${showShape(x.shape)} expects vectors of ${show(size(x))}, got ${showShape(shape)}`);
    }
  }
  return [{ dtype: x.dtype, shape: x.shape }];
}

const channelAxis = (x: Value): Extent => x.shape[1] ?? 0;

export const reductions = {
  ReduceMean: reduction('approximate', 18, { macs: { when: 'leaf', count: ([x], [y]) => elements(x!) + elements(y!) } }),
  ReduceMax: reduction('exact', 18),
  ReduceSum: reduction('approximate', 13, { fold: ([x], { axes }, out) => sumOver(x!, axes, out) }),
  /** Where the largest is; of equals the first, which opsets below 12 leave open. */
  ArgMax: row<{ readonly axis: number; readonly keepdims: boolean }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { axis, keepdims }) => reduced(inputs, { axes: [axis], keepdims }).map(({ shape }) => ({ dtype: 'int64', shape })),
    spell: ({ axis, keepdims }) => ({ attributes: { axis: { int: axis }, keepdims: { int: keepdims ? 1 : 0 } } }),
  }),
  /** √Σx² */
  ReduceL2: reduction('approximate', 18),
  /** Batched matrix product over the last two axes. */
  MatMul: row<None>({
    since: 1,
    exactness: 'approximate',
    infer: (inputs) => {
      const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
      const [m, k1] = a.shape.slice(-2);
      const [k2, n] = b.shape.slice(-2);
      if (a.shape.length < 2 || b.shape.length < 2 || k1 !== k2) {
        throw shapeProblem(`a product of ${showShape(a.shape)} and ${showShape(b.shape)} has no common inner size`);
      }
      return [{ dtype: a.dtype, shape: [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), m!, n!] }];
    },
    macs: { when: 'always', count: ([a], [y]) => elements(y!) * (a!.shape.at(-1) as number) },
  }),
  /** x [N, in] · wᵀ with w [out, in], optional bias [out]: PyTorch's Linear. */
  Gemm: row<None>({
    since: 11,
    exactness: 'approximate',
    infer: (inputs) => {
      const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
      if (x.shape.length !== 2 || w.shape.length !== 2 || x.shape[1] !== w.shape[1]) {
        throw shapeProblem(`a Linear with weight ${showShape(w.shape)} does not take ${showShape(x.shape)}`);
      }
      return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!] }];
    },
    macs: { when: 'always', count: ([x], [y]) => elements(y!) * (x!.shape[1] as number) },
    spell: () => ({ attributes: { transB: { int: 1 } } }),
  }),
  /** Below opset 13 Softmax flattens to two dimensions, which is the same only on the last axis. */
  Softmax: row<{ readonly axis: number }>({
    since: ({ axis }, [x]) => (axis === x!.shape.length - 1 ? 1 : 13),
    exactness: 'approximate',
    infer: (inputs, { axis }) => {
      const x = operand(inputs, 0);
      checkAxis(axis, x.shape.length);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    macs: { when: 'leaf', count: ([x], _, { axis }) => (elements(x!) / (x!.shape[axis] as number)) * (3 * (x!.shape[axis] as number) - 1) },
    spell: ({ axis }) => ({ attributes: { axis: { int: axis } } }),
  }),
  /** x, gamma, beta, mean, variance: inference form, one number per channel. */
  BatchNormalization: row<Normalization>({
    since: 9,
    exactness: 'rounded',
    infer: (inputs) => normalized(inputs, 4, channelAxis),
    macs: normMacs,
    spell: ({ epsilon }) => ({ attributes: { epsilon: { float: epsilon } } }),
  }),
  /** x, gamma, beta: over the last axis. */
  LayerNormalization: row<Normalization>({
    since: 17,
    exactness: 'approximate',
    infer: (inputs) => normalized(inputs, 2, (x) => x.shape.at(-1) ?? 0),
    macs: normMacs,
    spell: ({ epsilon }) => ({ attributes: { axis: { int: -1 }, epsilon: { float: epsilon } } }),
  }),
  /** x, gamma, beta: over the positions of each channel. */
  InstanceNormalization: row<Normalization>({
    since: 6,
    exactness: 'approximate',
    infer: (inputs) => normalized(inputs, 2, channelAxis),
    macs: normMacs,
    spell: ({ epsilon }) => ({ attributes: { epsilon: { float: epsilon } } }),
  }),
  /** x, gamma, beta with one number per channel; the form of opset 18 had one per group and is not used. */
  GroupNormalization: row<Normalization & { readonly groups: number }>({
    since: 21,
    exactness: 'approximate',
    infer: (inputs, { groups }) => {
      const channels = known(channelAxis(operand(inputs, 0)), 'the number of channels');
      if (channels % groups !== 0) throw shapeProblem(`${channels} channels do not divide into ${groups} groups`);
      return normalized(inputs, 2, channelAxis);
    },
    macs: normMacs,
    spell: ({ epsilon, groups }) => ({ attributes: { epsilon: { float: epsilon }, num_groups: { int: groups } } }),
  }),
};
