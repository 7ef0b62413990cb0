import { describe, expect, test } from '@jest/globals';
import { floorDiv, input, mul, type Extent } from '../compiler/ir/extent.js';
import { check } from '../compiler/ir/check.js';
import type { Graph, Value } from '../compiler/ir/graph.js';
import { OPSETS } from '../compiler/onnx/emit.js';
import { operators, rowOf, type OpName } from '../compiler/onnx/operators/index.js';
import { DEFAULT_SEED, seededRead } from '../compiler/weights/seeded.js';
import { foldConstants } from '../passes/graph/fold-constants.js';
import { bytesOf, difference, fixed, inputsFor, lower, openModel, recordGraph, runModel, sizeOf, type Numbers, type Recorder } from './graphs.js';
import { cases, VALUES, type Case, type Sizes } from './operator-cases.js';
import { problemOf } from './made-files.js';
import { map } from './reference.js';

const names = Object.keys(operators) as OpName[];
const opsets = Array.from({ length: OPSETS.most - OPSETS.least + 1 }, (_, i) => OPSETS.least + i);
const open: Sizes = { n: input('n'), h: input('h'), w: input('w') };

/** Between an operator and its definition in doubles, relative to the largest number; sums of up to 108 products. */
const ROUNDING = 2e-6;
/** Between opsets: operators that the opset has are the same kernel; where it lacks them, an expansion. */
const ACROSS = 1e-6;
/** Between sums in another order, relative to the sum of magnitudes: a few roundings to float32. */
const REORDERED = 4 * 2 ** -24;

const record = ({ inputs, build }: Case, sizes: Sizes): Graph => recordGraph(inputs(sizes), (g, ...x) => build(g, x, sizes));

function numbersFor({ domain }: Case, graph: Graph): Numbers[] {
  return inputsFor(graph, VALUES).map(({ shape, data }, i) => {
    const mapped = Array.from(data, (value) => (domain ? domain(value, i) : value));
    return { shape, data: graph.inputs[i]!.dtype === 'int64' ? mapped.map(Math.round) : Float32Array.from(mapped) };
  });
}

function parameter(key: string, shape: readonly number[]): Numbers {
  const data = new Float32Array(sizeOf(shape));
  seededRead(key, shape, DEFAULT_SEED)(data, 0);
  return { shape, data };
}

test('every operator of the table has a case', () => {
  expect(names.filter((name) => !cases.some(({ op }) => op === name))).toEqual([]);
});

describe.each(names)('%s', (op) => {
  test.each(cases.filter((each) => each.op === op).map((each) => [each.about, each] as const))('%s', async (_, each) => {
    const graphs = [record(each, VALUES), record(each, open)];
    const inputs = numbersFor(each, graphs[0]!);
    const want = each.expect(inputs, parameter);
    let first: readonly Numbers[] | undefined;
    for (const opset of opsets) {
      for (const graph of graphs) {
        expect(graph.nodes.some((node) => node.kind === 'op' && node.op === op)).toBe(true);
        const lowered = lower(graph, opset);
        check(lowered);
        const got = await runModel(await bytesOf(lowered, opset), inputs);
        for (const [i, output] of got.entries()) {
          expect(output.shape).toEqual(fixed(graph.outputs[i]!.value.shape, VALUES));
          expect(difference(want[i]!, output)).toBeLessThanOrEqual(rowOf(op).exactness === 'exact' ? 0 : ROUNDING);
          if (first) expect(difference(first[i]!, output)).toBeLessThanOrEqual(rowOf(op).exactness === 'exact' ? 0 : ACROSS);
        }
        first ??= got;
      }
    }
  });
});

/** The largest difference of two elements, relative to the magnitude that belongs to them. */
function elementwise(want: Numbers, got: Numbers, magnitude: Numbers): number {
  expect(got.shape).toEqual(want.shape);
  return Array.from(want.data, (value, i) => Math.abs(value - got.data[i]!) / magnitude.data[i]!).reduce((a, b) => Math.max(a, b), 0);
}

/** But for approximate rows, which sum: they give the sum in doubles, rounded once, and onnxruntime's up to its order of adding. */
describe('fold computes what onnxruntime does, bit for bit', () => {
  const foldable = cases.filter(({ op }) => rowOf(op).fold ?? rowOf(op).foldMany);

  test.each(foldable.map((each) => [each.op, each.about, each] as const))('%s %s', async (_, __, each) => {
    const graph = record(each, VALUES);
    const inputs = numbersFor(each, graph);
    const constants = recordGraph([], (g) => each.build(g, graph.inputs.map(({ dtype }, i) => g.constant(inputs[i]!.data, inputs[i]!.shape, dtype)), VALUES));
    const folded = foldConstants.run(constants, { opset: 17, customOps: { form: 'inline', domain: '', names: {} } });
    expect(folded.nodes).toEqual([]);
    const model = await bytesOf(graph);
    const want = await runModel(model, inputs);
    const sums = rowOf(each.op).exactness === 'approximate' ? await runModel(model, inputs.map((x) => map(x, Math.abs))) : undefined;
    const doubles = each.expect(inputs, parameter);
    for (const [i, { value }] of folded.outputs.entries()) {
      if (value.kind !== 'constant') throw new Error('not folded');
      expect(value.dtype).toBe(graph.outputs[i]!.value.dtype);
      const got = { shape: value.shape as number[], data: Array.from(value.data) };
      if (sums) {
        expect(elementwise(want[i]!, got, sums[i]!)).toBeLessThanOrEqual(REORDERED);
        expect(difference(map(doubles[i]!, Math.fround), got)).toBe(0);
      } else expect(difference(want[i]!, got)).toBe(0);
    }
  });
});

test('half precision: Cast rounds to the nearest', async () => {
  const graph = recordGraph([{ shape: [4] }], (g, x) => g.op('Cast', g.op('Cast', [x], { to: 'float16' }), { to: 'float32' }));
  const session = await openModel(await bytesOf(graph));
  const [y] = await session.run([{ shape: [4], data: [0.1, 1, 65504, 1e-9] }]);
  await session.close();
  expect([...y!.data]).toEqual([0.0999755859375, 1, 65504, 0]);
});

test('a Reshape that fits only some sizes fails at the others, in the runtime', async () => {
  const { n, h, w } = open;
  const shape = (height: Extent) => [n, mul(floorDiv(height, 2), 2), w];
  const graph = recordGraph([{ shape: [n, h, w] }], (g, x) => g.op('Reshape', [x], { shape: shape(h), atRunTime: true }));
  for (const opset of [OPSETS.least, OPSETS.most]) {
    const session = await openModel(await bytesOf(graph, opset));
    const data = Float32Array.from({ length: 8 }, (_, i) => i);
    expect(await session.run([{ shape: [1, 4, 2], data }])).toEqual([{ shape: [1, 4, 2], data }]);
    await expect(session.run([{ shape: [1, 5, 2], data: new Float32Array(10) }])).rejects.toThrow(/Reshape/);
    await session.close();
  }
});

const sampling = { mode: 'bilinear', padding: 'zeros', alignCorners: false } as const;

/** What does not fit is told when it is recorded, as the user's problem. */
const wrong: readonly [string, readonly (readonly (number | symbol)[])[], (g: Recorder, ...x: Value[]) => unknown][] = [
  ['Add', [[2, 3], [2, 4]], (g, a, b) => g.op('Add', [a, b], {})],
  ['Mul', [[open.h], [open.w]], (g, a, b) => g.op('Mul', [a, b], {})],
  ['Add', [[2]], (g, a) => g.op('Add', [a], {})],
  ['Add', [[2]], (g, a) => g.op('Add', [a, g.constant([1], [1], 'int64')], {})],
  ['Conv', [[1, 4, 8, 8]], (g, x) => g.op('Conv', [x, g.param('w', [8, 3, 1, 1])], { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 })],
  ['Conv', [[1, 3, 2, 2]], (g, x) => g.op('Conv', [x, g.param('w', [8, 3, 3, 3])], { kernel: [3, 3], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 })],
  ['Conv', [[1, 3]], (g, x) => g.op('Conv', [x, g.param('w', [8, 3])], { kernel: [], strides: [], pads: [], dilations: [], group: 1 })],
  ['Where', [[2], [2]], (g, a, b) => g.op('Where', [a, a, b], {})],
  ['Where', [[2]], (g, a) => g.op('Where', [g.op('Equal', [a, a], {})[0]!, a, g.constant([1], [1], 'int64')], {})],
  ['Where', [[2], [3]], (g, a, b) => g.op('Where', [g.op('Equal', [a, a], {})[0]!, b, b], {})],
  ['Where', [[2]], (g, a) => g.op('Where', [g.op('Equal', [a, a], {})[0]!, a], {})],
  ['Equal', [[2, 3], [2, 4]], (g, a, b) => g.op('Equal', [a, b], {})],
  ['Equal', [[open.h], [open.w]], (g, a, b) => g.op('Equal', [a, b], {})],
  ['Min', [[2], [3]], (g, a, b) => g.op('Min', [a, b], {})],
  ['Max', [[2]], (g, a) => g.op('Max', [a], {})],
  ['ConvTranspose', [[1, 4, 8, 8]], (g, x) => g.op('ConvTranspose', [x, g.param('w', [3, 8, 2, 2])], { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], group: 1 })],
  ['ConvTranspose', [[1, 4, 8, 8]], (g, x) => g.op('ConvTranspose', [x, g.param('w', [4, 8, 2, 2])], { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], group: 3 })],
  ['ConvTranspose', [[1, 4]], (g, x) => g.op('ConvTranspose', [x, g.param('w', [4, 8])], { kernel: [], strides: [], pads: [], group: 1 })],
  ['AveragePool', [[1, 3, 4, 4]], (g, x) => g.op('AveragePool', [x], { kernel: [5, 5], strides: [1, 1] })],
  ['AveragePool', [[1, 3]], (g, x) => g.op('AveragePool', [x], { kernel: [], strides: [] })],
  ['MaxPool', [[1, 3, 4, 4]], (g, x) => g.op('MaxPool', [x], { kernel: [5, 5], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] })],
  ['GlobalAveragePool', [[1, 3]], (g, x) => g.op('GlobalAveragePool', [x], {})],
  ['ReduceMean', [[1, 3]], (g, x) => g.op('ReduceMean', [x], { axes: [2], keepdims: true })],
  ['ReduceL2', [[1, 3]], (g, x) => g.op('ReduceL2', [x], { axes: [-1], keepdims: true })],
  ['ArgMax', [[1, 3]], (g, x) => g.op('ArgMax', [x], { axis: 2, keepdims: true })],
  ['Softmax', [[1, 3]], (g, x) => g.op('Softmax', [x], { axis: -1 })],
  ['MatMul', [[2, 3], [4, 2]], (g, a, b) => g.op('MatMul', [a, b], {})],
  ['MatMul', [[3], [3, 2]], (g, a, b) => g.op('MatMul', [a, b], {})],
  ['Gemm', [[2, 3]], (g, x) => g.op('Gemm', [x, g.param('w', [4, 5])], {})],
  ['BatchNormalization', [[1, 4, 2, 2]], (g, x) => g.op('BatchNormalization', [x, ...['a', 'b', 'c', 'd'].map((name) => g.param(name, [5]))], { epsilon: 1e-3 })],
  ['GroupNormalization', [[1, 4, 2, 2]], (g, x) => g.op('GroupNormalization', [x, g.param('a', [4]), g.param('b', [4])], { groups: 3, epsilon: 1e-5 })],
  ['Concat', [[1, 2, open.h], [1, 2, open.w]], (g, a, b) => g.op('Concat', [a, b], { axis: 1 })],
  ['Concat', [[1, 2], [1, 2, 1]], (g, a, b) => g.op('Concat', [a, b], { axis: 0 })],
  ['Split', [[1, 6]], (g, x) => g.op('Split', [x], { axis: 1, sizes: [2, 3] })],
  ['Split', [[1, 6]], (g, x) => g.op('Split', [x], { axis: 1, sizes: [6, 0] })],
  ['Slice', [[1, 6]], (g, x) => g.op('Slice', [x], { axis: 1, start: 3, end: 3, step: 1 })],
  ['Slice', [[1, 6]], (g, x) => g.op('Slice', [x], { axis: 1, start: 3, end: 7, step: 1 })],
  ['Slice', [[1, 6]], (g, x) => g.op('Slice', [x], { axis: 1, start: -2, end: 6, step: 1 })],
  ['Slice', [[1, 6]], (g, x) => g.op('Slice', [x], { axis: 1, start: 5, end: 0, step: -1 })],
  ['Gather', [[2, 3], [2]], (g, x, indices) => g.op('Gather', [x, indices], { axis: 0 })],
  ['Gather', [[2, 3]], (g, x) => g.op('Gather', [x, g.constant([0], [1], 'int64')], { axis: 2 })],
  ['Gather', [[2, 3]], (g, x) => g.op('Gather', [x], { axis: 0 })],
  ['Pad', [[1, 2, 3, 3]], (g, x) => g.op('Pad', [x], { pads: [1, 1, 1, 1] })],
  ['Pad', [[2, 3]], (g, x) => g.op('Pad', [x], { pads: [0, -1, 0, 0] })],
  ['GridSample', [[2, 3, 4, 4], [2, 4, 4, 3]], (g, x, grid) => g.op('GridSample', [x, grid], sampling)],
  ['GridSample', [[2, 3, 4, 4], [1, 4, 4, 2]], (g, x, grid) => g.op('GridSample', [x, grid], sampling)],
  ['GridSample', [[open.n, 3, 4, 4], [open.h, 4, 4, 2]], (g, x, grid) => g.op('GridSample', [x, grid], sampling)],
  ['GridSample', [[2, 3, 4], [2, 4, 2]], (g, x, grid) => g.op('GridSample', [x, grid], sampling)],
  ['GridSample', [[2, 3, 4, 4]], (g, x) => g.op('GridSample', [x], sampling)],
  ['Reshape', [[2, 3]], (g, x) => g.op('Reshape', [x], { shape: [7], atRunTime: true })],
  ['Reshape', [[2, 3]], (g, x) => g.op('Reshape', [x], { shape: [7] })],
  ['Reshape', [[open.h, 2]], (g, x) => g.op('Reshape', [x], { shape: [open.h, 3] })],
  ['Transpose', [[2, 3]], (g, x) => g.op('Transpose', [x], { perm: [0, 0] })],
  ['Transpose', [[2, 3]], (g, x) => g.op('Transpose', [x], { perm: [0] })],
  ['Squeeze', [[2, 3]], (g, x) => g.op('Squeeze', [x], { axes: [0] })],
  ['Unsqueeze', [[2, 3]], (g, x) => g.op('Unsqueeze', [x], { axes: [5] })],
  ['Expand', [[2, 3]], (g, x) => g.op('Expand', [x], { shape: [2, 4] })],
  ['Expand', [[2, 3]], (g, x) => g.op('Expand', [x], { shape: [3] })],
  ['Resize', [[1, 2, open.h, 4]], (g, x) => g.op('Resize', [x], { scales: [1.5, 1], mode: 'nearest', alignCorners: false })],
  ['Resize', [[1, 2, 4]], (g, x) => g.op('Resize', [x], { scales: [2, 2], mode: 'nearest', alignCorners: false })],
];

test.each(wrong.map(([op, shapes, build]) => [op, shapes.map((shape) => `[${shape.map(String).join(', ')}]`).join(' '), shapes, build] as const))('%s of %s does not fit', (_, __, shapes, build) => {
  const problem = problemOf(() => recordGraph(shapes.map((shape) => ({ shape })), (g, ...x) => {
    build(g, ...x);
    return [];
  }));
  expect(problem.code).toBe('bad-shape');
  expect(problem.message).not.toMatch(/undefined|Symbol|NaN/);
});
