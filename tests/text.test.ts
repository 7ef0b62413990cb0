import { describe, expect, test } from '@jest/globals';
import { networkGraph } from '../compiler/compile.js';
import { check } from '../compiler/ir/check.js';
import { input, mul } from '../compiler/ir/extent.js';
import type { Constant, Graph } from '../compiler/ir/graph.js';
import { paramsOf } from '../compiler/ir/graph.js';
import { print } from '../compiler/ir/print.js';
import { readGraph } from '../compiler/ir/text.js';
import { exampleGraphs, examples, prepareModel } from './examples.js';
import { bytesOf, recordGraph } from './graphs.js';

const whole = (graph: Graph): string => print(graph, { whole: true });

/** Reads the text of a graph, checks the graph it gives, and compares the texts line by line. */
function roundTrip(graph: Graph): Graph {
  const text = whole(graph);
  const read = readGraph(text);
  check(read);
  expect(whole(read).split('\n')).toEqual(text.split('\n'));
  // Texts and sizes look alike in a line: they must come back as what they were.
  expect(read.nodes.map(({ attrs }) => attrs)).toEqual(graph.nodes.map(({ attrs }) => attrs));
  return read;
}

describe('what is printed reads back', () => {
  test.each(examples.map((example) => [example.file, example] as const))('%s', async (_, example) => {
    for (const dynamic of ['none', 'batch', 'all'] as const) {
      const { recorded, lowered } = await exampleGraphs({ ...example, dynamic, passes: [], opset: 22 }).catch((error: unknown) => {
        if (dynamic === 'all') return { recorded: undefined, lowered: undefined };
        throw error;
      });
      if (!recorded) continue;
      roundTrip(recorded);
      const read = roundTrip(lowered);
      // Nothing that a file holds is lost: with the seeded numbers, both give the same bytes.
      const plain = !paramsOf(lowered).some(({ kept }) => kept);
      if (plain) expect(await bytesOf(read, 22)).toEqual(await bytesOf(lowered, 22));
    }
  });

  test.each([['yolov8', 'n'], ['yolov5n_PSA', undefined]])('%s', async (name, scale) => {
    for (const dynamic of ['none', 'all'] as const) {
      const options = { imgsz: [64, 96], dynamic, ...(scale === undefined ? {} : { scale }) } as const;
      const prepared = await prepareModel(name, options);
      const { recorded, graph } = networkGraph(prepared, options);
      const read = roundTrip(recorded.graph);
      expect(paramsOf(read).length).toBe(paramsOf(recorded.graph).length);
      roundTrip(graph);
    }
  });
});

describe('what the text holds', () => {
  const h = input('height/4');

  test('kinds of nodes, values and attributes', () => {
    const graph = recordGraph([{ shape: [input('batch'), 8, mul(4, h), mul(4, h)], axes: ['batch', 'channels', 'height', 'height'] }, { dtype: 'int64', shape: [2] }], (g, x, k) => {
      const resized = g.op('Resize', [x], { scales: [2, 2], mode: 'nearest', alignCorners: false })[0]!;
      const [called] = g.in('m').call('Twice', { eps: 1e-7, mode: "it's \"so\"\\", digits: '3' }, [resized], (inner, value) => [inner.mul(value, inner.param('gain', [1, 8, 1, 1]))]);
      const anchors = g.kept('anchors', [3], [1, -0, Infinity], false);
      return [called!, g.mul(anchors, g.constant([0.1, -0, NaN], [3])), g.op('Cast', [k], { to: 'bool' })[0]!, g.size(h)];
    });
    const text = whole(graph);
    expect(text).toBe(
      [
        "input x0: float32[batch, 8, 4*height/4, 4*height/4] {axes: ['batch', 'channels', 'height', 'height']}",
        'input x1: int64[2]',
        "%0: float32[batch, 8, 8*height/4, 8*height/4] = Resize(x0) {scales: [2, 2], mode: 'nearest', alignCorners: false}",
        `%1: float32[batch, 8, 8*height/4, 8*height/4] = call Twice(%0) {eps: 1e-7, mode: 'it\\'s "so"\\\\', digits: '3'} @ m`,
        '  | input x0: float32[batch, 8, 8*height/4, 8*height/4]',
        '  | %0: float32[batch, 8, 8*height/4, 8*height/4] = Mul(x0, m.gain[1, 8, 1, 1]) @ m',
        '  | output y0 = %0',
        '%2: float32[3] = Mul(kept anchors[3], {0.1, -0, NaN}[3])',
        "%3: bool[2] = Cast(x1) {to: 'bool'}",
        '%4: float32[] = Size() {size: height/4}',
        'output y0 = %1',
        'output y1 = %2',
        'output y2 = %3',
        'output y3 = %4',
      ].join('\n'),
    );
    const read = roundTrip(graph);
    expect(read.nodes[1]).toMatchObject({ kind: 'call', name: 'Twice', attrs: { eps: 1e-7, mode: "it's \"so\"\\", digits: '3' }, scope: 'm' });
    expect(read.inputs[0]!.shape[2]).toBe(mul(4, h));
    expect(read.nodes[4]!.attrs).toEqual({ size: h });
    expect(Object.is((read.nodes[2]!.inputs[1] as Constant).data[1], -0)).toBe(true);
  });

  test('parameters of one key and shape are one, in bodies too; kept ones stay kept', () => {
    const graph = readGraph(
      ['input x: float32[2]', '%0: float32[2] = Mul(x, w[2])', '%1: float32[2] = call F(%0)', '  | input x0: float32[2]', '  | %0: float32[2] = Add(x0, w[2])', '  | output y0 = %0', '%2: float32[2] = Mul(%1, kept w[2])', 'output y = %2'].join('\n'),
    );
    const params = paramsOf(graph);
    expect(params.map(({ key, kept }) => [key, kept])).toEqual([['w', false], ['w', true]]);
    const value = new Float32Array(2);
    params[0]!.read(value, 0);
    // The recipe gives unknown leaves of rank 1 numbers from 0.5 to 1.
    expect(value.every((number) => number >= 0.5 && number < 1)).toBe(true);
    expect(value[0]).not.toBe(value[1]);
  });

  test('functions, with a body and without', () => {
    const text = ['input x: float32[2]', "%0: float32[2], %1: float32[] = acme.trt::Plug(x) {axis: 2} @ a.b", '%2: float32[2] = yolonnx::F(%0)', '  | input x0: float32[2]', '  | %0: float32[2] = Relu(x0)', '  | output y0 = %0', 'output y = %2', 'output z = %1'].join('\n');
    const graph = readGraph(text);
    expect(graph.nodes.map((node) => node.kind === 'function' && [node.domain, node.name, node.body?.nodes.length, node.outputs.length])).toEqual([['acme.trt', 'Plug', undefined, 2], ['yolonnx', 'F', 1, 1]]);
    expect(print(graph)).toBe(text);
  });

  test('long constants are cut unless all is wanted', () => {
    const graph = recordGraph([{ shape: [9] }], (g, x) => [g.add(x, g.constant([1, 2, 3, 4, 5, 6, 7, 8, 9], [9]))]);
    expect(print(graph)).toContain('Add(x0, {1, 2, 3, 4, 5, 6, 7, 8, …}[9])');
    expect(() => readGraph(print(graph))).toThrow('line 2: a constant is cut: print the whole graph');
    roundTrip(graph);
  });

  test('long runs of one number are counted', () => {
    const strides = [...new Array<number>(400).fill(8), ...new Array<number>(16).fill(-0), ...new Array<number>(15).fill(0), 32];
    const graph = recordGraph([{ shape: [432] }], (g, x) => [g.add(x, g.constant(strides, [432]))]);
    expect(print(graph)).toContain('Add(x0, {8 × 400, -0 × 16, 0, 0, 0, 0, 0, 0, …}[432])');
    expect(whole(graph)).toContain(`{8 × 400, -0 × 16, ${'0, '.repeat(15)}32}[432]`);
    const [add] = roundTrip(graph).nodes;
    expect(Array.from((add!.inputs[1] as Constant).data)).toEqual(strides);
  });

  test('slices of parameters: the range belongs to the key', () => {
    const text = ['input x: float32[1, 2, 2, 2]', '%0: float32[1, 2, 2, 2] = Mul(x, conv.weight[0:2][2, 1, 1])', '%1: float32[1, 2, 2, 2] = Add(%0, conv.weight[2:8][:,0:1,3:4]: float32[2, 1, 1])', 'output y = %1'].join('\n');
    const graph = readGraph(text);
    expect(paramsOf(graph).map(({ key, shape }) => [key, shape])).toEqual([['conv.weight[0:2]', [2, 1, 1]], ['conv.weight[2:8][:,0:1,3:4]', [2, 1, 1]]]);
    roundTrip(graph);
  });
});

test.each([
  ['nonsense', /^line 1: expected input, output or the name of a value \(%0\) at "nonsense"$/],
  ['input x: float64[2]', /^line 1: there is no element type float64$/],
  ['input x float32[2]', /^line 1: expected : at "float32\[2\]"$/],
  ['input x: float32[2', /^line 1: expected \] at the end of the line$/],
  ['input x: float32[2]\ninput x: float32[2]', /^line 2: x is already there$/],
  ['input x: float32[sqrt(height, 2)]', /^line 1: there is no function sqrt of sizes$/],
  ['input x: float32[2] y', /^line 1: unexpected text at "y"$/],
  ['input x: float32[2]\n\n%0: float32[2] = Reluu(x)', /^line 3: there is no operator Reluu$/],
  ['%0: float32[2] = Relu(x)', /^line 1: x is not made before it is read$/],
  ['%0: float32[2] = Relu({1}[2])', /^line 1: a constant of shape \[2\] has 1 elements$/],
  ['%0: float32[2] = call F({1}[1])', /^line 1: call F has no body$/],
  ['%0: float32[2] = Relu({1}[1])\n  | input x0: float32[2]', /^line 1: only calls and functions have a body$/],
  ['input x: float32[2]\n  | input x: float32[2]', /^line 1: only calls and functions have a body$/],
  ['%0: float32[2] = call F({1}[1])\n  | input x0: float32[2]\n  | %0: float32[2] = Relu(y)', /^line 3: y is not made before it is read$/],
  ['output y = %0', /^line 1: %0 is not made before it is read$/],
])('%j is refused with its line', (text, message) => {
  expect(() => readGraph(text)).toThrow(message);
});
