/** Two tensors that two models give for the same inputs. */
import { boundOf, type Arithmetic, type Division, type Part, type Tolerance } from '../golden-bounds.js';
import type { Tensor } from '../runner.js';

export interface TensorDiff {
  readonly shape: readonly number[];
  /** Largest |a - b|; infinite (null in JSON) where one is NaN or infinite and the other is not the same. */
  readonly maxAbs: number;
  /** maxAbs relative to the largest |a|. */
  readonly maxRel: number;
  /** Of the angle between both, taken as vectors; 1 when both are zero. */
  readonly cosine: number;
  /** Where the difference is largest next to its bound, and that bound. */
  readonly worst: { readonly at: readonly number[]; readonly a: number; readonly b: number; readonly bound: number };
  readonly ok: boolean;
  /** Numbers that are NaN or infinite on each side; absent when there are none. */
  readonly notFinite?: { readonly a: number; readonly b: number };
  /** Places where both are NaN, or the same infinity: these count as equal. */
  readonly sameNotFinite?: number;
}

/** What made the two, and the user's own bound. */
export interface DiffBounds {
  readonly a: Arithmetic;
  readonly b: Arithmetic;
  readonly tolerance: Tolerance;
  /** Relative to the largest |a| though that be small, as within a model; outputs are measured as goldens are, by max(1, max|a|). */
  readonly relative?: boolean;
}

/** Below this a tensor is as good as zero. */
const LEAST = 1e-3;

/** Both sides may be off by a bound of their own. */
function diffBound(part: Part, largest: number, { a, b, tolerance, relative = false }: DiffBounds): number {
  if (tolerance.atol !== undefined || tolerance.rtol !== undefined) return boundOf(part, largest, a, tolerance);
  const [size, scale] = relative ? [1, Math.max(LEAST, largest)] : [largest, 1];
  return scale * (boundOf(part, size, a, tolerance) + boundOf(part, size, b, tolerance));
}

/** Most values of one detection: 4 of the box, classes, mask coefficients, keypoints. */
const MOST_VALUES = 4096;

/**
 * What shares a bound when no golden tells: in [batch, boxes, values] and [batch, values, boxes] each value of its own,
 * because boxes are pixels and scores are below 1; elsewhere the whole tensor.
 */
export function divisionOf(shape: readonly number[]): Division {
  const axis = shape.length === 3 ? (shape[1]! < shape[2]! ? 1 : 2) : -1;
  const count = axis < 0 ? 1 : shape[axis]!;
  const part: Part = { name: '', meaning: 'features', f32Error: 0 };
  if (axis < 0 || count > MOST_VALUES) return WHOLE;
  return { axis, parts: new Array<Part>(count).fill(part), partOf: Array.from({ length: count }, (_, i) => i) };
}

interface Tally {
  maxAbs: number;
  at: number;
  largest: number;
}

/** One bound for a whole tensor. */
export const WHOLE: Division = { axis: -1, parts: [{ name: '', meaning: 'features', f32Error: 0 }], partOf: [0] };

/** Of two tensors of one shape. */
export function tensorDiff(a: Tensor, b: Tensor, bounds: DiffBounds, { axis, parts, partOf }: Division = divisionOf(a.shape)): TensorDiff {
  const tallies = parts.map((): Tally => ({ maxAbs: 0, at: 0, largest: 0 }));
  const inner = a.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const sums = { dot: 0, a: 0, b: 0, lostA: 0, lostB: 0, same: 0 };
  for (let run = 0, i = 0; i < a.data.length; run++) {
    const end = Math.min(i + inner, a.data.length);
    addRun(a.data, b.data, i, end, tallies[partOf[run % partOf.length]!]!, sums);
    i = end;
  }
  const limits = tallies.map(({ largest }, i) => diffBound(parts[i]!, largest, bounds));
  const excess = tallies.map(({ maxAbs }, i) => (maxAbs === 0 ? 0 : maxAbs / Math.max(limits[i]!, Number.MIN_VALUE)));
  const worst = excess.indexOf(Math.max(...excess));
  const at = tallies[worst]?.at ?? 0;
  const maxAbs = Math.max(0, ...tallies.map((tally) => tally.maxAbs));
  const largest = Math.max(0, ...tallies.map((tally) => tally.largest));
  const lengths = Math.sqrt(sums.a) * Math.sqrt(sums.b);
  return {
    shape: a.shape,
    maxAbs,
    maxRel: maxAbs === 0 ? 0 : maxAbs / Math.max(largest, Number.MIN_VALUE),
    cosine: lengths === 0 ? Number(sums.a === sums.b) : Math.min(1, sums.dot / lengths),
    worst: { at: placeOf(at, a.shape), a: a.data[at] ?? 0, b: b.data[at] ?? 0, bound: limits[worst] ?? 0 },
    ok: tallies.every((tally, i) => tally.maxAbs <= limits[i]!),
    ...(sums.lostA + sums.lostB > 0 ? { notFinite: { a: sums.lostA, b: sums.lostB } } : {}),
    ...(sums.same > 0 ? { sameNotFinite: sums.same } : {}),
  };
}

function addRun(a: Float32Array, b: Float32Array, from: number, to: number, part: Tally, sums: { dot: number; a: number; b: number; lostA: number; lostB: number; same: number }): void {
  for (let i = from; i < to; i++) {
    const x = a[i]!;
    const y = b[i]!;
    // A number that is finite gives 0 here.
    const finiteX = x - x === 0;
    const finiteY = y - y === 0;
    if (finiteX && Math.abs(x) > part.largest) part.largest = Math.abs(x);
    if (!finiteX) sums.lostA++;
    if (!finiteY) sums.lostB++;
    const both = finiteX && finiteY;
    const same = !both && Object.is(x, y);
    if (both) {
      sums.dot += x * y;
      sums.a += x * x;
      sums.b += y * y;
    }
    if (same) sums.same++;
    const difference = both ? Math.abs(x - y) : same ? 0 : Infinity;
    if (difference > part.maxAbs) {
      part.maxAbs = difference;
      part.at = i;
    }
  }
}

function placeOf(flat: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    place.unshift(size === 0 ? 0 : rest % size);
    rest = size === 0 ? 0 : Math.floor(rest / size);
  }
  return place;
}
