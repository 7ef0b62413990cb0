/** Rows in an order that a top-k chose may come in another order where scores tie: they are compared as sets. */
import { boundOf, type Bounds } from './golden-bounds.js';
import type { Tensor } from './runner.js';

/**
 * `got` [batch, rows, values] with each image's rows in the order of the wanted ones nearest to them, differences
 * being counted in bounds. Returned as it is when the shapes disagree or there are more rows than can be paired.
 */
export function matchRows(want: Tensor, got: Tensor, { division, arithmetic, tolerance }: Bounds): Tensor {
  const [batch, rows, values] = want.shape;
  if (want.shape.length !== 3 || division.axis !== 2 || want.shape.join() !== got.shape.join() || rows! > 3000) return got;
  const weights = division.partOf.map((part) => 1 / Math.max(1e-6, boundOf(division.parts[part]!, 1, arithmetic, tolerance)));
  const data = new Float32Array(got.data.length);
  for (let image = 0; image < batch!; image++) {
    const from = image * rows! * values!;
    const free = new Set(Array.from({ length: rows! }, (_, row) => from + row * values!));
    for (let at = from; at < from + rows! * values!; at += values!) {
      const nearest = nearestRow(want.data, at, got.data, free, weights);
      free.delete(nearest);
      data.set(got.data.subarray(nearest, nearest + values!), at);
    }
  }
  return { data, shape: got.shape };
}

function nearestRow(want: Float32Array, at: number, got: Float32Array, free: ReadonlySet<number>, weights: readonly number[]): number {
  let nearest = -1;
  let least = Infinity;
  for (const row of free) {
    let distance = 0;
    for (let i = 0; i < weights.length && distance < least; i++) distance = Math.max(distance, Math.abs(got[row + i]! - want[at + i]!) * weights[i]!);
    // A row with NaN is never near: it is left for last.
    if (nearest < 0 || distance < least) {
      nearest = row;
      least = Number.isNaN(distance) ? Infinity : distance;
    }
    if (least === 0) break;
  }
  return nearest;
}
