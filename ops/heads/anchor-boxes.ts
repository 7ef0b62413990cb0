/** Boxes of YOLOv5's heads, decoded from anchors. */
import { product } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import type { Literal } from '../../compiler/ir/network.js';
import { anchorsParam, readAnchors } from './anchors.js';
import { stridesOf } from './strides.js';

export interface AnchorBoxes {
  readonly nc: number;
  readonly anchors: Literal;
  /** Mask coefficients of every box, which stay as they are. */
  readonly masks: number;
}

/** All levels joined: [n, anchors, 5 + nc + masks]. */
export function anchorBoxes(g: Builder, xs: readonly FeatureMap[], { nc, anchors, masks }: AnchorBoxes): Value {
  const strides = stridesOf(g, xs);
  const levels = readAnchors(anchors, strides);
  const kept = anchorsParam(g, levels, strides);
  return g.concat(xs.map((x, i) => decodeLevel(g, x, i, { nc, stride: strides[i]!, count: levels[i]!.length, anchors: kept, masks })), 1);
}

interface Level {
  readonly nc: number;
  readonly stride: number;
  readonly count: number;
  readonly anchors: Value;
  readonly masks: number;
}

/** xy = (2σ + grid)·stride with grid = cell − 0.5; wh = (2σ)²·anchor: [n, anchors·h·w, 5 + nc + masks]. */
function decodeLevel(g: Builder, x: FeatureMap, index: number, { nc, stride, count, anchors, masks }: Level): Value {
  const values = nc + 5 + masks;
  const [n, , h, w] = x.shape;
  const map = g.in('m').conv2d(String(index), x, { out: count * values });
  const cells = g.transpose(g.reshape(map, [n, count, values, h, w]), [0, 1, 3, 4, 2]);
  const [scored, ...coefficients] = masks === 0 ? [cells] : g.split(cells, 4, [nc + 5, masks]);
  const [xy, wh, rest] = g.split(g.sigmoid(scored!), 4, [2, 2, nc + 1]) as readonly [Value, Value, Value];
  const centre = g.mul(g.add(g.mul(xy, 2), grid(g, h, w)), stride);
  const sides = g.mul(wh, 2);
  const anchor = g.reshape(g.mul(g.slice(anchors, 0, index, index + 1), stride), [1, count, 1, 1, 2]);
  const size = g.mul(g.mul(sides, sides), anchor);
  return g.reshape(g.concat([centre, size, rest, ...coefficients], 4), [n, product([count, h, w]), values]);
}

/** Cell positions minus one half: [1, 1, h, w, 2] as x, y. */
function grid(g: Builder, h: FeatureMap['shape'][2], w: FeatureMap['shape'][3]): Value {
  const columns = g.expand(g.reshape(g.sub(g.range(w), 0.5), [1, 1, 1, w, 1]), [1, 1, h, w, 1]);
  const rows = g.expand(g.reshape(g.sub(g.range(h), 0.5), [1, 1, h, 1, 1]), [1, 1, h, w, 1]);
  return g.concat([columns, rows], 4);
}
