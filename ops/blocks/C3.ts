import { defineModule } from '../../compiler/module.js';
import { Bottleneck } from './Bottleneck.js';
import { Conv } from './Conv.js';
import { cspArgs } from './csp.js';

export const C3 = defineModule({
  doc: 'Cross-stage partial block with three Convs and n Bottlenecks (kernels 1 and 3).',
  source: 'ultralytics/yolov5 models/common.py',
  args: cspArgs(true),
  repeats: 'inside',
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  build(g, x, { out, shortcut, groups, ratio, n }) {
    const hidden = Math.floor(out * ratio);
    let y = g.use('cv1', Conv, x, { out: hidden });
    const stack = g.in('m');
    for (let i = 0; i < n; i++) y = stack.use(String(i), Bottleneck, y, { out: hidden, shortcut, groups, kernels: [[1, 1], [3, 3]], ratio: 1 });
    return g.use('cv3', Conv, g.concat([y, g.use('cv2', Conv, x, { out: hidden })], 1), { out });
  },
});
export default C3;
