/**
 * Synthetic weights: numbers made from a tensor's key, index and a seed alone, bit for bit the same here and in
 * PyTorch scripts, so that whole models can be compared without shipping their weights.
 *
 *     h = fnv1a32(utf8(key)) ^ (seed * 0x9E3779B9)
 *     x = h + i;  x ^= x >>> 16;  x *= 0x7feb352d;  x ^= x >>> 15;  x *= 0x846ca68b;  x ^= x >>> 16     (uint32)
 *     u = (x >>> 8) / 2^24                                                                              in [0, 1)
 *     value = float32((p * u + q) * r)                                                                  p, q, r by the key's leaf and the rank
 */
import { Problem } from '../errors.js';
import type { Read } from '../ir/graph.js';
import type { WeightSource } from './source.js';

export interface SeedOptions {
  /** Any integer; it counts modulo 2^32. */
  readonly seed: number;
  /** G of `sqrt(G / fan_in)`: 5 keeps deep models finite, unsaturated, and dependent on their input. */
  readonly gain: number;
}

/** Where nothing else is said: the recipe of the goldens. */
export const DEFAULT_SEED: SeedOptions = { seed: 0, gain: 5 };

/** Weights from a seed. Throws Problem('bad-option') for a seed or gain that is no such number. */
export function seededWeights({ seed, gain }: SeedOptions): WeightSource {
  if (!Number.isSafeInteger(seed)) throw new Problem('bad-option', `the seed must be an integer, got ${seed}`);
  if (!Number.isFinite(gain) || gain < 0) throw new Problem('bad-option', `the gain must be a number from 0 on, got ${gain}`);
  return {
    tensor: (key, shape, kept) => (kept ? keptRead(kept) : seededRead(key, shape, { seed, gain })),
    finish: () => ({ unused: [], remarks: [] }),
  };
}

/** The reader of one synthetic tensor: parameters and buffers by state_dict key. Graphs that are only measured never read. */
export function seededRead(key: string, shape: readonly number[], { seed, gain }: SeedOptions): Read {
  let rule: readonly [start: number, p: number, q: number, r: number] | undefined;
  return (into, at) => {
    rule ??= [hash(key, seed), ...affine(key, shape, gain)];
    fill(into, rule[0] + at, rule[1], rule[2], rule[3]);
  };
}

/** Synthetic feature maps (2u - 1) and images (u) come from the same generator, keyed `input.<name>`. */
export function seededInput(name: string, seed: number, kind: 'map' | 'image'): Read {
  const start = hash(`input.${name}`, seed);
  return (into, at) => (kind === 'map' ? fill(into, start + at, 2, -1, 1) : fill(into, start + at, 1, 0, 1));
}

/** Values that the architecture defines (anchors, the DFL convolution), as a reader. */
export function keptRead(values: ArrayLike<number>): Read {
  return (into, at) => {
    for (let i = 0; i < into.length; i++) into[i] = values[at + i]!;
  };
}

/** `value = (p * u + q) * r`; the first rule that applies. The leaf is compared as a whole: `cbias` is no `bias`. */
function affine(key: string, shape: readonly number[], gain: number): readonly [p: number, q: number, r: number] {
  const leaf = key.slice(key.lastIndexOf('.') + 1);
  if (leaf === 'num_batches_tracked') return [0, 0, 0];
  if (leaf === 'running_var') return [1, 0.5, 1];
  if (leaf === 'running_mean' || leaf === 'bias') return [0.2, -0.1, 1];
  if (shape.length >= 2) return [2, -1, Math.sqrt(gain / shape.slice(1).reduce((product, size) => product * size, 1))];
  return leaf === 'weight' ? [0.5, 0.75, 1] : [0.5, 0.5, 1];
}

const utf8 = new TextEncoder();

function hash(key: string, seed: number): number {
  let h = 0x811c9dc5;
  for (const byte of utf8.encode(key)) h = imul(h ^ byte, 0x01000193);
  return (h ^ imul(seed % 2 ** 32, 0x9e3779b9)) >>> 0;
}

const PER_STEP = 2 ** -24;
/** A name of this module: looking up a global for each number costs 12 times as long in a vm context, such as Jest's. */
const { imul } = Math;

/** The one loop that every synthetic value passes. `start` counts modulo 2^32. */
function fill(into: Float32Array, start: number, p: number, q: number, r: number): void {
  // 2^-24 is exact, so folding it into p rounds as `p * u` does.
  const scale = p * PER_STEP;
  const base = start % 2 ** 32 | 0;
  const count = into.length;
  for (let i = 0; i < count; i++) {
    let x = (base + i) | 0;
    x = imul(x ^ (x >>> 16), 0x7feb352d);
    x = imul(x ^ (x >>> 15), 0x846ca68b);
    into[i] = (((x ^ (x >>> 16)) >>> 8) * scale + q) * r;
  }
}
