import { defineModule, int, preset } from '../../compiler/module.js';
import { mul, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { Conv } from '../blocks/Conv.js';
import { decodeSides } from './cells.js';

export const Detect = defineModule({
  doc: 'Anchor-free detection head of YOLOv8: boxes by distribution focal loss, class scores.',
  source: 'ultralytics nn/modules/head.py; DFL: arXiv:2006.04388',
  args: { nc: int('number of classes', 80, { max: 65_536 }), regMax: preset('bins of a box side; the yaml key reg_max', 16) },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'detect',
    outputs: [{ name: 'output0', doc: '[batch, 4 + nc, anchors]: cx, cy, w, h in pixels of the input, then class probabilities', axes: ['batch', 'values', 'anchors'] }],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80] },
  build(g, xs, { nc, regMax }) {
    const first = xs[0]!.shape[1];
    const [boxChannels, classChannels] = [Math.max(16, Math.floor(first / 4), 4 * regMax), Math.max(first, Math.min(nc, 100))];
    const boxes = branch(g.in('cv2'), xs, boxChannels, 4 * regMax);
    const scores = branch(g.in('cv3'), xs, classChannels, nc);
    const sides = expectation(g, boxes, regMax);
    return g.concat([decodeSides(g, sides, xs), g.sigmoid(scores)], 1);
  },
});
export default Detect;

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
