/** Pickled values as plain data, where they are that: for listings and for yaml. */
import type { Plain } from '../checkpoint.js';
import { Dict, Global, Inert, PySet, field } from '../pickle/values.js';

/** More values than any yaml or training arguments have. */
const MOST = 200_000;
const DEEPEST = 32;

/**
 * Data as it is; an object that stands for data (a namespace, a path) as that; undefined of what has no plain form or is
 * larger than anything of its kind. Keys become text.
 */
export function plain(value: unknown): Plain | undefined {
  return convert(value, 0, { left: MOST });
}

function convert(value: unknown, depth: number, budget: { left: number }): Plain | undefined {
  if (depth > DEEPEST || --budget.left < 0) return undefined;
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return items(value, depth, budget);
  if (value instanceof PySet) return items(value.items, depth, budget);
  if (value instanceof Dict) return entries(value, depth, budget);
  if (value instanceof Inert) return object(value, depth, budget);
  return value instanceof Global ? value.path : undefined;
}

function items(values: readonly unknown[], depth: number, budget: { left: number }): Plain | undefined {
  const converted: Plain[] = [];
  for (const value of values) {
    const item = convert(value, depth + 1, budget);
    if (item === undefined) return undefined;
    converted.push(item);
  }
  return converted;
}

function entries(dict: Dict, depth: number, budget: { left: number }): Plain | undefined {
  const converted: [string, Plain][] = [];
  for (const [key, value] of dict) {
    const item = convert(value, depth + 1, budget);
    // One odd value does not hide the others.
    const name = typeof key === 'string' ? key : JSON.stringify(convert(key, depth + 1, budget) ?? null);
    if (item !== undefined) converted.push([name, item]);
    else if (budget.left < 0) return undefined;
  }
  return Object.fromEntries(converted);
}

/** `pathlib.PosixPath('a', 'b')`, `argparse.Namespace`, Ultralytics' IterableSimpleNamespace. */
function object(value: Inert, depth: number, budget: { left: number }): Plain | undefined {
  if (value.path !== undefined && /^pathlib\.\w*Path$/.test(value.path) && Array.isArray(value.args)) return value.args.map(String).join('/').replace(/^\/\//, '/');
  if (value.path !== undefined && value.path.endsWith('Namespace') && value.attributes) return entries(value.attributes, depth, budget);
  return undefined;
}

/** A member that is text. */
export function textField(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === 'string' ? found : undefined;
}
