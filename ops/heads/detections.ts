/** What the anchor-free heads have in common: boxes by distribution focal loss, and class scores. */
import { mul, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { Conv } from '../blocks/Conv.js';
import { decodeSides, type Cells } from './cells.js';

export interface DetectOptions {
  readonly nc: number;
  readonly regMax: number;
}

/** Boxes as (cx, cy) and (w, h) in pixels, [n, 2, anchors] each, and class probabilities [n, nc, anchors]. */
export function detections(g: Builder, xs: readonly FeatureMap[], at: Cells, { nc, regMax }: DetectOptions): readonly [middle: Value, size: Value, scores: Value] {
  const first = xs[0]!.shape[1];
  const boxes = branch(g.in('cv2'), xs, Math.max(16, Math.floor(first / 4), 4 * regMax), 4 * regMax);
  const scores = branch(g.in('cv3'), xs, Math.max(first, Math.min(nc, 100)), nc);
  return [...decodeSides(g, expectation(g, boxes, regMax), at), g.sigmoid(scores)];
}

/** A branch beside those of boxes and scores: hidden channels as wide as a quarter of the first level's, or as its output. */
export const extraBranch = (g: Builder, xs: readonly FeatureMap[], out: number): Value => branch(g.in('cv4'), xs, Math.max(Math.floor(xs[0]!.shape[1] / 4), out), out);

/** Two 3×3 Convs and a 1×1 convolution per level, joined over all positions: [n, out, anchors]. */
function branch(g: Builder, xs: readonly FeatureMap[], hidden: number, out: number): Value {
  const maps = xs.map((x, i) => {
    const level = g.in(String(i));
    const y = level.use('1', Conv, level.use('0', Conv, x, { out: hidden, kernel: [3, 3] }), { out: hidden, kernel: [3, 3] });
    const map = level.conv2d('2', y, { out });
    return g.reshape(map, [map.shape[0], out, mul(map.shape[2], map.shape[3])]);
  });
  return g.concat(maps, 2);
}

/** Distances to the four sides in grid units, as the expectation over softmaxed bins: [n, 4, anchors]. */
function expectation(g: Builder, boxes: Value, bins: number): Value {
  if (bins === 1) {
    g.declare('dfl');
    return boxes;
  }
  const [n, , anchors] = boxes.shape as readonly [Extent, number, Extent];
  const distribution = g.softmax(g.transpose(g.reshape(boxes, [n, 4, bins, anchors]), [0, 2, 1, 3]), 1) as FeatureMap;
  const dfl = g.in('dfl');
  dfl.kept('conv.weight', [1, bins, 1, 1], Array.from({ length: bins }, (_, i) => i), true);
  return g.reshape(dfl.conv2d('conv', distribution, { out: 1, bias: false }), [n, 4, anchors]);
}
