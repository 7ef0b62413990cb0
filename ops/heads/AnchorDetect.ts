import { defineModule, int } from '../../compiler/module.js';
import { anchorBoxes } from './anchor-boxes.js';
import { anchorLists } from './anchors.js';

export const AnchorDetect = defineModule({
  doc: 'Anchor-based detection head of YOLOv5.',
  source: 'ultralytics/yolov5 models/yolo.py',
  args: {
    nc: int('number of classes', 80, { max: 65_536 }),
    anchors: anchorLists('pixels: [w, h, w, h, …] for every level, or a number of anchors'),
  },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'detect',
    outputs: [{ name: 'output0', doc: '[batch, anchors, 5 + nc]: cx, cy, w, h in pixels of the input, objectness, class probabilities', axes: ['batch', 'anchors', 'values'], boxes: 'objectness' }],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80, 3] },
  recover: () => ({ args: ['nc', 'anchors'] }),
  build: (g, xs, { nc, anchors }) => anchorBoxes(g, xs, { nc, anchors, masks: 0 }),
});
export default AnchorDetect;
