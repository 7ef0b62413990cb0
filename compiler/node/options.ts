/** Options as JavaScript callers may give them: what the types say is checked, since nothing else does it there. */
import { inspect } from 'node:util';
import { Problem } from '../errors.js';
import type { CompileOptions } from './compile.js';
import type { WeightsOptions } from './list-weights.js';

const wrong = (name: string, expected: string, value: unknown): Problem =>
  new Problem('bad-option', `${name} must be ${expected}, got ${inspect(value, { depth: 1, breakLength: Infinity }).slice(0, 80)}`);

const isString = (value: unknown): boolean => typeof value === 'string';
const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const oneOf = (words: readonly unknown[]) => (value: unknown): boolean => words.includes(value);

/** Option, what it must be, and the test of it. Numbers that have a range are checked where the range is known. */
type Rule<Name extends string> = readonly [Name, string, (value: unknown) => boolean];

const rules: readonly Rule<keyof CompileOptions>[] = [
  ['model', 'a path, or { file, text }', (value) => isString(value) || (isRecord(value) && isString(value.file) && isString(value.text))],
  ['module', '{ module, args, inputs }', (value) => isRecord(value) && isString(value.module) && (isString(value.args) || Array.isArray(value.args)) && Array.isArray(value.inputs) && value.inputs.every(Array.isArray)],
  ['output', 'a path', isString],
  ['weights', 'a path', isString],
  ['keyMap', "a list of rules 'old=new'", isStrings],
  ['aliases', 'module names by name', (value) => isRecord(value) && Object.values(value).every(isString)],
  ['scale', 'a name', isString],
  ['imgsz', 'a number or [height, width]', (value) => Array.isArray(value) && value.length === 2],
  ['names', 'a list of names', isStrings],
  ['verify', 'a list of paths', isStrings],
  ['passes', 'a list of names', isStrings],
  ['target', 'a name, a path or a target', (value) => isString(value) || isRecord(value)],
  ['dynamic', "'none', 'batch' or 'all'", oneOf(['none', 'batch', 'all'])],
  ['customOps', "{ form: 'inline', 'function' or 'opaque', domain, names }", isCustomOps],
  ['half', "'none', 'compute' or 'io'", oneOf(['none', 'compute', 'io'])],
  ['externalData', "'auto' or 'always'", oneOf(['auto', 'always'])],
  ['report', 'a path', isString],
  ['requireProvider', 'true or false', (value) => typeof value === 'boolean'],
  ['limits', '{ seconds, bytes }, numbers above 0', (value) => isRecord(value) && [value.seconds ?? 1, value.bytes ?? 1].every((limit) => typeof limit === 'number' && limit > 0)],
  ['provider', "'auto', 'cuda', 'cpu' or 'webgpu'", oneOf(['auto', 'cuda', 'cpu', 'webgpu'])],
];

function isCustomOps(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { form = 'inline', domain = '', names = {} } = value;
  return oneOf(['inline', 'function', 'opaque'])(form) && isString(domain) && isRecord(names) && Object.values(names).every(isString);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The options, or Problem('bad-option') for the first that is not what it must be. */
export const checkOptions = <O extends Partial<CompileOptions>>(options: O): O => checked(options, rules);

const listing: readonly Rule<keyof WeightsOptions>[] = [
  ['file', 'a path', isString],
  ['keyMap', "a list of rules 'old=new'", isStrings],
  ['to', 'a path', isString],
];

/** The same for `listWeights`. */
export function checkListing(options: WeightsOptions): WeightsOptions {
  const { file } = checked(options, listing) as Partial<WeightsOptions>;
  if (file === undefined) throw wrong('file', 'a path', file);
  return options;
}

function checked<O extends object>(options: O, all: readonly Rule<string>[]): O {
  if (!isRecord(options)) throw wrong('options', 'an object', options);
  for (const [name, expected, test] of all) {
    const value: unknown = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined && !test(value)) throw wrong(name, expected, value);
  }
  return options;
}
