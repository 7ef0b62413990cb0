/** At least one use of every operator of the table, with sizes that may be open, and what it must compute. */
import { add, floorDiv, max, min, mul, sub, type Extent } from '../compiler/ir/extent.js';
import type { Input, Value } from '../compiler/ir/graph.js';
import type { OpName } from '../compiler/onnx/operators/index.js';
import type { InputType, Numbers, Recorder } from './graphs.js';
import * as plain from './reference.js';

/** The sizes a case may use: numbers, or symbols of the same value. */
export interface Sizes {
  readonly n: Extent;
  readonly h: Extent;
  readonly w: Extent;
}

export const VALUES = { n: 2, h: 5, w: 6 } as const;

export interface Case {
  readonly op: OpName;
  readonly about: string;
  readonly inputs: (sizes: Sizes) => readonly InputType[];
  readonly build: (g: Recorder, x: readonly (Input | Value)[], sizes: Sizes) => readonly Value[];
  /** From the inputs' numbers, and parameters by key. */
  readonly expect: (x: readonly Numbers[], param: (key: string, shape: readonly number[]) => Numbers) => readonly Numbers[];
  /** What the numbers in [-1, 1) become before they are used; `input` counts from 0. */
  readonly domain?: (value: number, input: number) => number;
}

export const cases: Case[] = [];

const define = (op: OpName, about: string, rest: Omit<Case, 'op' | 'about'>): void => void cases.push({ op, about, ...rest });
const one = (shape: (sizes: Sizes) => InputType['shape'], dtype?: InputType['dtype']): Case['inputs'] => (sizes) => [{ shape: shape(sizes), ...(dtype ? { dtype } : {}) }];
const map4 = one(({ n, h, w }) => [n, 6, h, w]);
const wide = (value: number): number => 4 * value;

// --- elementwise -------------------------------------------------------------------------------------------------

const unary = {
  Abs: Math.abs, Neg: (x) => -x, Relu: (x) => Math.max(x, 0), Exp: Math.exp, Tanh: Math.tanh, Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Softplus: (x) => Math.log1p(Math.exp(x)), Erf: plain.erf, HardSwish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  Mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))), Gelu: (x) => (x * (1 + plain.erf(x / Math.SQRT2))) / 2, Identity: (x) => x,
  Floor: Math.floor, Sign: Math.sign,
} as const satisfies Partial<Record<OpName, (x: number) => number>>;

for (const [op, f] of Object.entries(unary) as [keyof typeof unary, (x: number) => number][]) {
  define(op, 'of a map', { inputs: map4, domain: wide, build: (g, [x]) => g.op(op, [x!], {}), expect: ([x]) => [plain.map(x!, f)] });
}
for (const [op, f] of [['Sqrt', Math.sqrt], ['Log', Math.log], ['Reciprocal', (x: number) => 1 / x]] as const) {
  define(op, 'of positive numbers', { inputs: map4, domain: (x) => x + 1.25, build: (g, [x]) => g.op(op, [x!], {}), expect: ([x]) => [plain.map(x!, f)] });
}

/** Halves and whole numbers, some of them 0. */
const halves = (value: number): number => Math.round(8 * value) / 2;
for (const [op, f] of [['Round', plain.roundEven], ['Floor', Math.floor], ['Sign', Math.sign]] as const) {
  define(op, 'of halves', { inputs: map4, domain: halves, build: (g, [x]) => g.op(op, [x!], {}), expect: ([x]) => [plain.map(x!, f)] });
}
define('Round', 'of a map', { inputs: map4, domain: wide, build: (g, [x]) => g.op('Round', [x!], {}), expect: ([x]) => [plain.map(x!, plain.roundEven)] });

const binary = { Add: (a, b) => a + b, Sub: (a, b) => a - b, Mul: (a, b) => a * b, Div: (a, b) => a / b, Min: Math.min, Max: Math.max } as const satisfies Partial<Record<OpName, (a: number, b: number) => number>>;
const shapes: readonly [string, (sizes: Sizes) => readonly (readonly Extent[])[]][] = [
  ['of equal shapes', ({ n, h }) => [[n, 3, h], [n, 3, h]]],
  ['of a map and a vector of channels', ({ n, h, w }) => [[n, 3, h, w], [3, 1, 1]]],
  ['of a row and a column', ({ h, w }) => [[1, h, 1], [w]]],
  ['of a map and a scalar', ({ n, h }) => [[], [n, h]]],
];
for (const [op, f] of Object.entries(binary) as [keyof typeof binary, (a: number, b: number) => number][]) {
  for (const [about, of] of shapes) {
    const domain = op === 'Div' ? (x: number): number => x + 1.5 : wide;
    define(op, about, { inputs: (sizes) => of(sizes).map((shape) => ({ shape })), domain, build: (g, x) => g.op(op, x, {}), expect: ([a, b]) => [plain.zip(a!, b!, f)] });
  }
  if (op === 'Min' || op === 'Max') continue; // of floats only below opset 12
  const whole = (a: number, b: number): number => Math.trunc(f(a, b));
  const domain = op === 'Div' ? (x: number): number => 2 * x + 9 : wide;
  define(op, 'of integers', { inputs: ({ n, h }) => [{ dtype: 'int64', shape: [n, h] }, { dtype: 'int64', shape: [h] }], domain, build: (g, x) => g.op(op, x, {}), expect: ([a, b]) => [plain.zip(a!, b!, whole)] });
}

for (const [about, of] of shapes) {
  define('Equal', about, { inputs: (sizes) => of(sizes).map((shape) => ({ shape })), domain: halves, build: (g, x) => g.op('Equal', x, {}), expect: ([a, b]) => [plain.zip(a!, b!, (p, q) => Number(p === q))] });
}
for (const dtype of ['int64', 'bool'] as const) {
  define('Equal', `of ${dtype}`, { inputs: ({ n, h }) => [{ dtype, shape: [n, h] }, { dtype, shape: [h] }], build: (g, x) => g.op('Equal', x, {}), expect: ([a, b]) => [plain.zip(a!, b!, (p, q) => Number(p === q))] });
}
const choices: readonly [string, InputType['dtype'] & string, (sizes: Sizes) => readonly (readonly Extent[])[]][] = [
  ['of equal shapes', 'float32', ({ n, h }) => [[n, 3, h], [n, 3, h], [n, 3, h]]],
  ['of a mask and maps', 'float32', ({ n, h, w }) => [[h, w], [n, 3, h, w], [n, 3, h, w]]],
  ['of a map and a scalar', 'float32', ({ n, h, w }) => [[n, 1, h, w], [n, 3, h, w], []]],
  ['of a column, a row and a batch', 'float32', ({ n, h, w }) => [[h, 1], [w], [n, 1, 1]]],
  ['of integers', 'int64', ({ n, h }) => [[n, h], [h], [n, h]]],
];
for (const [about, dtype, of] of choices) {
  define('Where', about, {
    inputs: (sizes) => of(sizes).map((shape, i) => ({ dtype: i === 0 ? 'bool' : dtype, shape })),
    build: (g, x) => g.op('Where', x, {}),
    expect: ([condition, a, b]) => [plain.where(condition!, a!, b!)],
  });
}

define('LeakyRelu', 'slope 0.1', { inputs: map4, build: (g, [x]) => g.op('LeakyRelu', [x!], { alpha: 0.1 }), expect: ([x]) => [plain.map(x!, (v) => (v < 0 ? Math.fround(0.1) * v : v))] });
define('Elu', 'alpha 0.5', { inputs: map4, domain: wide, build: (g, [x]) => g.op('Elu', [x!], { alpha: 0.5 }), expect: ([x]) => [plain.map(x!, (v) => (v < 0 ? 0.5 * Math.expm1(v) : v))] });
define('HardSigmoid', 'alpha 0.25, beta 0.5', { inputs: map4, domain: wide, build: (g, [x]) => g.op('HardSigmoid', [x!], { alpha: 0.25, beta: 0.5 }), expect: ([x]) => [plain.map(x!, (v) => Math.min(Math.max(v / 4 + 0.5, 0), 1))] });
define('Clip', 'to [-0.5, 2]', { inputs: map4, domain: wide, build: (g, [x]) => g.op('Clip', [x!], { min: -0.5, max: 2 }), expect: ([x]) => [plain.map(x!, (v) => Math.min(Math.max(v, -0.5), 2))] });

// --- windows -----------------------------------------------------------------------------------------------------

const windows = {
  'kernel 3, padded': { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] },
  'kernel 3 by 2, strides, uneven padding': { kernel: [3, 2], strides: [2, 3], pads: [1, 0, 0, 1], dilations: [1, 1] },
  dilated: { kernel: [2, 3], strides: [1, 1], pads: [0, 2, 0, 2], dilations: [2, 2] },
} as const;
for (const [about, window] of Object.entries(windows)) {
  for (const group of [1, 3, 6]) {
    define('Conv', `${about}, ${group} groups`, {
      inputs: map4,
      build: (g, [x]) => g.op('Conv', [x!, g.param('weight', [12, 6 / group, ...window.kernel]), ...(group === 1 ? [g.param('bias', [12])] : [])], { ...window, group }),
      expect: ([x], param) => [plain.conv(x!, param('weight', [12, 6 / group, ...window.kernel]), group === 1 ? param('bias', [12]) : undefined, { ...window, group })],
    });
  }
  define('MaxPool', about, { inputs: map4, build: (g, [x]) => g.op('MaxPool', [x!], window), expect: ([x]) => [plain.maxPool(x!, window)] });
}
const line = { kernel: [3], strides: [2], pads: [1, 1], dilations: [1] };
define('Conv', 'one dimension', {
  inputs: one(({ n, w }) => [n, 3, w]),
  build: (g, [x]) => g.op('Conv', [x!, g.param('weight', [4, 3, 3])], { ...line, group: 1 }),
  expect: ([x], param) => [plain.conv(x!, param('weight', [4, 3, 3]), undefined, { ...line, group: 1 })],
});
const averages = {
  'kernel 2 by 3, side by side': { kernel: [2, 3], strides: [2, 3] },
  'kernel 3, strides 1 and 2': { kernel: [3, 3], strides: [1, 2] },
  'kernel 1 by 2, cells left out': { kernel: [1, 2], strides: [2, 3] },
  'kernel 3, with zeros that count': { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] },
} as const;
for (const [about, window] of Object.entries(averages)) {
  define('AveragePool', about, { inputs: map4, build: (g, [x]) => g.op('AveragePool', [x!], window), expect: ([x]) => [plain.averagePool(x!, window)] });
}
define('AveragePool', 'one dimension', { inputs: one(({ n, w }) => [n, 3, w]), build: (g, [x]) => g.op('AveragePool', [x!], { kernel: [2], strides: [2] }), expect: ([x]) => [plain.averagePool(x!, { kernel: [2], strides: [2] })] });

const transposed = {
  'kernel 2, side by side': { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] },
  'kernel 3 by 4, overlaps, uneven padding': { kernel: [3, 4], strides: [1, 2], pads: [1, 0, 2, 1] },
  'kernel 1 by 2, gaps': { kernel: [1, 2], strides: [2, 3], pads: [0, 0, 0, 0] },
} as const;
for (const [about, window] of Object.entries(transposed)) {
  for (const group of [1, 3]) {
    const shape = [6, 12 / group, ...window.kernel];
    define('ConvTranspose', `${about}, ${group} groups`, {
      inputs: map4,
      build: (g, [x]) => g.op('ConvTranspose', [x!, g.param('weight', shape), ...(group === 1 ? [g.param('bias', [12])] : [])], { ...window, group }),
      expect: ([x], param) => [plain.convTranspose(x!, param('weight', shape), group === 1 ? param('bias', [12]) : undefined, { ...window, group })],
    });
  }
}
const wideLine = { kernel: [3], strides: [2], pads: [1, 1], group: 1 };
define('ConvTranspose', 'one dimension', {
  inputs: one(({ n, w }) => [n, 3, w]),
  build: (g, [x]) => g.op('ConvTranspose', [x!, g.param('weight', [3, 4, 3])], wideLine),
  expect: ([x], param) => [plain.convTranspose(x!, param('weight', [3, 4, 3]), undefined, wideLine)],
});
define('GlobalAveragePool', 'of a map', { inputs: map4, build: (g, [x]) => g.op('GlobalAveragePool', [x!], {}), expect: ([x]) => [plain.reduce(x!, [2, 3], true, plain.mean)] });
define('GlobalMaxPool', 'of a map', { inputs: map4, build: (g, [x]) => g.op('GlobalMaxPool', [x!], {}), expect: ([x]) => [plain.reduce(x!, [2, 3], true, plain.largest)] });

// --- reductions, products, normalizations --------------------------------------------------------------------------

for (const [op, f] of [['ReduceMean', plain.mean], ['ReduceMax', plain.largest], ['ReduceSum', plain.sum], ['ReduceL2', plain.norm]] as const) {
  for (const [axes, keepdims] of [[[1], true], [[2, 3], true], [[0, 2], false], [[3], false]] as const) {
    define(op, `axes ${axes.join(', ')}${keepdims ? ' kept' : ''}`, { inputs: map4, build: (g, [x]) => g.op(op, [x!], { axes, keepdims }), expect: ([x]) => [plain.reduce(x!, axes, keepdims, f)] });
  }
}
for (const [axis, keepdims, domain] of [[1, true, wide], [3, false, wide], [0, true, halves], [2, false, halves]] as const) {
  define('ArgMax', `axis ${axis}${keepdims ? ' kept' : ''}${domain === halves ? ', of equals the first' : ''}`, {
    inputs: map4,
    domain,
    build: (g, [x]) => g.op('ArgMax', [x!], { axis, keepdims }),
    expect: ([x]) => [plain.reduce(x!, [axis], keepdims, (values) => values.indexOf(plain.largest(values)))],
  });
}
define('MatMul', 'of batches', { inputs: ({ n, h, w }) => [{ shape: [n, 3, h, w] }, { shape: [n, 3, w, 4] }], build: (g, x) => g.op('MatMul', x, {}), expect: ([a, b]) => [plain.matmul(a!, b!)] });
define('MatMul', 'of a batch and a matrix', { inputs: ({ n, h, w }) => [{ shape: [n, h, w] }, { shape: [w, h] }], build: (g, x) => g.op('MatMul', x, {}), expect: ([a, b]) => [plain.matmul(a!, b!)] });
define('MatMul', 'of a broadcast batch', { inputs: ({ n, h }) => [{ shape: [1, h, 3] }, { shape: [n, 3, h] }], build: (g, x) => g.op('MatMul', x, {}), expect: ([a, b]) => [plain.matmul(a!, b!)] });
for (const bias of [true, false]) {
  define('Gemm', bias ? 'with bias' : 'without bias', {
    inputs: one(({ n }) => [n, 6]),
    build: (g, [x]) => g.op('Gemm', [x!, g.param('weight', [4, 6]), ...(bias ? [g.param('bias', [4])] : [])], {}),
    expect: ([x], param) => [plain.zip(plain.matmul(x!, plain.transpose(param('weight', [4, 6]), [1, 0])), bias ? param('bias', [4]) : { shape: [], data: [0] }, (a, b) => a + b)],
  });
}
for (const axis of [0, 1, 2, 3]) define('Softmax', `axis ${axis}`, { inputs: map4, domain: wide, build: (g, [x]) => g.op('Softmax', [x!], { axis }), expect: ([x]) => [plain.softmax(x!, axis)] });
const vectors = (g: Recorder, c: number): readonly Value[] => [g.param('weight', [c]), g.param('bias', [c])];
define('BatchNormalization', 'of a map', {
  inputs: map4,
  build: (g, [x]) => g.op('BatchNormalization', [x!, ...vectors(g, 6), g.param('running_mean', [6]), g.param('running_var', [6])], { epsilon: 1e-3 }),
  expect: ([x], param) => [plain.batchNorm(x!, [param('weight', [6]), param('bias', [6]), param('running_mean', [6]), param('running_var', [6])], 1e-3)],
});
define('LayerNormalization', 'of the last axis', {
  inputs: one(({ n, h }) => [n, h, 8]),
  build: (g, [x]) => g.op('LayerNormalization', [x!, ...vectors(g, 8)], { epsilon: 1e-5 }),
  expect: ([x], param) => [plain.normalize(x!, [2], 1e-5, param('weight', [8]), param('bias', [8]), 2)],
});
for (const [about, inputs, axes] of [['of a map', map4, [2, 3]], ['of a line', one(({ n, h }) => [n, 6, h]), [2]]] as const) {
  define('InstanceNormalization', about, {
    inputs,
    build: (g, [x]) => g.op('InstanceNormalization', [x!, ...vectors(g, 6)], { epsilon: 1e-5 }),
    expect: ([x], param) => [plain.normalize(x!, axes, 1e-5, param('weight', [6]), param('bias', [6]), 1)],
  });
}
for (const groups of [1, 2, 6]) {
  define('GroupNormalization', `${groups} groups`, {
    inputs: map4,
    build: (g, [x]) => g.op('GroupNormalization', [x!, ...vectors(g, 6)], { groups, epsilon: 1e-5 }),
    expect: ([x], param) => [plain.groupNorm(x!, groups, 1e-5, param('weight', [6]), param('bias', [6]))],
  });
}

// --- arrangement ---------------------------------------------------------------------------------------------------

define('Concat', 'of channels', { inputs: ({ n, h }) => [{ shape: [n, 2, h] }, { shape: [n, 3, h] }], build: (g, x) => g.op('Concat', x, { axis: 1 }), expect: (x) => [plain.concat(x, 1)] });
define('Concat', 'of positions', { inputs: ({ n, h, w }) => [{ shape: [n, 2, h] }, { shape: [n, 2, w] }, { shape: [n, 2, 1] }], build: (g, x) => g.op('Concat', x, { axis: 2 }), expect: (x) => [plain.concat(x, 2)] });
define('Split', 'into channels', { inputs: map4, build: (g, [x]) => g.op('Split', [x!], { axis: 1, sizes: [1, 3, 2] }), expect: ([x]) => [plain.slice(x!, 1, 0, 1), plain.slice(x!, 1, 1, 4), plain.slice(x!, 1, 4, 6)] });
define('Split', 'into parts of open size', { inputs: map4, build: (g, [x], { h }) => g.op('Split', [x!], { axis: 2, sizes: [2, sub(h, 2)] }), expect: ([x]) => [plain.slice(x!, 2, 0, 2), plain.slice(x!, 2, 2, 5)] });
define('Slice', 'of channels', { inputs: map4, build: (g, [x]) => g.op('Slice', [x!], { axis: 1, start: 1, end: 6, step: 2 }), expect: ([x]) => [plain.slice(x!, 1, 1, 6, 2)] });
define('Slice', 'to the open end', { inputs: map4, build: (g, [x], { h }) => g.op('Slice', [x!], { axis: 2, start: 1, end: h, step: 1 }), expect: ([x]) => [plain.slice(x!, 2, 1, 5)] });
define('Slice', 'every second of an open size', { inputs: map4, build: (g, [x], { h }) => g.op('Slice', [x!], { axis: 2, start: 0, end: h, step: 2 }), expect: ([x]) => [plain.slice(x!, 2, 0, 5, 2)] });
define('Slice', 'from the middle on', { inputs: map4, build: (g, [x], { w }) => g.op('Slice', [x!], { axis: 3, start: floorDiv(w, 2), end: w, step: 1 }), expect: ([x]) => [plain.slice(x!, 3, 3, 6)] });

const reshapes: readonly [string, (sizes: Sizes) => readonly Extent[]][] = [
  ['positions in a row', ({ n, h, w }) => [n, 6, mul(h, w)]],
  ['groups into the batch', ({ n, h, w }) => [mul(n, 3), 2, h, w]],
  ['one row', ({ n, h, w }) => [mul(6, mul(n, mul(h, w)))]],
  ['open sizes elsewhere', ({ n, h, w }) => [h, w, 6, n]],
  ['no open size at its place, two computed', ({ n, h, w }) => [1, mul(2, n), mul(3, h), w]],
];
for (const [about, target] of reshapes) define('Reshape', about, { inputs: map4, build: (g, [x], sizes) => g.op('Reshape', [x!], { shape: target(sizes) }), expect: ([x]) => [{ shape: target(VALUES) as number[], data: x!.data }] });
define('Reshape', 'sizes that fit where the map allows it', {
  inputs: map4,
  build: (g, [x], { n, h, w }) => g.op('Reshape', [x!], { shape: [n, 3, mul(2, floorDiv(h, 5)), 5, w], atRunTime: true }),
  expect: ([x]) => [{ shape: [2, 3, 2, 5, 6], data: x!.data }],
});
for (const perm of [[0, 2, 3, 1], [3, 1, 0, 2]]) define('Transpose', perm.join(', '), { inputs: map4, build: (g, [x]) => g.op('Transpose', [x!], { perm }), expect: ([x]) => [plain.transpose(x!, perm)] });
define('DepthToSpace', 'blocks of 2', {
  inputs: one(({ n, h, w }) => [n, 12, h, w]),
  build: (g, [x]) => g.op('DepthToSpace', [x!], { block: 2 }),
  expect: ([x]) => [plain.tabulate([2, 3, 10, 12], ([n, c, i, j]) => plain.at(x!, [n!, 6 * (i! % 2) + 3 * (j! % 2) + c!, Math.floor(i! / 2), Math.floor(j! / 2)]))],
});
define('Unsqueeze', 'front and back', { inputs: one(({ n, h }) => [n, h]), build: (g, [x]) => g.op('Unsqueeze', [x!], { axes: [0, 3] }), expect: ([x]) => [{ shape: [1, 2, 5, 1], data: x!.data }] });
define('Squeeze', 'two axes', { inputs: one(({ h, w }) => [1, h, 1, w]), build: (g, [x]) => g.op('Squeeze', [x!], { axes: [0, 2] }), expect: ([x]) => [{ shape: [5, 6], data: x!.data }] });
define('Expand', 'a row to a map', { inputs: ({ n, h, w }) => [{ shape: [1, w] }, { shape: [n, 3, h, w] }], build: (g, [x, y], { n, h, w }) => [...g.op('Expand', [x!], { shape: [n, 3, h, w] }), y!], expect: ([x, y]) => [plain.tabulate([2, 3, 5, 6], ([, , , i]) => plain.at(x!, [0, i!])), y!] });
define('Expand', 'what it has already', { inputs: one(({ h }) => [h, 1]), build: (g, [x], { h }) => g.op('Expand', [x!], { shape: [h, 4] }), expect: ([x]) => [plain.tabulate([5, 4], ([i]) => plain.at(x!, [i!, 0]))] });
for (const [mode, alignCorners] of [['nearest', false], ['bilinear', false], ['bilinear', true]] as const) {
  for (const scales of [[2, 2], [3, 1]] as const) {
    define('Resize', `${mode}${alignCorners ? ' with aligned corners' : ''} by ${scales.join(' and ')}`, { inputs: map4, build: (g, [x]) => g.op('Resize', [x!], { scales, mode, alignCorners }), expect: ([x]) => [plain.resize(x!, scales, mode, alignCorners)] });
  }
}
const places: readonly [string, number, (sizes: Sizes) => readonly Extent[]][] = [
  ['at a vector of channels', 1, () => [4]],
  ['at an open number of rows', 2, ({ w }) => [w]],
  ['at a table of columns', 3, ({ n, h }) => [n, h]],
  ['at one channel', 1, () => []],
];
for (const [about, axis, of] of places) {
  define('Gather', about, {
    inputs: (s) => [{ shape: [s.n, 6, s.h, s.w] }, { dtype: 'int64', shape: of(s) }],
    domain: (x, input) => (input === 0 ? x : Math.abs(x)), // 0 to 4: every axis is longer
    build: (g, x) => g.op('Gather', x, { axis }),
    expect: ([x, indices]) => [plain.gather(x!, indices!, axis)],
  });
}
define('Gather', 'of integers, first axis', { inputs: ({ h }) => [{ dtype: 'int64', shape: [h] }, { dtype: 'int64', shape: [h, 2] }], domain: Math.abs, build: (g, x) => g.op('Gather', x, { axis: 0 }), expect: ([x, indices]) => [plain.gather(x!, indices!, 0)] });
for (const [about, pads] of [['around maps', [0, 0, 1, 1, 0, 0, 1, 1]], ['every axis, uneven', [1, 0, 0, 3, 0, 2, 1, 0]], ['nothing', [0, 0, 0, 0, 0, 0, 0, 0]]] as const) {
  define('Pad', about, { inputs: map4, build: (g, [x]) => g.op('Pad', [x!], { pads }), expect: ([x]) => [plain.pad(x!, pads)] });
}
define('Pad', 'of a vector', { inputs: one(({ h }) => [h]), build: (g, [x]) => g.op('Pad', [x!], { pads: [2, 1] }), expect: ([x]) => [plain.pad(x!, [2, 1])] });

/**
 * Positions with few bits, so that float32 holds every step on the way to a cell exactly: borders (±1), edges and
 * centres of cells, halves between them, outside, far outside. Further out than the border none is half a cell off:
 * onnxruntime rounds before it mirrors there, PyTorch after.
 */
const along = [-1000.125, -3.375, -1.625, -1.125, -1, -0.875, -0.5, -0.125, 0, 0.25, 0.5, 0.75, 1, 1.25, 2.375, 77.75];
const chosen = along.flatMap((y) => along.flatMap((x) => [x, y]));
const padded = ['zeros', 'border', 'reflection'] as const;
for (const mode of ['bilinear', 'nearest'] as const) {
  for (const padding of padded) {
    for (const alignCorners of [false, true]) {
      const sampling = { mode, padding, alignCorners };
      const about = `${mode}, ${padding}${alignCorners ? ', aligned corners' : ''}`;
      define('GridSample', `${about}, positions of one's choice`, {
        inputs: map4,
        build: (g, [x], { n }) => g.op('GridSample', [x!, g.expand(g.constant(chosen, [1, 16, 16, 2]), [n, 16, 16, 2])], sampling),
        expect: ([x]) => [plain.gridSample(x!, plain.tabulate([2, 16, 16, 2], ([, i, j, k]) => chosen[32 * i! + 2 * j! + k!]!), sampling)],
      });
      define('GridSample', `${about}, a grid of open size`, {
        inputs: ({ n, h, w }) => [{ shape: [n, 3, h, w] }, { shape: [n, w, mul(2, h), 2] }],
        domain: (x, input) => (input === 0 ? x : (2 * Math.round(96 * x) + 1) / 128), // to ±1.5, on no border or half of a cell
        build: (g, x) => g.op('GridSample', x, sampling),
        expect: ([x, grid]) => [plain.gridSample(x!, grid!, sampling)],
      });
    }
  }
}
for (const padding of padded) {
  define('GridSample', `of one cell, ${padding}`, {
    inputs: ({ n, h }) => [{ shape: [n, 2, 1, 1] }, { shape: [n, h, 3, 2] }],
    domain: (x, input) => (input === 0 ? x : Math.round(48 * x) / 16),
    build: (g, x) => g.op('GridSample', x, { mode: 'bilinear', padding, alignCorners: false }),
    expect: ([x, grid]) => [plain.gridSample(x!, grid!, { mode: 'bilinear', padding, alignCorners: false })],
  });
}
define('Cast', 'to integers and back', { inputs: map4, domain: (x) => 9 * x, build: (g, [x]) => [...g.op('Cast', [x!], { to: 'int64' }), ...g.op('Cast', g.op('Cast', [x!], { to: 'int64' }), { to: 'float32' })], expect: ([x]) => [plain.map(x!, Math.trunc), plain.map(x!, Math.trunc)] });
define('Cast', 'to truth values', { inputs: one(({ h }) => [h], 'int64'), build: (g, [x]) => g.op('Cast', [x!], { to: 'bool' }), expect: ([x]) => [plain.map(x!, (v) => Number(v !== 0))] });

// --- sizes: every kind of arithmetic on them ---------------------------------------------------------------------------

const sizes: readonly [string, (sizes: Sizes) => Extent][] = [
  ['as it is', ({ h }) => h],
  ['a product', ({ h, w }) => mul(h, mul(2, w))],
  ['a sum with a negative term', ({ h, w }) => add(sub(mul(3, h), w), 2)],
  ['a floor division', ({ h, w }) => floorDiv(add(h, w), 4)],
  ['the smaller one', ({ h, w }) => min(h, w)],
  ['the larger one', ({ h, w, n }) => max(h, add(w, n))],
  ['a division by a size', ({ h, w, n }) => floorDiv(mul(h, w), add(n, 1))],
];
for (const [about, size] of sizes) {
  define('Range', about, { inputs: map4, build: (g, [x], s) => [...g.op('Range', [], { size: size(s) }), x!], expect: ([x]) => [plain.tabulate([size(VALUES) as number], ([i]) => i!), x!] });
  define('Size', about, { inputs: map4, build: (g, [x], s) => [...g.op('Size', [], { size: size(s) }), x!], expect: ([x]) => [{ shape: [], data: [size(VALUES) as number] }, x!] });
}
