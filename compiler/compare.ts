/** Compares an output with what a golden wants, part by part. */
import { boundOf, type Bounds, type Division } from './golden-bounds.js';
import type { Tensor } from './runner.js';

export interface Differences {
  /** Largest |got - wanted|; infinite (null in JSON) when a number is NaN or infinite. */
  readonly maxAbs: number;
  /** maxAbs relative to the largest |wanted|. */
  readonly maxRel: number;
  readonly bound: number;
  readonly ok: boolean;
  /** Where the largest difference is: an index along each axis. */
  readonly worst: readonly number[];
}

export interface PartResult extends Differences {
  readonly name: string;
}

export interface OutputResult extends Differences {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of the angle between both, taken as vectors; 1 when both are zero. */
  readonly cosine: number;
  /** Numbers that are NaN or infinite; absent when there are none. */
  readonly notFinite?: number;
  /** Those of them that are NaN. */
  readonly nan?: number;
  /** Where an output has several bounds: boxes, scores. `bound` above is then that of the worst element's part. */
  readonly parts?: readonly PartResult[];
  /** Why it could not be compared number by number. */
  readonly message?: string;
}

/** A part's running totals. */
interface Tally {
  maxAbs: number;
  at: number;
  largest: number;
}

/** Shapes must agree, else the result fails with a message. `got` of a model whose rows are ordered is matched first (match-rows.ts). */
export function compareOutput(name: string, want: Tensor, got: Tensor, { division, arithmetic, tolerance }: Bounds): OutputResult {
  const base = { name, shape: got.shape };
  if (got.shape.join() !== want.shape.join()) {
    const message = `the shape is [${got.shape.join(', ')}], the golden has [${want.shape.join(', ')}]`;
    return { ...base, maxAbs: Infinity, maxRel: Infinity, cosine: 0, bound: 0, ok: false, worst: [], message };
  }
  const tallies = division.parts.map((): Tally => ({ maxAbs: 0, at: 0, largest: 0 }));
  const { cosine, notFinite, nan } = tally(want, got, division, tallies);
  const parts = division.parts.map((part, i): PartResult => {
    const { maxAbs, at, largest } = tallies[i]!;
    const bound = boundOf(part, largest, arithmetic, tolerance);
    return { name: part.name, maxAbs, maxRel: relative(maxAbs, largest), bound, ok: maxAbs <= bound, worst: unravel(at, want.shape) };
  });
  const worst = parts.reduce((a, b) => (b.maxAbs > a.maxAbs ? b : a));
  return {
    ...base,
    maxAbs: worst.maxAbs,
    maxRel: relative(worst.maxAbs, Math.max(...tallies.map(({ largest }) => largest))),
    cosine,
    bound: worst.bound,
    ok: notFinite === 0 && parts.every(({ ok }) => ok),
    worst: worst.worst,
    ...(notFinite ? { notFinite } : {}),
    ...(nan ? { nan } : {}),
    ...(parts.length > 1 ? { parts } : {}),
  };
}

function tally(want: Tensor, got: Tensor, { axis, partOf }: Division, tallies: readonly Tally[]): { cosine: number; notFinite: number; nan: number } {
  const inner = want.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  let [dot, wantSquares, gotSquares, notFinite, nan] = [0, 0, 0, 0, 0];
  for (let run = 0, i = 0; i < want.data.length; run++) {
    const part = tallies[partOf[run % partOf.length]!]!;
    for (const end = i + inner; i < end; i++) {
      const w = want.data[i]!;
      const g = got.data[i]!;
      const finite = Number.isFinite(g);
      const difference = finite ? Math.abs(g - w) : Infinity;
      if (finite) {
        dot += w * g;
        gotSquares += g * g;
      } else {
        notFinite++;
        if (Number.isNaN(g)) nan++;
      }
      wantSquares += w * w;
      if (Math.abs(w) > part.largest) part.largest = Math.abs(w);
      if (difference > part.maxAbs) {
        part.maxAbs = difference;
        part.at = i;
      }
    }
  }
  const lengths = Math.sqrt(wantSquares) * Math.sqrt(gotSquares);
  return { cosine: lengths === 0 ? Number(wantSquares === gotSquares) : Math.min(1, dot / lengths), notFinite, nan };
}

function relative(maxAbs: number, largest: number): number {
  return maxAbs === 0 ? 0 : maxAbs / Math.max(largest, Number.MIN_VALUE);
}

function unravel(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return [...shape].reverse().map((size) => {
    const index = rest % size;
    rest = Math.floor(rest / size);
    return index;
  }).reverse();
}
