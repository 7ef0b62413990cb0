import { defineModule, int, literal } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { product } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import type { Literal } from '../../compiler/ir/network.js';
import { stridesOf } from './strides.js';

/** One [width, height] in pixels for every anchor of a level. */
type Anchors = readonly (readonly [number, number])[];

export const AnchorDetect = defineModule({
  doc: 'Anchor-based detection head of YOLOv5.',
  source: 'ultralytics/yolov5 models/yolo.py',
  args: {
    nc: int('number of classes', 80, { max: 65_536 }),
    anchors: literal('pixels: [w, h, w, h, …] for every level, or a number of anchors', 'list or int'),
  },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'detect',
    outputs: [{ name: 'output0', doc: '[batch, anchors, 5 + nc]: cx, cy, w, h in pixels of the input, objectness, class probabilities', axes: ['batch', 'anchors', 'values'] }],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80, 3] },
  build(g, xs, { nc, anchors }) {
    const strides = stridesOf(g, xs);
    const levels = readAnchors(anchors, strides);
    const kept = anchorsParam(g, levels, strides);
    return g.concat(xs.map((x, i) => decodeLevel(g, x, i, { nc, stride: strides[i]!, count: levels[i]!.length, anchors: kept })), 1);
  },
});
export default AnchorDetect;

/** YOLOv5 reverses anchors that are listed from large to small while strides grow (check_anchor_order). */
function readAnchors(value: Literal, strides: readonly number[]): readonly Anchors[] {
  const levels = typeof value === 'number' ? strides.map(() => Array.from({ length: value * 2 }, (_, i) => i)) : value;
  const lists = Array.isArray(levels) ? (levels as readonly Literal[]) : [];
  if (lists.length !== strides.length) {
    throw new Problem('bad-argument', `Detect reads ${strides.length} levels, but the anchors are for ${lists.length}`, { help: 'Give one list of anchors for every level, or an integer.' });
  }
  const anchors = lists.map((list) => pairsOf(list));
  if (anchors.some((level) => level.length !== anchors[0]!.length)) throw new Problem('bad-argument', 'every level must have as many anchors as the first');
  const area = (level: Anchors): number => level.reduce((sum, [w, h]) => sum + w * h, 0) / level.length;
  const growth = area(anchors.at(-1)!) - area(anchors[0]!);
  const flipped = growth !== 0 && Math.sign(growth) !== Math.sign(strides.at(-1)! - strides[0]!);
  return flipped ? anchors.reverse() : anchors;
}

function pairsOf(list: Literal): Anchors {
  const sides = Array.isArray(list) ? (list as readonly Literal[]) : [];
  if (sides.length < 2 || sides.length % 2 !== 0 || sides.length > 2048 || sides.some((side) => typeof side !== 'number' || !Number.isFinite(side))) {
    throw new Problem('bad-argument', 'the anchors of a level must be a list of numbers: w, h, w, h, …');
  }
  return Array.from({ length: sides.length / 2 }, (_, i) => [sides[2 * i] as number, sides[2 * i + 1] as number] as const);
}

/** The buffer `anchors` [levels, anchors, 2], in grid units as in a checkpoint, which may have others (autoanchor). */
function anchorsParam(g: Builder, levels: readonly Anchors[], strides: readonly number[]): Value {
  const inCells = levels.flatMap((level, i) => level.flatMap(([w, h]) => [w / strides[i]!, h / strides[i]!]));
  return g.kept('anchors', [levels.length, levels[0]!.length, 2], Float32Array.from(inCells), false);
}

interface Level {
  readonly nc: number;
  readonly stride: number;
  readonly count: number;
  readonly anchors: Value;
}

/** xy = (2σ + grid)·stride with grid = cell − 0.5; wh = (2σ)²·anchor: [n, anchors·h·w, 5 + nc]. */
function decodeLevel(g: Builder, x: FeatureMap, index: number, { nc, stride, count, anchors }: Level): Value {
  const values = nc + 5;
  const [n, , h, w] = x.shape;
  const map = g.in('m').conv2d(String(index), x, { out: count * values });
  const cells = g.transpose(g.reshape(map, [n, count, values, h, w]), [0, 1, 3, 4, 2]);
  const [xy, wh, rest] = g.split(g.sigmoid(cells), 4, [2, 2, nc + 1]) as readonly [Value, Value, Value];
  const centre = g.mul(g.add(g.mul(xy, 2), grid(g, h, w)), stride);
  const sides = g.mul(wh, 2);
  const anchor = g.reshape(g.mul(g.slice(anchors, 0, index, index + 1), stride), [1, count, 1, 1, 2]);
  const size = g.mul(g.mul(sides, sides), anchor);
  return g.reshape(g.concat([centre, size, rest], 4), [n, product([count, h, w]), values]);
}

/** Cell positions minus one half: [1, 1, h, w, 2] as x, y. */
function grid(g: Builder, h: FeatureMap['shape'][2], w: FeatureMap['shape'][3]): Value {
  const columns = g.expand(g.reshape(g.sub(g.range(w), 0.5), [1, 1, 1, w, 1]), [1, 1, h, w, 1]);
  const rows = g.expand(g.reshape(g.sub(g.range(h), 0.5), [1, 1, h, 1, 1]), [1, 1, h, w, 1]);
  return g.concat([columns, rows], 4);
}
