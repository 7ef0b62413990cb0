/** Boxes of YOLOv5's heads, decoded from anchors. */
import { mul, product, type Extent } from '../../compiler/ir/extent.js';
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

/** All levels joined: [n, anchors, 5 + nc + masks], with xy = (2σ + cell − 0.5)·stride and wh = (2σ)²·anchor. */
export function anchorBoxes(g: Builder, xs: readonly FeatureMap[], { nc, anchors, masks }: AnchorBoxes): Value {
  const strides = stridesOf(g, xs);
  const lists = readAnchors(anchors, strides);
  const kept = anchorsParam(g, lists, strides);
  const levels = xs.map((x, index): Level => ({ index, count: lists[index]!.length, stride: strides[index]!, h: x.shape[2], w: x.shape[3] }));
  const values = nc + 5 + masks;
  const cells = g.concat(levels.map((level) => cellsOf(g, xs[level.index]!, level, values)), 1);
  const [scored, ...coefficients] = masks === 0 ? [cells] : g.split(cells, 2, [nc + 5, masks]);
  const [xy, wh, rest] = g.split(g.sigmoid(scored!), 2, [2, 2, nc + 1]) as readonly [Value, Value, Value];
  const [steps, corners, areas] = [step, corner, quadrupled].map((of) => g.concat(levels.map((level) => of(g, level, kept)), 1)) as [Value, Value, Value];
  return g.concat([g.add(g.mul(xy, steps), corners), g.mul(g.mul(wh, wh), areas), rest, ...coefficients], 2);
}

interface Level {
  readonly index: number;
  /** Anchors of a cell. */
  readonly count: number;
  /** Pixels of a cell's side. */
  readonly stride: number;
  readonly h: Extent;
  readonly w: Extent;
}

/** The convolution of one level, one row of values for every anchor of every cell: [n, count·h·w, values]. */
function cellsOf(g: Builder, x: FeatureMap, { index, count, h, w }: Level, values: number): Value {
  const map = g.in('m').conv2d(String(index), x, { out: count * values });
  const n = x.shape[0];
  return g.reshape(g.transpose(g.reshape(map, [n, count, values, h, w]), [0, 1, 3, 4, 2]), [n, product([count, h, w]), values]);
}

type OfLevel = (g: Builder, level: Level, anchors: Value) => Value;

/** 2·stride for x and y: [1, count·h·w, 2]. Runtimes multiply equal shapes several times as fast as such that broadcast. */
const step: OfLevel = (g, { count, h, w, stride }) => g.expand(g.constant([2 * stride], [1, 1, 1]), [1, product([count, h, w]), 2]);

/** (cell − 0.5)·stride as x, y: [1, count·h·w, 2]. */
function corner(g: Builder, { count, h, w, stride }: Level): Value {
  const whole = [1, count, h, w, 1];
  const columns = g.expand(g.reshape(g.sub(g.range(w), 0.5), [1, 1, 1, w, 1]), whole);
  const rows = g.expand(g.reshape(g.sub(g.range(h), 0.5), [1, 1, h, 1, 1]), whole);
  return g.reshape(g.mul(g.concat([columns, rows], 4), stride), [1, product([count, h, w]), 2]);
}

/** 4·anchor in pixels: [1, count·h·w, 2]. */
const quadrupled: OfLevel = (g, { index, count, h, w, stride }, anchors) => {
  const level = g.reshape(g.mul(g.slice(anchors, 0, index, index + 1), 4 * stride), [1, count, 1, 2]);
  return g.reshape(g.expand(level, [1, count, mul(h, w), 2]), [1, product([count, h, w]), 2]);
};
