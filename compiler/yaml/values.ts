/** Nodes → the values that keys of a model's yaml hold, each with its own complaint. */
import { Problem, nearest, type ErrorCode, type Place, type Source, type Span } from '../errors.js';
import type { Literal } from '../ir/network.js';
import { describe, type MapNode, type Node } from './document.js';
import { pythonLiteral } from './literals.js';

/** What reading a yaml takes along. */
export interface Context {
  readonly source: Source;
  readonly root: MapNode;
  readonly warn: (warning: Problem) => void;
}

export const placeAt = ({ source }: Pick<Context, 'source'>, span: Span): Place => ({ source, span });

export function problemAt(context: Pick<Context, 'source'>, code: ErrorCode, span: Span, message: string, help?: string): Problem {
  return new Problem(code, message, { place: placeAt(context, span), help });
}

/** The value of a top-level key; undefined where it is absent or holds nothing. */
export function keyOf({ root }: Pick<Context, 'root'>, ...names: readonly string[]): Node | undefined {
  for (const name of names) {
    const value = root.entries.get(name)?.value;
    if (value && !(value.kind === 'scalar' && value.value === null)) return value;
  }
  return undefined;
}

/** A missing key; the place of a key that may have been meant comes first. */
export function missingKey(context: Context, name: string, help: string): Problem {
  const near = misspelt(context, name);
  const at = context.root.entries.get(near ?? name)?.key ?? START;
  return problemAt(context, 'missing-key', at, `the yaml has no key ${name}`, meant(context, name, help));
}

/** The help for a missing key, begun with the key that may have been meant. */
export function meant(context: Context, name: string, help: string): string {
  const near = misspelt(context, name);
  return near === undefined ? help : `Did you mean ${name} by ${near}? ${help}`;
}

/** A key of the yaml that no model has and that looks like the one that is missing. */
function misspelt({ root }: Context, name: string): string | undefined {
  return nearest(name, [...root.entries.keys()].filter((key) => !KNOWN_KEYS.has(key) && key.length <= 40))[0];
}

const KNOWN_KEYS: ReadonlySet<string> = new Set([
  ...['nc', 'names', 'ch', 'channels', 'scale', 'scales', 'depth_multiple', 'width_multiple', 'max_channels'],
  ...['backbone', 'head', 'anchors', 'activation', 'reg_max', 'end2end', 'kpt_shape'],
]);

export const START: Span = { start: 0, end: 1 };

/** Strings that are Python literals become their values; undefined for mappings and dates, which no argument is. */
export function literalOf(node: Node): Literal | undefined {
  if (node.kind === 'scalar') {
    if (typeof node.value !== 'string') return node.value;
    const value = pythonLiteral(node.value);
    return value === undefined ? node.value : value;
  }
  if (node.kind !== 'list') return undefined;
  const items: Literal[] = [];
  for (const item of node.items) {
    const value = literalOf(item);
    if (value === undefined) return undefined;
    items.push(value);
  }
  return items;
}

/** A list as it is written, where that is short; what it is, elsewhere. */
export function written({ source }: Pick<Context, 'source'>, node: Node): string {
  const text = source.text.slice(node.span.start, node.span.end);
  return node.kind === 'list' && text.length > 2 && text.length <= 60 && !text.includes('\n') ? text : describe(node);
}

/** A finite number in (0, max], such as a width multiple. */
export function multiple(context: Context, name: string, node: Node, max: number): number {
  const value = literalOf(node);
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0 || value > max) {
    throw problemAt(context, 'bad-argument', node.span, `${name} must be a number above 0 and at most ${max}, got ${describe(node)}`, 'Usual values lie between 0.25 and 1.5.');
  }
  return value;
}

export function positiveInteger(context: Context, name: string, node: Node, max: number, help?: string): number {
  const value = literalOf(node);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw problemAt(context, 'bad-argument', node.span, `${name} must be an integer from 1 to ${max}, got ${describe(node)}`, help);
  }
  return value;
}
