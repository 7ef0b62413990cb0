/** What a runtime wants of a file: data, not code. `passes/targets` holds those that come with the compiler; a user's own is a file of the same form. */
import { Problem, nearest } from './errors.js';
import type { Dynamic, GraphOptions } from './compile.js';
import { hasExpansion } from './onnx/expansions.js';
import { isOpName, type OpName } from './onnx/operators/index.js';
import { graphPasses } from '../passes/index.js';

export interface Target {
  readonly name: string;
  /** One sentence: which runtime, in which versions. */
  readonly doc: string;
  /** What is written unless the user names another. */
  readonly opset: number;
  /** The least and the most that it accepts. */
  readonly opsets: readonly [least: number, most: number];
  /** The most that it reads. */
  readonly irVersion: number;
  /** Which sizes stay open unless the user says so. */
  readonly dynamic: Dynamic;
  /** Operators that are written with others, whatever the opset has. */
  readonly lacks: readonly OpName[];
  /** Passes by name that it wants (true) or does not want (false), where that is not the default. */
  readonly rewrites: Readonly<Record<string, boolean>>;
  /** What its users should know. */
  readonly notes: readonly string[];
  /** Where each fact is from. */
  readonly sources: readonly { readonly fact: string; readonly source: string; readonly url: string }[];
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string' && value !== '';
const isInteger: Check = Number.isInteger;
const isList = (item: Check): Check => (value) => Array.isArray(value) && value.every(item);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isSource: Check = (value) => isRecord(value) && ['fact', 'source', 'url'].every((key) => isText(value[key]));

const fields: { readonly [F in keyof Target]: readonly [expected: string, check: Check] } = {
  name: ['a name', isText],
  doc: ['a sentence', isText],
  opset: ['an integer', isInteger],
  opsets: ['[least, most]', (value) => isList(isInteger)(value) && (value as readonly number[]).length === 2],
  irVersion: ['an integer', isInteger],
  dynamic: ["'none', 'batch' or 'all'", (value) => ['none', 'batch', 'all'].includes(value as string)],
  lacks: ['a list of operators that can be written with others', isList((value) => typeof value === 'string' && isOpName(value) && hasExpansion(value))],
  rewrites: ['true or false by the name of a pass that is not required', (value) => isRecord(value) && Object.entries(value).every(([name, wanted]) => typeof wanted === 'boolean' && graphPasses.some((pass) => pass.name === name && !pass.required))],
  notes: ['a list of sentences', isList(isText)],
  sources: ['a list of { fact, source, url }', isList(isSource)],
};

/** Throws Problem('bad-target') for what is no target. */
export function checkTarget(value: unknown, file: string): Target {
  if (!isRecord(value)) throw new Problem('bad-target', `${file} is not a target: an object is expected`, { help: HELP });
  for (const [field, [expected, check]] of Object.entries(fields)) {
    if (!check(value[field])) throw new Problem('bad-target', `${file}: ${field} must be ${expected}, got ${value[field] === undefined ? 'nothing' : JSON.stringify(value[field])}`.slice(0, 300), { help: HELP });
  }
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(fields, key)) continue;
    const near = nearest(key, Object.keys(fields));
    throw new Problem('bad-target', `${file} has the field ${key}, which targets do not have`.slice(0, 300), { help: near.length > 0 ? `Did you mean ${near[0]!}?` : HELP });
  }
  return value as unknown as Target;
}

const HELP = '`yolonnx targets ort --json` prints one as an example.';

/** Throws Problem('bad-target'). */
export function readTarget(text: string, file: string): Target {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem('bad-target', `${file} is not JSON: ${(error as Error).message}`.slice(0, 300), { help: HELP, cause: error });
  }
  return checkTarget(value, file);
}

/** Options in which the target speaks where the user is silent. */
export function forTarget<O extends Pick<GraphOptions, 'target' | 'opset' | 'dynamic' | 'warn'>>(options: O): O {
  const { target, opset, dynamic, warn } = options;
  if (!target) return options;
  const [least, most] = target.opsets;
  if (opset !== undefined && (opset < least || opset > most)) {
    warn?.(new Problem('bad-target', `${target.name} accepts opsets ${least} to ${most}, not ${opset}`, { help: `Leave --opset out for ${target.opset}.` }));
  }
  return { ...options, opset: opset ?? target.opset, dynamic: dynamic ?? target.dynamic };
}
