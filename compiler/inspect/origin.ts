/** Where NaN and infinities in a model's outputs come from. */
import { quoted } from '../errors.js';
import type { Feeds, Loadable, OpenOptions, Provider, Runner, Statistics } from '../runner.js';
import { layersOf, type FileLayer } from './layers.js';
import type { FileModel, FileNode } from './model.js';
import { tappable, withTaps } from './taps.js';

export interface Origin {
  /** The first layer that gives such a number: `model.9`; '' in a lone module without names. */
  readonly layer: string;
  /** Its first node that does. */
  readonly node: string;
  readonly op: string;
  /** Which: NaN, or infinite where the outputs have infinities alone. */
  readonly kind: 'NaN' | 'infinite';
  /** How many numbers of its result are, of how many. */
  readonly count: number;
  readonly of: number;
  /** An initializer of the node that has such numbers itself. */
  readonly weight?: string;
  /** Where infinities came up before the first NaN. */
  readonly infinityBefore?: { readonly layer: string; readonly node: string; readonly op: string };
}

export interface Suspect {
  readonly model: FileModel;
  readonly file: Loadable;
  readonly feeds: Feeds;
  readonly runner: Runner;
  readonly provider: Provider;
}

/**
 * Runs the model again, first with the results of its layers, then with all results of the first layer at fault.
 * undefined where the fault does not show again: the runtime's own optimizer is off, so that nodes are those of the file.
 */
export async function originOf(suspect: Suspect, kind: Origin['kind']): Promise<Origin | undefined> {
  const layers = layersOf(suspect.model);
  const between = await survey(suspect, layers.flatMap(({ results }) => results));
  const bad = layers.find(({ results }) => results.some((name) => numberOf(between.get(name), kind) > 0));
  if (!bad) return undefined;
  const found = await firstNode(suspect, bad, kind);
  if (!found) return undefined;
  const infinite = kind === 'NaN' ? await firstInfinity(suspect, layers, between, found.node) : undefined;
  const weight = found.node.inputs.find((name) => suspect.model.tensors.get(name)?.read().some((value) => !Number.isFinite(value)));
  return {
    layer: bad.name,
    node: found.node.name,
    op: found.node.op,
    kind,
    count: numberOf(found.statistics, kind),
    of: found.statistics.shape.reduce((product, size) => product * size, 1),
    ...(weight === undefined ? {} : { weight }),
    ...(infinite ? { infinityBefore: infinite } : {}),
  };
}

const numberOf = (statistics: Statistics | undefined, kind: Origin['kind']): number => (kind === 'NaN' ? statistics?.nan : statistics?.infinite) ?? 0;

async function survey({ model, file, feeds, runner, provider }: Suspect, names: readonly string[]): Promise<ReadonlyMap<string, Statistics>> {
  const taps = new Set(tappable(model));
  const options: OpenOptions = { optimization: 'disabled' };
  const session = await runner.open(withTaps(file, names.filter((name) => taps.has(name))), provider, options);
  try {
    return await session.survey(feeds, names);
  } finally {
    await session.close();
  }
}

interface Found {
  readonly node: FileNode;
  readonly statistics: Statistics;
}

async function firstNode(suspect: Suspect, { nodes }: FileLayer, kind: Origin['kind']): Promise<Found | undefined> {
  const within = await survey(suspect, nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '')));
  for (const node of nodes) {
    const statistics = node.outputs.map((name) => within.get(name)).find((candidate) => numberOf(candidate, kind) > 0);
    if (statistics) return { node, statistics };
  }
  return undefined;
}

/** An infinity that is older than the NaN, as an overflow of float16 is. */
async function firstInfinity(suspect: Suspect, layers: readonly FileLayer[], between: ReadonlyMap<string, Statistics>, before: FileNode): Promise<Origin['infinityBefore']> {
  const earlier = layers.find(({ results, nodes }) => nodes.includes(before) || results.some((name) => numberOf(between.get(name), 'infinite') > 0));
  if (!earlier) return undefined;
  const found = await firstNode(suspect, earlier, 'infinite');
  const order = suspect.model.nodes;
  return found && order.indexOf(found.node) < order.indexOf(before) ? { layer: earlier.name, node: found.node.name, op: found.node.op } : undefined;
}

/** One sentence. */
export function describeOrigin({ layer, node, op, kind, count, of, weight, infinityBefore }: Origin): string {
  const where = (at: { readonly layer: string; readonly node: string; readonly op: string }): string => `${at.layer === '' ? '' : `layer ${quoted(at.layer.replace('model.', ''))}, `}node ${quoted(at.node)} (${quoted(at.op)})`;
  const cause = weight === undefined ? '' : `; its ${quoted(weight)} has such numbers itself`;
  const overflow = infinityBefore ? `; numbers became infinite before, in ${where(infinityBefore)}` : '';
  return `the first ${kind === 'NaN' ? 'NaN' : 'infinite number'} comes out of ${where({ layer, node, op })}, ${count} of ${of} numbers${cause}${overflow}`;
}
