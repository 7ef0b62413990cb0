/** Top-level keys other than rows and scales: nc, names, anchors, ch, activation, and what arguments may name. */
import { findActivation } from '../activations.js';
import { Problem, located } from '../errors.js';
import type { Family, Literal } from '../ir/network.js';
import { describe, type Node } from './document.js';
import { clip } from './spots.js';
import { keyOf, literalOf, missingKey, positiveInteger, problemAt, written, type Context } from './values.js';

const MAX_CLASSES = 65_536;
const MAX_CHANNELS = 65_536;

export interface KeyOptions {
  readonly nc?: number;
  readonly names?: readonly string[];
  readonly inputChannels?: number;
  readonly fallback?: { readonly names?: readonly string[] };
}

export interface Keys {
  readonly nc: number;
  readonly inputChannels: number;
  readonly names?: readonly string[];
  readonly activation?: string;
  readonly keys: Readonly<Record<string, Literal>>;
}

/** `anchors:` makes it YOLOv5: Ultralytics' heads have none. */
export function familyOf(context: Context): Family {
  return context.root.entries.has('anchors') ? 'yolov5' : 'ultralytics';
}

export function readKeys(context: Context, family: Family, options: KeyOptions): Keys {
  const stray = [...context.root.entries].find(([, { isText }]) => !isText);
  if (stray) throw problemAt(context, 'bad-yaml', stray[1].key, `a key must be text, got ${clip(stray[0])}`, 'Quote it, or remove the line.');
  if (family === 'yolov5') checkAnchors(context);
  checkOption('nc', options.nc, MAX_CLASSES);
  checkOption('inputChannels', options.inputChannels, MAX_CHANNELS);
  const nc = readClasses(context, family, options.nc);
  const channels = keyOf(context, 'ch', 'channels');
  const inputChannels = options.inputChannels ?? (channels ? positiveInteger(context, 'ch', channels, MAX_CHANNELS, 'The image’s channels: 3 for RGB.') : 3);
  const names = readNames(context, nc, options);
  const activation = readActivation(context);
  warnOfEnd2end(context);
  const bins = keyOf(context, 'reg_max');
  if (bins) positiveInteger(context, 'reg_max', bins, 1024, 'Leave it out for 16.');
  return {
    nc: nc ?? 80,
    inputChannels,
    keys: nameable(context, nc),
    ...(names ? { names } : {}),
    ...(activation === undefined ? {} : { activation }),
  };
}

/** The package builds a second, one-to-one branch for it; outside its exporter the model gives the first one's boxes. */
function warnOfEnd2end(context: Context): void {
  const node = keyOf(context, 'end2end');
  if (!node || literalOf(node) !== true) return;
  context.warn(problemAt(context, 'bad-argument', node.span, 'end2end is not compiled: the output is that of the one-to-many branch', 'Boxes overlap as without end2end: run NMS on them, and leave the key out.'));
}

function checkOption(name: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= max)) return;
  throw new Problem('bad-option', `${name} must be an integer from 1 to ${max}, got ${value}`);
}

/** undefined where an Ultralytics yaml gives none: only rows that name nc need it. */
function readClasses(context: Context, family: Family, asked: number | undefined): number | undefined {
  if (asked !== undefined) return asked;
  const node = keyOf(context, 'nc');
  if (node) return positiveInteger(context, 'nc', node, MAX_CLASSES, 'nc is the number of classes.');
  if (family === 'yolov5') throw missingKey(context, 'nc', NC_HELP);
  return undefined;
}

export const NC_HELP = 'Add `nc: 80` (the number of classes), or give it with --nc.';

function readNames(context: Context, nc: number | undefined, options: KeyOptions): readonly string[] | undefined {
  if (options.names) {
    if (options.names.length !== (nc ?? 80)) {
      throw new Problem('bad-option', `${options.names.length} names are given for ${nc ?? 80} classes`, { help: `Give one name per class, or --nc ${options.names.length}.` });
    }
    return options.names;
  }
  const node = keyOf(context, 'names');
  const known = options.fallback?.names;
  if (!node) return known?.length === (nc ?? 80) ? known : undefined;
  const items = node.kind === 'list' ? node.items : node.kind === 'map' ? [...node.entries.values()].map(({ value }) => value) : undefined;
  if (!items) throw problemAt(context, 'bad-argument', node.span, `names must be a list of class names, got ${describe(node)}`, 'Write names: [person, car].');
  if (items.length !== nc) {
    context.warn(problemAt(context, 'bad-argument', context.root.entries.get('names')?.key ?? node.span, `${items.length} names for ${nc ?? 80} classes: the names are left out`, 'Give one name per class.'));
    return undefined;
  }
  return items.map((item) => nameOf(context, item));
}

function nameOf(context: Context, node: Node): string {
  if (node.kind === 'scalar' && node.value !== null) return String(node.value);
  throw problemAt(context, 'bad-argument', node.span, `a class name must be text, got ${describe(node)}`, 'Quote it.');
}

function readActivation(context: Context): string | undefined {
  const node = keyOf(context, 'activation');
  if (!node) return undefined;
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    throw problemAt(context, 'bad-argument', node.span, `activation must be such as nn.ReLU(), got ${written(context, node)}`, 'Leave the key out for SiLU.');
  }
  const expression = node.value.trim();
  if (expression === '') return undefined;
  try {
    findActivation(expression);
  } catch (error) {
    throw located(error, { source: context.source, span: node.span });
  }
  return expression;
}

const ANCHORS_HELP = 'Write one row [w, h, w, h, …] in pixels for every level of the head, all of the same length, or the number of anchors.';

function checkAnchors(context: Context): void {
  const { value: node } = context.root.entries.get('anchors')!;
  const anchors = literalOf(node);
  if (typeof anchors === 'number' && Number.isInteger(anchors) && anchors >= 1 && anchors <= 1024) return;
  if (node.kind !== 'list' || node.items.length === 0) {
    throw problemAt(context, 'bad-argument', node.span, `anchors must be a list of rows or a number, got ${describe(node)}`, ANCHORS_HELP);
  }
  const first = node.items[0]!;
  const length = first.kind === 'list' ? first.items.length : 0;
  for (const row of node.items) {
    const values = literalOf(row);
    const good = Array.isArray(values) && values.length > 0 && values.every((size) => typeof size === 'number' && Number.isFinite(size) && size > 0);
    if (!good) throw problemAt(context, 'bad-argument', row.span, `a row of anchors must hold sizes above 0, got ${written(context, row)}`, ANCHORS_HELP);
    if (values.length % 2 !== 0) throw problemAt(context, 'bad-argument', row.span, `a row of anchors must hold pairs of width and height, got ${values.length} numbers`, ANCHORS_HELP);
    if (values.length !== length) throw problemAt(context, 'bad-argument', row.span, `this row holds ${values.length} numbers, the first ${length}`, ANCHORS_HELP);
  }
}

/** Scalars and lists that a row may name; a class count given as an option replaces the yaml's. */
function nameable({ root }: Context, nc: number | undefined): Readonly<Record<string, Literal>> {
  const keys: [string, Literal][] = [];
  for (const [name, { value }] of root.entries) {
    const literal = name === 'backbone' || name === 'head' ? undefined : literalOf(value);
    if (literal !== undefined && name !== 'nc') keys.push([name, literal]);
  }
  // fromEntries defines own properties, `__proto__` included.
  return Object.fromEntries(nc === undefined ? keys : [...keys, ['nc', nc]]);
}
