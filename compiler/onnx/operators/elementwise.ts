/** Operators that compute every element on its own, with NumPy broadcasting. */
import { show, showShape, type Extent, type Shape } from '../../ir/extent.js';
import type { TensorType, Value } from '../../ir/graph.js';
import { broadcastBinary, expandTo, mapUnary, type Numbers } from '../fold.js';
import { operand, row, shapeProblem, type None, type Row } from './row.js';

/** NumPy broadcasting: sizes must be equal or 1. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Extent => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw shapeProblem(`shapes ${showShape(a)} and ${showShape(b)} do not fit together: ${show(x)} against ${show(y)}`);
  });
}

const unary = (exactness: Row<None>['exactness'], f?: (x: number) => number, since = 1): Row<None> =>
  row<None>({
    since,
    exactness,
    infer: (inputs) => [{ dtype: operand(inputs, 0).dtype, shape: operand(inputs, 0).shape }],
    ...(f ? { fold: ([x], _, out) => mapUnary(x!, out, f) } : {}),
  });

/** Two operands of one type, broadcast. */
function broadcastOf(inputs: readonly Value[]): TensorType {
  const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
  if (a.dtype !== b.dtype) throw shapeProblem(`element types ${a.dtype} and ${b.dtype} differ`);
  return { dtype: a.dtype, shape: broadcast(a.shape, b.shape) };
}

const binary = (f: (a: number, b: number) => number, exactness: Row<None>['exactness'] = 'rounded'): Row<None> =>
  row<None>({
    since: 7,
    exactness,
    infer: (inputs) => [broadcastOf(inputs)],
    fold: ([a, b], _, out) => broadcastBinary(a!, b!, out, f),
  });

/** Of integers from opset 12 on. */
const extremum = (f: (a: number, b: number) => number): Row<None> => ({ ...binary(f, 'exact'), since: (_: None, [a]: readonly Value[]) => (a?.dtype === 'int64' ? 12 : 8) });

/** Truth values, one for every pair of elements. */
const comparison = (f: (a: number, b: number) => boolean): Row<None> => ({
  ...binary((a, b) => Number(f(a, b)), 'exact'),
  since: 11,
  infer: (inputs) => [{ dtype: 'bool', shape: broadcastOf(inputs).shape }],
});

const same = (inputs: readonly Value[]) => [{ dtype: operand(inputs, 0).dtype, shape: operand(inputs, 0).shape }];

export const elementwise = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Min: extremum(Math.min),
  Max: extremum(Math.max),
  Equal: comparison((a, b) => a === b),
  /** condition ? a : b, element by element. */
  Where: row<None>({
    since: 9,
    exactness: 'exact',
    infer: (inputs) => {
      const [condition, a, b] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      if (condition.dtype !== 'bool' || a.dtype !== b.dtype) throw shapeProblem(`Where takes truth values and two of one type, got ${condition.dtype}, ${a.dtype} and ${b.dtype}`);
      return [{ dtype: a.dtype, shape: broadcast(condition.shape, broadcast(a.shape, b.shape)) }];
    },
    fold: ([condition, a, b], _, out) => {
      const [chosen, yes, no] = [condition!, a!, b!].map((x) => expandTo(x, out)) as [ArrayLike<number>, Numbers, Numbers];
      for (let i = 0; i < yes.length; i++) if (!chosen[i]) yes[i] = no[i]!;
      return yes;
    },
  }),
  Abs: unary('exact', Math.abs, 6),
  Sign: unary('exact', Math.sign, 9),
  Floor: unary('exact', Math.floor, 6),
  /** To the nearest integer, halves to the even one. */
  Round: unary('exact', undefined, 11),
  Log: unary('approximate', undefined, 6),
  Neg: unary('exact', (x) => -x, 6),
  Relu: unary('exact', (x) => Math.max(x, 0), 6),
  Sqrt: unary('rounded', Math.sqrt, 6),
  Reciprocal: unary('rounded', (x) => 1 / x, 6),
  Exp: unary('approximate', undefined, 6),
  Tanh: unary('approximate', undefined, 6),
  Sigmoid: unary('approximate', undefined, 6),
  Softplus: unary('approximate'),
  Erf: unary('approximate', undefined, 9),
  HardSwish: unary('rounded', undefined, 14),
  Mish: unary('approximate', undefined, 18),
  Identity: unary('exact', (x) => x),
  Gelu: row<None>({ since: 20, exactness: 'approximate', infer: same }),
  LeakyRelu: row<{ readonly alpha: number }>({
    since: 6,
    exactness: 'rounded',
    infer: same,
    spell: ({ alpha }) => ({ attributes: { alpha: { float: alpha } } }),
  }),
  Elu: row<{ readonly alpha: number }>({
    since: 6,
    exactness: 'approximate',
    infer: same,
    spell: ({ alpha }) => ({ attributes: { alpha: { float: alpha } } }),
  }),
  HardSigmoid: row<{ readonly alpha: number; readonly beta: number }>({
    since: 6,
    exactness: 'rounded',
    infer: same,
    spell: ({ alpha, beta }) => ({ attributes: { alpha: { float: alpha }, beta: { float: beta } } }),
  }),
  Clip: row<{ readonly min: number; readonly max: number }>({
    since: 11,
    exactness: 'exact',
    infer: same,
    spell: ({ min, max }, _, [x]) => ({
      operands: [min, max].map((limit) => ({ kind: 'floats', floats: [limit], scalar: true, dtype: x!.dtype as 'float32' | 'float16' }) as const),
    }),
    fold: ([x], { min, max }, out) => mapUnary(x!, out, (v) => Math.min(Math.max(v, min), max)),
  }),
};
