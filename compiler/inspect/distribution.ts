/** How the differences of an output are distributed, and where the worst are. */
import { boundOf } from '../golden-bounds.js';
import type { Element, Histogram } from '../report.js';
import type { Pair } from '../verify.js';

const PER_DECADE = 4;
/** Differences below this share the lowest bin. */
const LEAST = 1e-12;
const SHOWN = 20;

/** Both empty where the shapes differ: nothing can be compared then. */
export function distribution({ want, got, bounds: { division, arithmetic, tolerance } }: Pair): { readonly histograms: readonly Histogram[]; readonly worstElements: readonly Element[] } {
  if (want.shape.join() !== got.shape.join()) return { histograms: [], worstElements: [] };
  const { axis, parts, partOf } = division;
  const inner = want.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const partAt = (i: number): number => partOf[Math.floor(i / inner) % partOf.length]!;
  const largest = parts.map(() => 0);
  want.data.forEach((value, i) => {
    const part = partAt(i);
    largest[part] = Math.max(largest[part]!, Math.abs(value));
  });
  const limits = parts.map((part, p) => boundOf(part, largest[p]!, arithmetic, tolerance));
  const bins = parts.map(() => new Bins());
  const worst = new Worst();
  want.data.forEach((value, i) => {
    const part = partAt(i);
    const result = got.data[i]!;
    const difference = Number.isFinite(result) ? Math.abs(result - value) : Infinity;
    bins[part]!.add(difference);
    // A bound may be 0: of two that differ then, the larger difference is worse.
    worst.add(i, difference / Math.max(limits[part]!, Number.MIN_VALUE));
  });
  const element = (i: number): Element => {
    const result = got.data[i]!;
    const known = Number.isFinite(result);
    return { part: parts[partAt(i)]!.name, index: indexOf(i, want.shape), wanted: want.data[i]!, got: known ? result : null, difference: known ? Math.abs(result - want.data[i]!) : null, bound: limits[partAt(i)]! };
  };
  return { histograms: bins.map((of, p) => of.histogram(parts[p]!.name, limits[p]!)), worstElements: worst.indices().map(element) };
}

class Bins {
  private equal = 0;
  private notFinite = 0;
  private readonly counts = new Map<number, number>();

  add(difference: number): void {
    if (difference === 0) this.equal++;
    else if (!Number.isFinite(difference)) this.notFinite++;
    else {
      const bin = Math.floor(Math.log10(Math.max(difference, LEAST)) * PER_DECADE);
      this.counts.set(bin, (this.counts.get(bin) ?? 0) + 1);
    }
  }

  histogram(name: string, bound: number): Histogram {
    const used = [...this.counts.keys()];
    const first = used.length === 0 ? 0 : Math.min(...used);
    const length = used.length === 0 ? 0 : Math.max(...used) - first + 1;
    return { name, bound, equal: this.equal, notFinite: this.notFinite, from: first / PER_DECADE, perDecade: PER_DECADE, counts: Array.from({ length }, (_, i) => this.counts.get(first + i) ?? 0) };
  }
}

/** The elements of the largest ratios, kept while passing over all of them. */
class Worst {
  private kept: { readonly index: number; readonly ratio: number }[] = [];
  private least = 0;

  add(index: number, ratio: number): void {
    if (!(ratio > this.least)) return;
    this.kept.push({ index, ratio });
    if (this.kept.length >= 4 * SHOWN) this.trim();
  }

  indices(): readonly number[] {
    this.trim();
    return this.kept.map(({ index }) => index);
  }

  private trim(): void {
    this.kept.sort((a, b) => b.ratio - a.ratio || a.index - b.index);
    this.kept.length = Math.min(SHOWN, this.kept.length);
    if (this.kept.length === SHOWN) this.least = this.kept.at(-1)!.ratio;
  }
}

function indexOf(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = flat;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}
