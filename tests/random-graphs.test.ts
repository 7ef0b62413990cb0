/**
 * Whatever passes make of a graph, it computes the same: each pass alone and all together, on random graphs of what they
 * look for. FUZZ_RUNS and FUZZ_SEED make longer and other runs.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { show } from '../compiler/ir/extent.js';
import type { Graph } from '../compiler/ir/graph.js';
import { print } from '../compiler/ir/print.js';
import { readGraph } from '../compiler/ir/text.js';
import { graphPasses } from '../passes/index.js';
import { runPasses, type Pass, type PassContext } from '../passes/pass.js';
import { bytesOf, difference, inputsFor, INLINE, runModel, type Numbers } from './graphs.js';
import { build, otherSizes, randomGraph, type RandomGraph, type Sizes } from './random-graph.js';

const options = { numRuns: Number(process.env.FUZZ_RUNS ?? 150), seed: Number(process.env.FUZZ_SEED ?? 20_261_122), endOnFailure: process.env.FUZZ_SHRINK === undefined };

/** Relative to the largest number of an output, or to 1: sums in another order, in some layers one after the other. */
const ROUNDING = 5e-5;

/** Passes that never make more nodes than there were. */
const SHRINKING: ReadonlySet<string> = new Set(['fold-batch-norm', 'merge-branches', 'fold-constants', 'collapse-chains', 'share-nodes', 'drop-dead', 'share-tensors']);
const nodesOf = ({ nodes }: Graph): number => nodes.reduce((count, node) => count + (node.kind === 'call' ? nodesOf(node.body) : 1), 0);

const text = (graph: Graph): string => print(graph, { whole: true });
const typesOf = ({ outputs }: Graph): string[] => outputs.map(({ name, value: { dtype, shape } }) => `${name}: ${dtype}[${shape.map(show).join()}]`);
const required = graphPasses.filter((pass) => pass.required);
const passesWhere = (chosen: (pass: Pass) => boolean | undefined): readonly Pass[] => graphPasses.filter((pass) => (pass.required ?? false) || chosen(pass));

async function run(graph: Graph, opset: number, runs: readonly Sizes[]): Promise<Numbers[][]> {
  const model = await bytesOf(graph, opset);
  const outputs: Numbers[][] = [];
  for (const sizes of runs) outputs.push(await runModel(model, inputsFor(graph, sizes)));
  return outputs;
}

function most(want: readonly Numbers[][], got: readonly Numbers[][]): number {
  return Math.max(...want.flatMap((outputs, i) => outputs.map((output, j) => difference(output, got[i]![j]!, 1))));
}

async function same(random: RandomGraph, opset: number): Promise<void> {
  const graph = build(random);
  const runs = random.open === 'none' ? [random.sizes] : [random.sizes, otherSizes(random.sizes, random.open)];
  const context: PassContext = { opset, customOps: INLINE };
  const want = await run(runPasses(graph, required, context), opset, runs);
  if (want.some((outputs) => outputs.some(({ data }) => data.some((value) => !(Math.abs(value) < 1e6))))) return;
  const before = text(graph);
  expect(text(readGraph(before))).toBe(before);

  for (const pass of graphPasses.filter((one) => !one.required)) {
    const after = runPasses(graph, [pass], context);
    const changed = text(after);
    expect(typesOf(after)).toEqual(typesOf(graph));
    expect({ pass: pass.name, again: text(runPasses(after, [pass], context)).split('\n') }).toEqual({ pass: pass.name, again: changed.split('\n') });
    if (SHRINKING.has(pass.name)) expect({ pass: pass.name, more: Math.max(0, nodesOf(after) - nodesOf(graph)) }).toEqual({ pass: pass.name, more: 0 });
    if (changed === before) continue;
    const got = await run(runPasses(graph, passesWhere((other) => other === pass), context), opset, runs);
    expect({ pass: pass.name, difference: Math.max(most(want, got), ROUNDING) }).toEqual({ pass: pass.name, difference: ROUNDING });
  }
  for (const [name, passes] of [['default', passesWhere(({ optional }) => !optional)], ['all', graphPasses]] as const) {
    const after = runPasses(graph, passes, context);
    expect(typesOf(after)).toEqual(typesOf(graph));
    expect({ passes: name, difference: Math.max(most(want, await run(after, opset, runs)), ROUNDING) }).toEqual({ passes: name, difference: ROUNDING });
  }
}

test('passes change no numbers', async () => {
  await fc.assert(
    fc.asyncProperty(randomGraph, fc.constantFrom(17, 11, 13, 22), async (random, opset) => {
      await same(random, opset);
    }),
    options,
  );
});
