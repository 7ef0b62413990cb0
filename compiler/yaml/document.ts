/** Text → one tree of values, each with its place. Everything js-yaml may throw becomes a Problem here. */
import { YAML11_SCHEMA, YAMLException, constructFromEvents, defineScalarTag, parseEvents, realMapTag, NOT_RESOLVED } from 'js-yaml';
import { Problem, type Source, type Span } from '../errors.js';
import { clip, spotsOf, type Spot } from './spots.js';

export type Node = ScalarNode | ListNode | MapNode | OtherNode;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly span: Span;
  readonly value: null | boolean | number | string;
}

export interface ListNode {
  readonly kind: 'list';
  readonly span: Span;
  readonly items: readonly Node[];
}

export interface MapNode {
  readonly kind: 'map';
  readonly span: Span;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly key: Span;
  /** False for keys such as `0:` or `true:`. */
  readonly isText: boolean;
  readonly value: Node;
}

/** A date, binary data, a set: values that no model has. */
export interface OtherNode {
  readonly kind: 'other';
  readonly span: Span;
  readonly what: string;
}

const MAX_TEXT = 1 << 20;
/** A model's rows are nested four deep. */
const MAX_DEPTH = 64;

const TRUE = new Set(['yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']);
const FALSE = new Set(['no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']);

/** PyYAML's booleans. YAML 1.1 also has `y` and `n`, which would turn the scale `n:` into `false:`. */
const pyyamlBool = defineScalarTag<boolean>('tag:yaml.org,2002:bool', {
  implicit: true,
  implicitFirstChars: [...'yYtToOnNfF'],
  resolve: (text) => (TRUE.has(text) ? true : FALSE.has(text) ? false : NOT_RESOLVED),
  identify: () => false,
});

/** Real Maps: keys keep their types, and `__proto__` is a key like any other. */
const SCHEMA = YAML11_SCHEMA.withTags(pyyamlBool, realMapTag);

/** Reads a text that holds one mapping. */
export function readDocument(source: Source): MapNode {
  if (source.text.length > MAX_TEXT) {
    throw new Problem('too-large', `the yaml has ${source.text.length} characters; at most ${MAX_TEXT} are read`, {
      place: { source, span: { start: 0, end: 1 } },
      help: 'Give the yaml of a model: a few hundred lines with backbone and head.',
    });
  }
  const events = guarded(source, () => parseEvents(source.text, { maxDepth: MAX_DEPTH }));
  const spot = spotsOf(events, source);
  if (spot === undefined || (spot.kind === 'scalar' && spot.text === '')) {
    throw new Problem('bad-yaml', 'the file is empty', { place: { source, span: { start: 0, end: 0 } }, help: SHAPE });
  }
  const [value] = guarded(source, () => constructFromEvents(events, { source: source.text, schema: SCHEMA }));
  const root = pair(value, spot, source);
  if (root.kind !== 'map') {
    throw new Problem('bad-yaml', `a model’s yaml is a mapping of keys, but this is ${describe(root)}`, { place: { source, span: firstLine(source, root.span) }, help: SHAPE });
  }
  return root;
}

const SHAPE = 'A model’s yaml has keys such as nc, backbone and head; backbone and head are lists of [from, repeats, module, args].';

/** What a node is, for messages: `a list`, `text`, `5`. */
export function describe(node: Node): string {
  if (node.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node.kind === 'map') return 'a mapping';
  if (node.kind === 'other') return node.what;
  if (node.value === null) return 'nothing';
  if (typeof node.value !== 'string') return String(node.value);
  return node.value.length > 40 ? 'a text' : `'${node.value}'`;
}

/** The value and its spots have the same form, except under tags such as !!pairs: there the spot of the whole serves. */
function pair(value: unknown, spot: Spot, source: Source): Node {
  const { span } = spot;
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return { kind: 'scalar', span, value };
  if (Array.isArray(value)) {
    const items = spot.kind === 'list' ? spot.items : [];
    return { kind: 'list', span, items: value.map((item: unknown, i) => pair(item, items[i] ?? spot, source)) };
  }
  if (!(value instanceof Map)) return { kind: 'other', span, what: value instanceof Date ? 'a date' : 'a value of an unusual type' };
  const spots = spot.kind === 'map' ? spot.entries : undefined;
  const entries = new Map<string, Entry>();
  for (const [key, item] of value as Map<unknown, unknown>) {
    const name = String(key);
    const at = spots?.get(name);
    if (entries.has(name)) throw new Problem('bad-yaml', `the key ${clip(name)} is given twice`, { place: { source, span: at?.key ?? span }, help: 'Keep one of the two.' });
    entries.set(name, { key: at?.key ?? span, isText: typeof key === 'string', value: pair(item, at?.spot ?? spot, source) });
  }
  return { kind: 'map', span, entries };
}

function guarded<T>(source: Source, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { reason, mark } = error;
    const large = /exceeded|abnormal/.test(reason);
    throw new Problem(large ? 'too-large' : 'bad-yaml', large ? tooMuch(reason) : `this is not valid YAML: ${clip(reason)}`, {
      place: { source, span: within(source.text, mark?.position ?? 0) },
      help: ADVICE.find(([pattern]) => pattern.test(reason))?.[1] ?? 'Check indentation, brackets and quotes here and on the line before.',
      cause: error,
    });
  }
}

const tooMuch = (reason: string): string => (reason.includes('nesting') ? `lists are nested more than ${MAX_DEPTH} deep` : 'merge keys (<<) repeat each other too often');

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/tab characters/, 'Indent with spaces: YAML allows no tabs there.'],
  [/null byte|non-printable/, 'This is not a text file, or not UTF-8. Give the yaml of a model; weights go to --weights.'],
  [/flow collection|deficient indentation/, 'A [, a { or a quote before this place is not closed, or a comma is missing.'],
  [/quoted scalar/, 'A quote is not closed.'],
  [/tag/, 'Remove the tag (the word that begins with !).'],
  [/nesting/, 'Rows of a model are nested four deep.'],
];

/** A span of one character that exists: errors at the end of the text point to its last one. */
function within(text: string, position: number): Span {
  const start = Math.max(0, Math.min(position, text.trimEnd().length - 1));
  return { start, end: start + 1 };
}

function firstLine({ text }: Source, { start, end }: Span): Span {
  const line = text.slice(start, end).search(/\r?\n/);
  return { start, end: line < 0 ? end : start + line };
}
