/** The cells of anchor-free heads, and boxes around their centres. */
import type { Builder } from '../../compiler/builder.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { stridesOf } from './strides.js';

export interface Cells {
  /** x, y in grid units: [1, 2, anchors]. */
  readonly centres: Value;
  /** [1, 1, anchors] */
  readonly strides: Value;
}

/**
 * (l, t, r, b) around the cells' centres, in grid units → (cx, cy) [n, 2, anchors] and (w, h) [n, 2, anchors] in pixels.
 * Both are linear: centre + (r − l) / 2 and l + r, as one product with a 4 × 4 matrix.
 */
export function decodeSides(g: Builder, sides: Value, { centres, strides }: Cells): readonly [middle: Value, size: Value] {
  const pixels = g.mul(g.product1d(sides, CENTRE_AND_SIZE, 4), strides);
  const [shift, size] = g.split(pixels, 1, [2, 2]) as readonly [Value, Value];
  return [g.add(shift, g.mul(centres, strides)), size];
}

const CENTRE_AND_SIZE = [-0.5, 0, 0.5, 0, 0, -0.5, 0, 0.5, 1, 0, 1, 0, 0, 1, 0, 1];

/** Centres and strides of all levels' cells, row by row. */
export function cells(g: Builder, xs: readonly FeatureMap[]): Cells {
  const steps = stridesOf(g, xs);
  const levels = xs.map((x, i) => ({ h: x.shape[2], w: x.shape[3], stride: steps[i]! }));
  const centres = levels.map(({ h, w }) => {
    const column = g.expand(g.reshape(g.add(g.range(w), 0.5), [1, 1, w]), [1, h, w]);
    const row = g.expand(g.reshape(g.add(g.range(h), 0.5), [1, h, 1]), [1, h, w]);
    return g.reshape(g.concat([column, row], 0), [1, 2, mul(h, w)]);
  });
  const strides = levels.map(({ h, w, stride }) => g.expand(g.constant([stride], [1, 1, 1]), [1, 1, mul(h, w)]));
  return { centres: g.concat(centres, 2), strides: g.concat(strides, 2) };
}
