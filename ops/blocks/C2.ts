import { defineModule } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { Bottleneck } from './Bottleneck.js';
import { Conv } from './Conv.js';
import { cspArgs, cspRow } from './csp.js';

export const C2 = defineModule({
  doc: 'Cross-stage partial block with two Convs: n Bottlenecks on one half of the channels.',
  source: 'ultralytics nn/modules/block.py',
  args: cspArgs(true),
  repeats: 'inside',
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  recover: (layer) => cspRow(layer, 'cv2', layer.shape('cv1.conv.weight')[0]! / 2),
  build(g, x, { out, shortcut, groups, ratio, n }) {
    const hidden = Math.floor(out * ratio);
    const [first, second] = g.split(g.use('cv1', Conv, x, { out: 2 * hidden }), 1, [hidden, hidden]) as unknown as readonly [FeatureMap, FeatureMap];
    let y: FeatureMap = first;
    const stack = g.in('m');
    for (let i = 0; i < n; i++) y = stack.use(String(i), Bottleneck, y, { out: hidden, shortcut, groups, ratio: 1 });
    return g.use('cv2', Conv, g.concat([y, second], 1), { out });
  },
});
export default C2;
