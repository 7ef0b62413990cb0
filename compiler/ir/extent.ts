/**
 * Sizes that may be known only at run time. An extent is a number, or a symbol that stands for a polynomial with
 * integer coefficients over the model's input sizes and over floor divisions, minima and maxima of such. Symbols
 * are interned by canonical form: two extents are equal exactly when `===` says so, and TypeScript refuses
 * arithmetic and comparison on them. Input sizes are at least 1.
 */
import { Problem, internal } from '../errors.js';

export type Extent = number | symbol;
export type Shape = readonly Extent[];

export type Atom =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'floorDiv' | 'min' | 'max'; readonly a: Extent; readonly b: Extent };

/** coefficient × product of atoms; atoms sorted by id, repeated for powers. */
interface Term {
  readonly coefficient: number;
  readonly atoms: readonly number[];
}
type Sum = readonly Term[];

const atoms: Atom[] = [];
const atomIds = new Map<string, number>();
const symbols = new Map<string, symbol>();
const sums = new Map<symbol, Sum>();

/** An input size, such as `batch`, `height` or `height/32` (then the input is 32 of them). */
export function input(name: string): symbol {
  return atomSymbol({ kind: 'input', name }, name);
}

function atomSymbol(atom: Atom, text: string): symbol {
  let id = atomIds.get(text);
  if (id === undefined) {
    id = atoms.push(atom) - 1;
    atomIds.set(text, id);
  }
  return intern([{ coefficient: 1, atoms: [id] }]) as symbol;
}

function intern(sum: Sum): Extent {
  if (sum.length === 0) return 0;
  if (sum.length === 1 && sum[0]!.atoms.length === 0) return sum[0]!.coefficient;
  const text = sum.map(showTerm).join(' + ').replaceAll('+ -', '- ');
  let symbol = symbols.get(text);
  if (symbol === undefined) {
    symbol = Symbol(text);
    symbols.set(text, symbol);
    sums.set(symbol, sum);
  }
  return symbol;
}

function showTerm({ coefficient, atoms: ids }: Term): string {
  const names = ids.map((id) => showAtom(atoms[id]!));
  if (names.length === 0) return String(coefficient);
  return coefficient === 1 ? names.join('*') : `${coefficient}*${names.join('*')}`;
}

function showAtom(atom: Atom): string {
  return atom.kind === 'input' ? atom.name : `${atom.kind}(${show(atom.a)}, ${show(atom.b)})`;
}

/** The text of an extent. `JSON.stringify` would lose symbols. */
export function show(extent: Extent): string {
  return typeof extent === 'number' ? String(extent) : extent.description!;
}

export const showShape = (shape: Shape): string => `[${shape.map(show).join(', ')}]`;

function sumOf(extent: Extent): Sum {
  if (typeof extent === 'number') return extent === 0 ? [] : [{ coefficient: extent, atoms: [] }];
  const sum = sums.get(extent);
  if (!sum) throw internal(`foreign symbol ${String(extent)} used as an extent`);
  return sum;
}

function collect(terms: readonly Term[]): Extent {
  const byAtoms = new Map<string, Term>();
  for (const term of terms) {
    const key = term.atoms.join(',');
    const known = byAtoms.get(key);
    byAtoms.set(key, known ? { coefficient: known.coefficient + term.coefficient, atoms: term.atoms } : term);
  }
  const sum = [...byAtoms.entries()]
    .filter(([, term]) => term.coefficient !== 0)
    .sort(([a, x], [b, y]) => y.atoms.length - x.atoms.length || (a < b ? -1 : 1))
    .map(([, term]) => term);
  return intern(sum);
}

export function add(a: number, b: number): number;
export function add(a: Extent, b: Extent): Extent;
export function add(a: Extent, b: Extent): Extent {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return collect([...sumOf(a), ...sumOf(b)]);
}

export function sub(a: number, b: number): number;
export function sub(a: Extent, b: Extent): Extent;
export function sub(a: Extent, b: Extent): Extent {
  return add(a, mul(b, -1));
}

export function mul(a: number, b: number): number;
export function mul(a: Extent, b: Extent): Extent;
export function mul(a: Extent, b: Extent): Extent {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const right = sumOf(b);
  return collect(
    sumOf(a).flatMap((x) =>
      right.map((y) => ({ coefficient: x.coefficient * y.coefficient, atoms: [...x.atoms, ...y.atoms].sort((i, j) => i - j) })),
    ),
  );
}

export const product = (extents: readonly Extent[]): Extent => extents.reduce((a, b) => mul(a, b), 1);
export const total = (extents: readonly Extent[]): Extent => extents.reduce((a, b) => add(a, b), 0);

export const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Floor of a / b. What b divides leaves the division; the rest becomes one atom. */
export function floorDiv(a: number, b: number): number;
export function floorDiv(a: Extent, b: Extent): Extent;
export function floorDiv(a: Extent, b: Extent): Extent {
  if (b === 0) throw new Problem('bad-shape', `${show(a)} is divided by 0`);
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  if (a === b) return 1;
  const divisor = sumOf(b);
  const exact: Term[] = [];
  const rest: Term[] = [];
  for (const term of sumOf(a)) {
    const quotient = divisor.length === 1 ? divideTerm(term, divisor[0]!) : undefined;
    if (quotient) exact.push(quotient);
    else rest.push(term);
  }
  const whole = collect(exact);
  if (rest.length === 0) return whole;
  const remainder = collect(rest);
  const left =
    typeof remainder === 'number' && typeof b === 'number'
      ? Math.floor(remainder / b)
      : atomSymbol({ kind: 'floorDiv', a: remainder, b }, `floorDiv(${show(remainder)}, ${show(b)})`);
  return add(whole, left);
}

function divideTerm(term: Term, by: Term): Term | undefined {
  if (term.coefficient % by.coefficient !== 0) return undefined;
  const left = [...term.atoms];
  for (const atom of by.atoms) {
    const at = left.indexOf(atom);
    if (at < 0) return undefined;
    left.splice(at, 1);
  }
  return { coefficient: term.coefficient / by.coefficient, atoms: left };
}

export function min(a: number, b: number): number;
export function min(a: Extent, b: Extent): Extent;
export function min(a: Extent, b: Extent): Extent {
  return extremum('min', a, b);
}

export function max(a: number, b: number): number;
export function max(a: Extent, b: Extent): Extent;
export function max(a: Extent, b: Extent): Extent {
  return extremum('max', a, b);
}

function extremum(kind: 'min' | 'max', a: Extent, b: Extent): Extent {
  const difference = sub(a, b);
  if (typeof difference === 'number') return difference < 0 === (kind === 'min') ? a : b;
  const [first, second] = show(a) < show(b) ? [a, b] : [b, a];
  return atomSymbol({ kind, a: first, b: second }, `${kind}(${show(first)}, ${show(second)})`);
}

/** a / b, which must be the same number whatever the input sizes are. */
export function ratio(a: Extent, b: Extent): number {
  if (typeof a === 'number' && typeof b === 'number') return a / b;
  const [top, bottom] = [sumOf(a), sumOf(b)];
  const value = (top[0]?.coefficient ?? 0) / (bottom[0]?.coefficient ?? 0);
  const same =
    top.length === bottom.length &&
    top.every((term, i) => term.atoms.join() === bottom[i]!.atoms.join() && term.coefficient === value * bottom[i]!.coefficient);
  if (!same) throw new Problem('bad-shape', `the ratio of ${show(a)} to ${show(b)} depends on the input size`);
  return value;
}

export const isStatic = (shape: Shape): shape is readonly number[] => shape.every((extent) => typeof extent === 'number');

/** A size that must be known when compiling. */
export function known(extent: Extent, what: string): number {
  if (typeof extent === 'number') return extent;
  throw new Problem('bad-shape', `${what} must be known when compiling, but it is ${show(extent)}`);
}

/** The terms of an extent, for emitting run-time arithmetic. */
export function termsOf(extent: Extent): readonly { readonly coefficient: number; readonly atoms: readonly Atom[] }[] {
  return sumOf(extent).map(({ coefficient, atoms: ids }) => ({ coefficient, atoms: ids.map((id) => atoms[id]!) }));
}

/** The atom of an extent that is a number times one atom, so that the atom's size can be told from it. */
export function singleAtom(extent: Extent): Atom | undefined {
  const terms = termsOf(extent);
  return terms.length === 1 && terms[0]!.atoms.length === 1 ? terms[0]!.atoms[0] : undefined;
}

/** The value of an extent for given input sizes. */
export function evaluate(extent: Extent, sizes: Readonly<Record<string, number>>): number {
  if (typeof extent === 'number') return extent;
  const value = (atom: Atom): number => {
    if (atom.kind === 'input') {
      const size = sizes[atom.name];
      if (size === undefined) throw internal(`no value for the size ${atom.name}`);
      return size;
    }
    const [a, b] = [evaluate(atom.a, sizes), evaluate(atom.b, sizes)];
    return atom.kind === 'min' ? Math.min(a, b) : atom.kind === 'max' ? Math.max(a, b) : Math.floor(a / b);
  };
  return termsOf(extent).reduce((sum, term) => sum + term.coefficient * term.atoms.reduce((p, atom) => p * value(atom), 1), 0);
}
