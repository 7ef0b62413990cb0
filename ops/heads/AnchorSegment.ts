import { channels, defineModule, int } from '../../compiler/module.js';
import { anchorBoxes } from './anchor-boxes.js';
import { anchorLists } from './anchors.js';
import { prototypes } from './proto.js';

export const AnchorSegment = defineModule({
  doc: 'Anchor-based segmentation head of YOLOv5: boxes with mask coefficients, and mask prototypes.',
  source: 'ultralytics/yolov5 models/yolo.py',
  args: {
    nc: int('number of classes', undefined, { max: 65_536 }),
    anchors: anchorLists('pixels: [w, h, w, h, …] for every level, or a number of anchors'),
    masks: int('mask prototypes (nm)', undefined, { max: 4096 }),
    hidden: channels('hidden channels of the prototypes (npr)'),
  },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'segment',
    outputs: [
      {
        name: 'output0',
        doc: '[batch, anchors, 5 + nc + masks]: cx, cy, w, h in pixels of the input, objectness, class probabilities, mask coefficients',
        axes: ['batch', 'anchors', 'values'],
      },
      { name: 'output1', doc: '[batch, masks, mask_height, mask_width]: mask prototypes', axes: ['batch', 'masks', 'mask_height', 'mask_width'] },
    ],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80, 3, 32, 64] },
  recover: (layer) => ({ args: ['nc', 'anchors', layer.stated('', 'nm'), layer.stated('', 'npr')] }),
  build(g, xs, { nc, anchors, masks, hidden }) {
    const proto = prototypes(g.in('proto'), xs[0]!, { masks, hidden, upsampling: 'nearest' });
    return [anchorBoxes(g, xs, { nc, anchors, masks }), proto];
  },
});
export default AnchorSegment;
