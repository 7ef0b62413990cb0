/** The rows `[from, repeats, module, args]` of backbone and head → layers. */
import { Problem, type Span } from '../errors.js';
import type { Family, Layer, Literal } from '../ir/network.js';
import { describe, type ListNode, type Node } from './document.js';
import { NC_HELP } from './keys.js';
import { START, literalOf, meant, missingKey, problemAt, type Context } from './values.js';

const MAX_LAYERS = 20_000;
const MAX_REPEATS = 1000;
const MAX_INDEX = 100_000;

const ROW_HELP = 'A row is [from, repeats, module, args], such as [-1, 1, Conv, [64, 3, 2]].';

export interface RowOptions {
  /** Other names for modules: a row that names the key is taken for one of the value. */
  readonly aliases?: Readonly<Record<string, string>>;
}

interface RowContext extends Context, Required<RowOptions> {
  readonly family: Family;
  readonly keys: Readonly<Record<string, Literal>>;
}

export function readLayers(context: RowContext): Layer[] {
  const rows = [...readRows(context, 'backbone'), ...readRows(context, 'head')];
  if (rows.length === 0) throw problemAt(context, 'bad-yaml', context.root.entries.get('backbone')?.key ?? START, 'the model has no layers', ROW_HELP);
  if (rows.length > MAX_LAYERS) {
    throw problemAt(context, 'too-large', rows[MAX_LAYERS]!.span, `the model has ${rows.length} rows; at most ${MAX_LAYERS} are read`, 'Use repeats for copies of a module.');
  }
  return rows.map((row, index) => readLayer(context, row, index));
}

function readRows(context: Context, name: 'backbone' | 'head'): readonly Node[] {
  const entry = context.root.entries.get(name);
  if (!entry) throw missingKey(context, name, `Add ${name}: with rows such as - [-1, 1, Conv, [64, 3, 2]].`);
  const { value, key } = entry;
  if (value.kind !== 'list') throw problemAt(context, 'bad-yaml', value.kind === 'map' ? key : value.span, `${name} must be a list of rows, got ${describe(value)}`, ROW_HELP);
  return value.items;
}

function readLayer(context: RowContext, row: Node, index: number): Layer {
  if (row.kind !== 'list') throw problemAt(context, 'bad-yaml', row.span, `layer ${index} must be a row, got ${describe(row)}`, ROW_HELP);
  if (row.items.length !== 4) throw wrongLength(context, row, index);
  const [from, repeats, module, args] = row.items as [Node, Node, Node, Node];
  if (module.kind !== 'scalar' || typeof module.value !== 'string' || module.value === '') {
    throw problemAt(context, 'unknown-module', module.span, `the module of layer ${index} must be a name, got ${describe(module)}`, ROW_HELP);
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(module.value)) throw problemAt(context, 'unknown-module', module.span, `the module name of layer ${index} has control characters in it`, ROW_HELP);
  if (module.value.length > 100) throw problemAt(context, 'unknown-module', module.span, `the module name of layer ${index} is too long`, ROW_HELP);
  const { aliases } = context;
  const name = Object.hasOwn(aliases, module.value) ? aliases[module.value]! : module.value;
  const place: Where = { context, index, module: name };
  const listed = readArgs(place, args);
  return {
    index,
    from: readFrom(place, from),
    fromList: from.kind === 'list',
    repeats: readRepeats(place, repeats),
    module: name,
    args: listed.map((arg) => readArg(place, arg)),
    spans: { row: row.span, from: from.span, repeats: repeats.span, module: module.span, args: args.span, each: listed.map(({ span }) => span) },
  };
}

interface Where {
  readonly context: RowContext;
  readonly index: number;
  readonly module: string;
}

function wrong({ context: { source }, index, module }: Where, code: Problem['code'], span: Span, message: string, help: string): Problem {
  return new Problem(code, message, { place: { source, span, layer: { index, module } }, help });
}

function wrongLength(context: Context, row: ListNode, index: number): Problem {
  const { length } = row.items;
  const [, , third, fourth] = row.items;
  const module = third?.kind === 'scalar' && typeof third.value === 'string' ? third.value : undefined;
  const hint = length === 3 && module !== undefined ? ` Without arguments, write [-1, 1, ${module}, []].` : fourth && fourth.kind !== 'list' && length > 4 ? ' The arguments stand in brackets of their own.' : '';
  const place = { source: context.source, span: row.span, ...(module === undefined ? {} : { layer: { index, module } }) };
  return new Problem('bad-yaml', `layer ${index} must be a row of 4 values, got ${length}`, { place, help: ROW_HELP + hint });
}

function readFrom(where: Where, node: Node): number[] {
  const nodes = node.kind === 'list' ? node.items : [node];
  if (nodes.length === 0) throw wrong(where, 'bad-from', node.span, 'from names no layer', 'Give at least one: -1 is the layer before.');
  return nodes.map((item) => {
    const value = item.kind === 'scalar' ? item.value : undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw wrong(where, 'bad-from', item.span, `from must be an integer or a list of integers, got ${describe(item)}`, '-1 is the layer before, [-1, 6] that and layer 6.');
    }
    if (Math.abs(value) > MAX_INDEX) throw wrong(where, 'bad-from', item.span, `there is no layer ${value}`, '-1 is the layer before; other numbers are indices of rows, from 0.');
    return value === 0 ? 0 : value;
  });
}

function readRepeats(where: Where, node: Node): number {
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
    throw wrong(where, 'bad-repeats', node.span, `repeats must be an integer of at least 1, got ${describe(node)}`, 'It is the second value of the row: 1 for a module alone.');
  }
  if (value > MAX_REPEATS) throw wrong(where, 'bad-repeats', node.span, `repeats must be at most ${MAX_REPEATS}, got ${value}`, 'The depth multiple still scales it.');
  return value;
}

function readArgs(where: Where, node: Node): readonly Node[] {
  if (node.kind === 'list') return node.items;
  const written = node.kind === 'scalar' && node.value !== null ? String(node.value).slice(0, 40) : '';
  throw wrong(where, 'bad-argument', node.span, `the arguments must be a list, got ${describe(node)}`, `Write [-1, 1, ${where.module}, [${written}]].`);
}

/** A string is the value of the key that it names, else a Python literal, else itself. */
function readArg(where: Where, node: Node): Literal {
  const value = literalOf(node);
  if (value === undefined) throw wrong(where, 'bad-argument', node.span, `an argument cannot be ${describe(node)}`, 'Arguments are numbers, True, False, None, text and lists of these.');
  const name = node.kind === 'scalar' ? node.value : undefined;
  if (typeof name !== 'string') return value;
  const { keys, family } = where.context;
  if (Object.hasOwn(keys, name)) return keys[name]!;
  if (name === 'nc') throw missing(where, node, name, NC_HELP);
  if (name === 'anchors' && family !== 'yolov5') {
    throw missing(where, node, name, 'Add anchors: (one row [w, h, w, h, …] for every level) for a YOLOv5 head; an Ultralytics head has none.');
  }
  return value;
}

const missing = (where: Where, node: Node, name: string, help: string): Problem =>
  wrong(where, 'missing-key', node.span, `the yaml has no key ${name}`, meant(where.context, name, help));
