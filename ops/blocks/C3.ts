import { defineModule } from '../../compiler/module.js';
import { Bottleneck } from './Bottleneck.js';
import { crossStage, cspArgs, cspRow } from './csp.js';

export const C3 = defineModule({
  doc: 'Cross-stage partial block with three Convs and n Bottlenecks (kernels 1 and 3).',
  source: 'ultralytics/yolov5 models/common.py',
  args: cspArgs(true),
  repeats: 'inside',
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  recover: (layer) => cspRow(layer, 'cv3', layer.shape('cv1.conv.weight')[0]!),
  build(g, x, { out, shortcut, groups, ratio, n }) {
    const hidden = Math.floor(out * ratio);
    return crossStage(g, x, { out, hidden, n }, (stack, name, y) => stack.use(name, Bottleneck, y, { out: hidden, shortcut, groups, kernels: [[1, 1], [3, 3]], ratio: 1 }));
  },
});
export default C3;
