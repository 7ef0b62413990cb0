/** Runs two models with the results of their layers, one after the other, and compares those. */
import { Problem } from '../errors.js';
import { findParting, groupsWithin, matchLayers, pairResults, resultsIn, type LayerDiff, type LayersDiff, type Matched, type Surveyed } from '../inspect/diff-layers.js';
import { divisionOf, tensorDiff, WHOLE, type DiffBounds } from '../inspect/diff-numbers.js';
import { layersOf } from '../inspect/layers.js';
import { tappable, withTaps } from '../inspect/taps.js';
import type { Provider, Runner, Session, Tensor } from '../runner.js';
import type { Side } from './diff.js';

/** Bytes of results that are held at once. */
const HELD = 2 ** 28;

/** `reason` where a model cannot be run with the results of its layers. */
export async function layersDiff(a: Side, b: Side, bounds: DiffBounds, runner: Runner, provider: Provider): Promise<LayersDiff | { readonly reason: string }> {
  try {
    const [ofA, ofB] = [await survey(a, runner, provider), await survey(b, runner, provider)];
    const { matched, unmatched } = matchLayers(ofA, ofB);
    const compared: Omit<LayerDiff, 'rejoins'>[] = [];
    for (const group of groupsWithin(HELD, matched)) compared.push(...(await groupDiff(group, a, b, bounds, runner, provider)));
    return { ...findParting(ofA.layers, compared), unmatched };
  } catch (error) {
    // A model that can run, but not with more outputs, has been compared all the same.
    if (!(error instanceof Problem) || error.code === 'aborted') throw error;
    return { reason: error.message };
  }
}

async function survey(side: Side, runner: Runner, provider: Provider): Promise<Surveyed> {
  const layers = layersOf(side.model);
  const names = resultsIn(layers);
  return { layers, statistics: names.length === 0 ? new Map() : await tapped(side, names, runner, provider, (session) => session.survey(side.feeds, names)) };
}

async function groupDiff(group: readonly Matched[], a: Side, b: Side, bounds: DiffBounds, runner: Runner, provider: Provider): Promise<Omit<LayerDiff, 'rejoins'>[]> {
  // What is an output as well is measured as outputs are.
  const outputs = new Set(a.model.outputs.map(({ name }) => name));
  const within: DiffBounds = { ...bounds, relative: true };
  const shapes = group.flatMap((layer) => layer.shapes);
  const results = (side: Side, names: readonly string[]): Promise<ReadonlyMap<string, Tensor>> => tapped(side, names, runner, provider, (session) => session.run(side.feeds, names));
  const ofA = await results(a, shapes.flatMap((each) => each.a));
  const ofB = await results(b, shapes.flatMap((each) => each.b));
  return group.map((layer) => {
    const pairs = layer.shapes.flatMap((each) => pairResults(each.a, each.b, (x, y) => (outputs.has(x) ? tensorDiff(ofA.get(x)!, ofB.get(y)!, bounds, divisionOf(each.shape)) : tensorDiff(ofA.get(x)!, ofB.get(y)!, within, WHOLE))));
    return { layer: layer.layer, ok: pairs.every(({ ok }) => ok), results: pairs };
  });
}

/** The runtime's own optimizer is off, so that results are those of the file. */
async function tapped<T>({ model, file }: Side, names: readonly string[], runner: Runner, provider: Provider, step: (session: Session) => Promise<T>): Promise<T> {
  const taps = new Set(tappable(model));
  const session = await runner.open(withTaps(file, names.filter((name) => taps.has(name))), provider, { optimization: 'disabled' });
  try {
    return await step(session);
  } finally {
    await session.close();
  }
}
