import { defineModule, int, preset } from '../../compiler/module.js';
import { cells } from './cells.js';
import { detections } from './detections.js';

export const Detect = defineModule({
  doc: 'Anchor-free detection head of YOLOv8: boxes by distribution focal loss, class scores.',
  source: 'ultralytics nn/modules/head.py; DFL: arXiv:2006.04388',
  args: { nc: int('number of classes', 80, { max: 65_536 }), regMax: preset('bins of a box side; the yaml key reg_max', 16) },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'detect',
    outputs: [{ name: 'output0', doc: '[batch, 4 + nc, anchors]: cx, cy, w, h in pixels of the input, then class probabilities', axes: ['batch', 'values', 'anchors'], boxes: 'scores' }],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80] },
  recover: () => ({ args: ['nc'] }),
  build: (g, xs, { nc, regMax }) => g.concat(detections(g, xs, cells(g, xs), { nc, regMax }), 1),
});
export default Detect;
