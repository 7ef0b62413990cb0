import { channels, defineModule, int, preset } from '../../compiler/module.js';
import { cells } from './cells.js';
import { detections, extraBranch } from './detections.js';
import { prototypes } from './proto.js';

export const Segment = defineModule({
  doc: 'Anchor-free segmentation head of YOLOv8: Detect with mask coefficients, and mask prototypes.',
  source: 'ultralytics nn/modules/head.py',
  args: {
    nc: int('number of classes', undefined, { max: 65_536 }),
    masks: int('mask prototypes (nm)', undefined, { max: 4096 }),
    hidden: channels('hidden channels of the prototypes (npr)'),
    regMax: preset('bins of a box side; the yaml key reg_max', 16),
  },
  inputs: 'many',
  prints: 'as-written',
  head: {
    task: 'segment',
    outputs: [
      { name: 'output0', doc: '[batch, 4 + nc + masks, anchors]: cx, cy, w, h in pixels of the input, class probabilities, mask coefficients', axes: ['batch', 'values', 'anchors'] },
      { name: 'output1', doc: '[batch, masks, mask_height, mask_width]: mask prototypes', axes: ['batch', 'masks', 'mask_height', 'mask_width'] },
    ],
  },
  example: { inputs: [[1, 16, 16, 16], [1, 32, 8, 8], [1, 64, 4, 4]], args: [80, 32, 64] },
  recover: (layer) => ({ args: ['nc', layer.stated('', 'nm'), layer.stated('', 'npr')] }),
  build(g, xs, { nc, masks, hidden, regMax }) {
    const found = detections(g, xs, cells(g, xs), { nc, regMax });
    const proto = prototypes(g.in('proto'), xs[0]!, { masks, hidden, upsampling: 'learnt' });
    return [g.concat([...found, extraBranch(g, xs, masks)], 1), proto];
  },
});
export default Segment;
