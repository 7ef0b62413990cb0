/** How deep values lie in each other. Whoever walks a value that was checked may recurse. */
import { Dict, Inert, PySet } from './values.js';

/** Containers in containers; a model's modules nest some fifty deep. */
const DEEPEST = 1000;

/** Not recursive itself; each value is entered once. */
export function checkNesting(root: unknown, fail: (what: string) => never): void {
  const entered = new Set<unknown>([root]);
  const open: [value: unknown, depth: number][] = [[root, 0]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next;
    if (depth > DEEPEST) fail(`its values are nested more than ${DEEPEST} deep`);
    for (const inner of partsOf(value)) {
      if (typeof inner !== 'object' || inner === null || entered.has(inner)) continue;
      entered.add(inner);
      open.push([inner, depth + 1]);
    }
  }
}

function partsOf(value: unknown): Iterable<unknown> {
  if (Array.isArray(value)) return value as unknown[];
  if (value instanceof PySet) return value.items;
  if (value instanceof Dict) return keysAndValues(value);
  return value instanceof Inert ? [value.callee, value.args, value.state] : [];
}

function* keysAndValues(dict: Dict): Iterable<unknown> {
  for (const [key, value] of dict) {
    yield key;
    yield value;
  }
}
