/**
 * fixtures/passes/<pass>/<name>.txt: a graph's text before, a line `---`, its text after. A refusal, `not-….txt`, has
 * no second half: nothing may change. Lines `# opset 16`, `# half io`, `# custom-ops function`, `# domain acme` and
 * `# name Scale=ScalePlugin` set what the pass is told.
 */
import { describe, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { input, type Extent } from '../compiler/ir/extent.js';
import { paramsOf, type Graph, type Param, type Result } from '../compiler/ir/graph.js';
import { check } from '../compiler/ir/check.js';
import { print } from '../compiler/ir/print.js';
import { readGraph } from '../compiler/ir/text.js';
import { OPSETS } from '../compiler/onnx/emit.js';
import { graphPasses } from '../passes/index.js';
import { runPasses, type CustomOps, type Pass, type PassContext } from '../passes/pass.js';
import { bytesOf, difference, inputsFor, INLINE, lower, recordGraph, runModel, sizeOf, type Numbers } from './graphs.js';
import { problemOf } from './made-files.js';
import { detectionRows } from './reference.js';

const root = 'fixtures/passes';

/** What each pass may change of the numbers, relative to the largest: nothing, unless it is named here. */
const rounding: Readonly<Record<string, number>> = {
  'fold-batch-norm': 8e-7,
  'merge-branches': 5e-7,
  'fold-permutations': 5e-7,
  'softmax-last': 5e-7,
  'split-convs': 3e-7, // convolutions of fewer channels add up in another order
  'upsample-later': 4e-7,
  'distribute-convs': 3e-7,
  winograd: 1.5e-5,
  'to-half': 4e-3,
  'expand-operators': 2e-6,
};
/** Where fixtures called float16 are rounded otherwise. */
const HALF_ROUNDING = 1e-3;
/** Sizes that stand for open ones when fixtures are run. */
const sizes = { batch: 2, height: 3, width: 5 };
// Products are printed in the order in which their factors were first met.
Object.keys(sizes).forEach(input);

interface Fixture {
  readonly before: string;
  readonly after: string;
  readonly context: PassContext;
}

function readFixture(file: string): Fixture {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const options = new Map<string, string>();
  while (lines[0]?.startsWith('# ')) {
    const [, option, value] = /^# (opset|half|custom-ops|domain|name) (\S+)$/.exec(lines.shift()!) ?? [];
    if (option === undefined) throw new Error(`${file} begins with an option that is not known`);
    options.set(option, value!);
  }
  const [before, after, ...more] = lines.join('\n').split('\n---\n');
  const refusal = /\/not-[^/]*$/.test(file);
  if (more.length > 0 || refusal !== (after === undefined)) throw new Error(`${file} needs ${refusal ? 'no line ---' : 'one line ---'}`);
  const [from, to] = options.get('name')?.split('=') ?? [];
  const customOps: CustomOps = {
    form: (options.get('custom-ops') ?? 'inline') as CustomOps['form'],
    domain: options.get('domain') ?? 'yolonnx',
    names: from === undefined ? {} : { [from]: to! },
  };
  return { before: before!, after: after ?? before!, context: { opset: Number(options.get('opset') ?? 17), customOps, half: (options.get('half') ?? 'none') as NonNullable<PassContext['half']> } };
}

const text = (graph: Graph): string => print(graph, { whole: true });

/** What a graph computes from numbers; its calls are run inline. */
async function run(graph: Graph, opset: number, inputs: readonly Numbers[]): Promise<Numbers[]> {
  return runModel(await bytesOf(lower(graph, opset), opset), inputs);
}

/** Boxes that a pass has made rows of. */
const asIn = ({ outputs }: Graph, after: Graph, results: readonly Numbers[]): readonly Numbers[] =>
  results.map((output, i) => (outputs[i]!.boxes === after.outputs[i]!.boxes ? output : detectionRows(output, outputs[i]!.boxes as 'scores' | 'objectness')));

/** However a tensor is read, its numbers are the same: a look at the beginning, in order, the end first, all at once. */
function expectPieces(param: Param): void {
  const size = sizeOf(param.shape as readonly number[]);
  const piece = (at: number, count: number): Float32Array => {
    const into = new Float32Array(Math.min(count, size - at));
    param.read(into, at);
    return into;
  };
  const step = Math.ceil(size / 5) + 1;
  const starts = Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
  const look = piece(0, 16);
  const inOrder = starts.map((at) => piece(at, step));
  const backwards = starts.toReversed().map((at) => piece(at, step));
  const whole = piece(0, size);
  expect(look).toEqual(whole.subarray(0, 16));
  expect(inOrder).toEqual(starts.map((at) => whole.slice(at, at + step)));
  expect(backwards).toEqual(inOrder.toReversed());
}

describe.each(graphPasses.map((pass) => [pass.name, pass] as const))('%s', (name, pass) => {
  const files = readdirSync(`${root}/${name}`).sort();

  test('has fixtures, refusals too', () => {
    expect(files.filter((file) => !/^[a-z0-9-]+\.txt$/.test(file))).toEqual([]);
    expect(files.some((file) => file.startsWith('not-'))).toBe(true);
    expect(files.some((file) => !file.startsWith('not-'))).toBe(true);
  });

  test.each(files)('%s', async (file) => {
    const { before, after, context } = readFixture(`${root}/${name}/${file}`);
    const graph = readGraph(before);
    check(graph);
    expect(text(graph)).toBe(before);
    const result = runPasses(graph, [pass], context);
    expect(text(result).split('\n')).toEqual(after.split('\n'));
    expect(text(runPasses(result, [pass], context))).toBe(after);

    for (const param of paramsOf(result)) expectPieces(param);

    if (result.nodes.some((node) => node.kind === 'function' && !node.body)) return; // opaque: no runtime here has its kernel
    // What the opset lacks is there in the latest.
    const inputs = inputsFor(graph, sizes);
    const want = asIn(graph, result, await run(graph, name === 'expand-operators' ? OPSETS.most : context.opset, inputs));
    const got = await run(result, context.opset, inputs);
    expect(got.length).toBe(graph.outputs.length);
    const bound = rounding[name] ?? 0;
    for (const [i, output] of want.entries()) expect(difference(output, got[i]!)).toBeLessThanOrEqual(bound > 0 && file.includes('float16') ? HALF_ROUNDING : bound);
    // The numbers are worth comparing: not all zero.
    expect(want.some(({ data }) => data.some((value) => value !== 0))).toBe(true);
  });
});

test('every folder belongs to a pass', () => {
  expect(readdirSync(root).sort()).toEqual(graphPasses.map(({ name }) => name).sort());
});

describe('a pass that breaks the graph is blamed by name', () => {
  const graph = recordGraph([{ shape: [input('batch'), 4] }], (g, x) => [g.relu(g.sigmoid(x))]);
  const broken = (name: string, run: (graph: Graph) => Graph): Pass => ({ name, doc: '', scope: 'every-graph', run });
  const context = { opset: 17, customOps: INLINE };
  const [sigmoid, relu] = graph.nodes as [Graph['nodes'][number], Graph['nodes'][number]];

  const half: Result = { kind: 'result', dtype: 'float16', shape: graph.inputs[0]!.shape };

  test.each<[string, Pass, RegExp]>([
    ['drops a node', broken('greedy', (g) => ({ ...g, nodes: [relu] })), /^pass greedy broke the graph: \/Relu reads a value of type float32\[batch, 4\] that nothing made before it$/],
    ['turns the order round', broken('hasty', (g) => ({ ...g, nodes: [relu, sigmoid] })), /^pass hasty broke the graph: \/Relu reads/],
    ['makes a value twice', broken('eager', (g) => ({ ...g, nodes: [sigmoid, sigmoid, relu] })), /^pass eager .*\/Sigmoid makes a value that is already there$/],
    ['states another shape', broken('liar', (g) => ({ ...g, nodes: [sigmoid, { ...relu, inputs: [{ kind: 'constant', dtype: 'float32', shape: [1], data: [0] }] }] })), /^pass liar .*\/Relu gives float32\[1\], but is stated to give float32\[batch, 4\]$/],
    ['states another element type', broken('typist', (g) => ({ ...g, nodes: [{ ...sigmoid, outputs: [half] }, { ...relu, inputs: [half] }] })), /^pass typist .*\/Sigmoid gives float32\[batch, 4\], but is stated to give float16\[batch, 4\]$/],
    ['gives an operator too few inputs', broken('mean', (g) => ({ ...g, nodes: [{ ...sigmoid, inputs: [] }, relu] })), /^pass mean .*\/Sigmoid: input 0 is missing$/],
    ['leaves an output without a maker', broken('short', (g) => ({ ...g, nodes: [sigmoid] })), /^pass short .*output y0 reads/],
    ['makes a constant of the wrong size', broken('wide', (g) => ({ ...g, outputs: [{ name: 'y0', value: { kind: 'constant', dtype: 'float32', shape: [3], data: [1, 2] } }] })), /^pass wide .*a constant of shape \[3\] with 2 elements$/],
  ])('%s', (_, pass, message) => {
    const fine = graphPasses.find(({ name }) => name === 'drop-dead')!;
    const problem = problemOf(() => runPasses(graph, [fine, pass], context));
    expect(problem.code).toBe('internal');
    expect(problem.message).toMatch(message);
  });

  test('inside the body of a call too', () => {
    const nested = recordGraph([{ shape: [4] }], (g, x) => g.call('F', {}, [x], (inner, value) => [inner.relu(inner.sigmoid(value as typeof x))]));
    const pass = broken('greedy', (g) => ({ ...g, nodes: g.nodes.filter((node) => node.kind !== 'op' || node.op !== 'Sigmoid') }));
    expect(problemOf(() => runPasses(nested, [pass], context)).message).toMatch(/^pass greedy broke the graph: \/Relu reads/);
  });

  test('a body uses no size that its inputs do not show', () => {
    const shape = [input('batch'), 4, input('height')];
    const tokens = (n: Extent) => () => recordGraph([{ shape }, { shape: [4] }], (g, _, vector) => g.call('F', {}, [vector], (inner, value) => [inner.expand(value, [n, 4])]));
    expect(problemOf(tokens(input('height'))).message).toBe('the body of F uses the size height, which none of its inputs shows');
    expect(tokens(3)).not.toThrow();
  });

  test('every pass is reported, with the graphs around it', () => {
    const names: string[] = [];
    let last = graph;
    const after = runPasses(graph, graphPasses, context, (report) => {
      names.push(report.pass.name);
      expect(report.before).toBe(last);
      last = report.after;
    });
    expect(names).toEqual(graphPasses.map(({ name }) => name));
    expect(after).toBe(last);
  });
});

describe('winograd', () => {
  const pass = graphPasses.filter(({ name, required }) => name === 'winograd' || required);
  const window = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };

  test.each<[string, Graph['inputs'][number]['shape'], number, boolean]>([
    ['without bias, of a wide map', [1, 80, 20, 28], 80, false],
    ['with bias, of fewer channels than it reads, of a tall map', [3, 96, 28, 20], 80, true],
    ['of an open batch', [input('batch'), 81, 20, 20], 83, true],
  ])('%s', async (_, shape, out, bias) => {
    const graph = recordGraph([{ shape }], (g, x) => {
      const w = g.param('conv.weight', [out, shape[1] as number, 3, 3]);
      return g.op('Conv', bias ? [x, w, g.param('conv.bias', [out])] : [x, w], window);
    });
    const after = lower(graph, 17, pass);
    expect(after.nodes.filter(({ kind }) => kind === 'op').length).toBe(bias ? 13 : 12);
    const inputs = inputsFor(graph, sizes);
    const [[want], [got]] = [await runModel(await bytesOf(graph), inputs), await runModel(await bytesOf(after), inputs)];
    expect(difference(want!, got!)).toBeLessThanOrEqual(rounding.winograd!);
  });

  test('two convolutions share its matrices', async () => {
    const graph = recordGraph([{ shape: [1, 80, 20, 20] }], (g, x) => {
      const once = g.op('Conv', [x, g.param('a.weight', [80, 80, 3, 3])], window);
      return g.op('Conv', [once[0]!, g.param('b.weight', [80, 80, 3, 3])], window);
    });
    const after = lower(graph, 17, pass);
    expect(new Set(after.nodes.flatMap(({ inputs }) => inputs.filter(({ kind }) => kind === 'constant'))).size).toBe(3);
    const [before, bytes] = [await bytesOf(graph), await bytesOf(after)];
    expect(bytes.length - before.length).toBeLessThan(16_000);
  });
});

test('share-tensors: equal constants become one value', () => {
  const many = Array.from({ length: 40 }, (_, i) => i / 4);
  const graph = recordGraph([{ shape: [40] }], (g, x) => [g.mul(g.add(x, g.constant(many, [40])), g.constant([...many], [40]))]);
  const [add, mul] = runPasses(graph, graphPasses.filter(({ name }) => name === 'share-tensors'), { opset: 17, customOps: INLINE }).nodes;
  expect(graph.nodes[1]!.inputs[1]).not.toBe(graph.nodes[0]!.inputs[1]);
  expect(mul!.inputs[1]).toBe(add!.inputs[1]);
});
