/** Where two models part, layer by layer: which results are the same value on both sides, and which differ first. */
import type { Statistics } from '../runner.js';
import type { TensorDiff } from './diff-numbers.js';
import type { FileLayer } from './layers.js';
import { elementsOf } from './model.js';

/** What layers give: the results of one file with their shapes. */
export interface Surveyed {
  readonly layers: readonly FileLayer[];
  readonly statistics: ReadonlyMap<string, Statistics>;
}

/** Results of one layer that are compared: of each shape as many as both sides have. */
export interface Matched {
  readonly layer: string;
  readonly shapes: readonly { readonly shape: readonly number[]; readonly a: readonly string[]; readonly b: readonly string[] }[];
  /** float32 bytes of all of them, on both sides together. */
  readonly bytes: number;
}

export interface ResultDiff extends TensorDiff {
  /** Names of the value in both files. */
  readonly a: string;
  readonly b: string;
}

export interface LayerDiff {
  readonly layer: string;
  readonly ok: boolean;
  readonly results: readonly ResultDiff[];
  /**
   * The layers that read it agree though it differs: its result is another value on both sides, as where an exporter moved
   * an operator from one layer into the next.
   */
  readonly rejoins?: boolean;
}

export interface LayersDiff {
  readonly compared: readonly LayerDiff[];
  readonly unmatched: readonly { readonly layer: string; readonly reason: string }[];
  /** The first layer that differs for good, the last one before it that agrees. */
  readonly parting?: { readonly layer: string; readonly before?: string };
}

const FLOATS: ReadonlySet<string> = new Set(['float16', 'float32', 'float64']);

/** Names of layers' results that may be compared by their numbers. */
export const resultsIn = (layers: readonly FileLayer[]): readonly string[] => layers.flatMap(({ results }) => results);

export function matchLayers(a: Surveyed, b: Surveyed): { matched: readonly Matched[]; unmatched: LayersDiff['unmatched'] } {
  const others = new Map(b.layers.map((layer) => [layer.name, layer]));
  const matched: Matched[] = [];
  const unmatched: LayersDiff['unmatched'][number][] = [];
  for (const layer of a.layers) {
    const other = others.get(layer.name);
    others.delete(layer.name);
    const [ofA, ofB] = [byShape(layer, a.statistics), other ? byShape(other, b.statistics) : new Map<string, string[]>()];
    const shapes = [...ofA].flatMap(([key, names]) => {
      const same = ofB.get(key);
      return same ? [{ shape: a.statistics.get(names[0]!)!.shape, a: names, b: same }] : [];
    });
    const bytes = shapes.reduce((sum, each) => sum + 4 * elementsOf(each.shape) * (each.a.length + each.b.length), 0);
    if (shapes.length > 0) matched.push({ layer: layer.name, shapes, bytes });
    else unmatched.push({ layer: layer.name, reason: other ? reasonOf(ofA, ofB) : 'only in a' });
  }
  for (const name of others.keys()) unmatched.push({ layer: name, reason: 'only in b' });
  return { matched, unmatched };
}

function byShape({ results }: FileLayer, statistics: ReadonlyMap<string, Statistics>): Map<string, string[]> {
  const shapes = new Map<string, string[]>();
  for (const name of results) {
    const { type, shape } = statistics.get(name) ?? { type: '', shape: [] };
    if (!FLOATS.has(type)) continue;
    const key = shape.join(', ');
    const known = shapes.get(key);
    if (known) known.push(name);
    else shapes.set(key, [name]);
  }
  return shapes;
}

function reasonOf(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): string {
  const list = (shapes: ReadonlyMap<string, unknown>): string => [...shapes.keys()].map((shape) => `[${shape}]`).join(' ');
  if (a.size === 0 || b.size === 0) return `${a.size > 0 ? 'b' : b.size > 0 ? 'a' : 'neither'} has ${a.size + b.size > 0 ? 'no' : 'a'} result of floats there`;
  return `its results have other shapes: ${list(a)}, ${list(b)}`;
}

/** Layers that are held at once; at least one, whatever it takes. */
export function groupsWithin(limit: number, matched: readonly Matched[]): readonly (readonly Matched[])[] {
  const groups: Matched[][] = [];
  let left = 0;
  for (const layer of matched) {
    if (groups.length === 0 || layer.bytes > left) {
      groups.push([]);
      left = limit;
    }
    groups.at(-1)!.push(layer);
    left -= layer.bytes;
  }
  return groups;
}

/** More pairs than these are not tried out: no yaml's row has so many results. */
const MOST_PAIRS = 4096;

/** Of several results of one shape those are the same value that are nearest to each other. */
export function pairResults(a: readonly string[], b: readonly string[], compare: (a: string, b: string) => TensorDiff): ResultDiff[] {
  if (a.length * b.length > MOST_PAIRS) return a.slice(0, b.length).map((x, i) => ({ ...compare(x, b[i]!), a: x, b: b[i]! }));
  const pairs = a.flatMap((x) => b.map((y) => ({ ...compare(x, y), a: x, b: y })));
  // A stable sort: where differences are the same, the order of the files decides.
  pairs.sort((x, y) => (x.maxAbs === y.maxAbs ? 0 : x.maxAbs - y.maxAbs));
  const taken: ResultDiff[] = [];
  for (const pair of pairs) if (!taken.some((other) => other.a === pair.a || other.b === pair.b)) taken.push(pair);
  return taken.sort((x, y) => a.indexOf(x.a) - a.indexOf(y.a));
}

/** `layers` are a's, as the readers of a result are looked for there. `outputsOk`: whether the outputs of the model agree. */
export function findParting(layers: readonly FileLayer[], compared: readonly Omit<LayerDiff, 'rejoins'>[]): Pick<LayersDiff, 'compared' | 'parting'> {
  const known = new Map(compared.map((layer) => [layer.layer, layer]));
  const told = compared.map((layer): LayerDiff => (layer.ok || !agreeing(layer.layer, layers, known) ? layer : { ...layer, rejoins: true }));
  const first = told.findIndex(({ ok, rejoins }) => !ok && !rejoins);
  if (first < 0) return { compared: told };
  const before = told.slice(0, first).reverse().find(({ ok }) => ok);
  return { compared: told, parting: { layer: told[first]!.layer, ...(before ? { before: before.layer } : {}) } };
}

/** Whether the nearest compared layers that read this one, directly or through others, all agree. */
function agreeing(name: string, layers: readonly FileLayer[], known: ReadonlyMap<string, { readonly ok: boolean }>): boolean {
  const seen = new Set([name]);
  const queue = [name];
  let found = 0;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const results = new Set(layers.find((layer) => layer.name === next)?.results);
    for (const reader of layers) {
      if (seen.has(reader.name) || !reader.nodes.some(({ inputs }) => inputs.some((input) => results.has(input)))) continue;
      seen.add(reader.name);
      const compared = known.get(reader.name);
      if (!compared) queue.push(reader.name);
      else if (compared.ok) found++;
      else return false;
    }
  }
  return found > 0;
}
