import { defineModule, int, preset, showLiteral, type Reader } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { Extent } from '../../compiler/ir/extent.js';
import type { Literal } from '../../compiler/ir/network.js';
import type { Builder } from '../../compiler/builder.js';
import type { Value } from '../../compiler/ir/graph.js';
import { cells, type Cells } from './cells.js';
import { detections, extraBranch } from './detections.js';

type Keypoints = readonly [count: number, numbers: 2 | 3];

const kpt_shape: Reader<Keypoints> = {
  kind: 'value',
  type: '[count, 2 or 3]',
  doc: 'keypoints, and 2 numbers (x, y) or 3 (with visibility) for each',
  optional: false,
  read(value: Literal) {
    const [count, numbers] = Array.isArray(value) ? (value as readonly Literal[]) : [];
    const good = typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= 4096 && (numbers === 2 || numbers === 3);
    if (good) return [count, numbers];
    throw new Problem('bad-argument', `must be [count, 2] or [count, 3], got ${showLiteral(value)}`, { help: 'Give it as the yaml key kpt_shape: [17, 3].' });
  },
};

export const Pose = defineModule({
  doc: 'Anchor-free pose head of YOLOv8: Detect with keypoints.',
  source: 'ultralytics nn/modules/head.py',
  args: { nc: int('number of classes', undefined, { max: 65_536 }), kpt_shape, regMax: preset('bins of a box side; the yaml key reg_max', 16) },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'pose',
    outputs: [
      {
        name: 'output0',
        doc: '[batch, 4 + nc + keypoints, anchors]: cx, cy, w, h in pixels of the input, class probabilities, then x, y in pixels (and visibility) of every keypoint',
        axes: ['batch', 'values', 'anchors'],
      },
    ],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [1, [17, 3]] },
  recover: () => ({ args: ['nc', 'kpt_shape'] }),
  build(g, xs, { nc, kpt_shape: shape, regMax }) {
    const at = cells(g, xs);
    const found = detections(g, xs, at, { nc, regMax });
    return g.concat([...found, decodeKeypoints(g, extraBranch(g, xs, shape[0] * shape[1]), at, shape)], 1);
  },
});
export default Pose;

/** x, y = (2v + cell) · stride; visibility = σ(v): [n, count · numbers, anchors]. */
function decodeKeypoints(g: Builder, values: Value, { centres, strides }: Cells, [count, numbers]: Keypoints): Value {
  const [n, , anchors] = values.shape as readonly [Extent, number, Extent];
  const points = g.reshape(values, [n, count, numbers, anchors]);
  const [place, ...visibility] = numbers === 3 ? g.split(points, 2, [2, 1]) : [points];
  const pixels = g.mul(g.add(g.mul(place!, 2), g.sub(centres, 0.5)), strides);
  return g.reshape(g.concat([pixels, ...visibility.map((value) => g.sigmoid(value))], 2), [n, count * numbers, anchors]);
}
