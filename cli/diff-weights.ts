/** The weights of a diff. */
import { quoted } from '../compiler/errors.js';
import type { OneWeight, WeightsDiff } from '../compiler/inspect/diff-weights.js';
import { figure, type TableOf } from './table.js';

/** float32 folds a BatchNorm to within this: such differences are counted, not listed. */
const ROUNDING = 1e-6;
const LISTED = 10;
const NAMED = 4;

export function weightLines({ a, b, equal, rounded, renamed, different, reshaped, onlyA, onlyB, unread }: WeightsDiff, table: TableOf): string[] {
  const folded = foldedIn(onlyA, onlyB);
  const listed = folded ? 0 : LISTED;
  const far = different.filter(({ maxRel }) => !(maxRel <= ROUNDING));
  const close = different.length - far.length;
  const [first] = renamed;
  const rows = far.slice(0, listed).map(({ name, inB, layer, shape, maxAbs, maxRel }) => [quoted(inB === undefined ? name : `${name} / ${inB}`), (layer ?? '').replace(/^model\./, ''), `[${shape.join(', ')}]`, figure(maxAbs), figure(maxRel)]);
  return [
    `weights: ${a === b ? `${equal} of ${a} equal` : `${equal} equal, of ${a} in a and ${b} in b`}${rounded > 0 ? ` (${rounded} up to the rounding of their type)` : ''}`,
    ...(close > 0 ? [`  ${close} differ by no more than ${figure(ROUNDING)} of their largest number`] : []),
    ...(far.length === 0 ? [] : folded ? [`  ${far.length} differ: BatchNorms are folded into the weights of ${folded}, and stand by themselves in ${folded === 'a' ? 'b' : 'a'}`] : [`  ${far.length} differ:`, table(['weight', 'layer', 'shape', 'max abs', 'max rel'], rows, 3)]),
    ...(!folded && far.length > listed ? [`  and ${far.length - listed} more (--json lists all)`] : []),
    ...(first ? [`  ${renamed.length} under another name in b, such as ${quoted(first.a)}, there ${quoted(first.b)}`] : []),
    ...reshaped.slice(0, NAMED).map((each) => `  ${quoted(each.name)} is [${each.a.join(', ')}] in a, [${each.b.join(', ')}] in b`),
    ...(reshaped.length > NAMED ? [`  and ${reshaped.length - NAMED} more of other shapes`] : []),
    ...only('a', onlyA),
    ...only('b', onlyB),
    ...unread.slice(0, NAMED).map(({ name, reason }) => `  ${quoted(name)} is not compared: ${reason}`),
  ];
}

function only(side: string, weights: readonly OneWeight[]): string[] {
  if (weights.length === 0) return [];
  const names = weights.slice(0, NAMED).map(({ name, shape }) => `${quoted(name)} [${shape.join(', ')}]`).join(', ');
  return [`  ${weights.length} only in ${side}: ${names}${weights.length > NAMED ? ', …' : ''}`];
}

/** The side into whose weights BatchNorms were folded, if it is one of both: its weights are other numbers, and mean the same. */
function foldedIn(onlyA: readonly OneWeight[], onlyB: readonly OneWeight[]): 'a' | 'b' | undefined {
  const [a, b] = [onlyA, onlyB].map((weights) => weights.some(({ name }) => /running_var|running_mean/.test(name)));
  return a === b ? undefined : a ? 'b' : 'a';
}
