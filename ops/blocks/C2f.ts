import { defineModule } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { Bottleneck } from './Bottleneck.js';
import { Conv } from './Conv.js';
import { cspArgs, cspRow } from './csp.js';

export const C2f = defineModule({
  doc: 'Cross-stage partial block with two Convs; every one of n Bottlenecks also feeds the last Conv.',
  source: 'ultralytics nn/modules/block.py',
  args: cspArgs(false),
  repeats: 'inside',
  example: { inputs: [[1, 16, 16, 16]], args: [16, true] },
  recover: (layer) => cspRow(layer, 'cv2', layer.shape('cv1.conv.weight')[0]! / 2),
  build(g, x, { out, shortcut, groups, ratio, n }) {
    const hidden = Math.floor(out * ratio);
    const parts: FeatureMap[] = [...g.split(g.use('cv1', Conv, x, { out: 2 * hidden }), 1, [hidden, hidden])];
    const stack = g.in('m');
    for (let i = 0; i < n; i++) parts.push(stack.use(String(i), Bottleneck, parts.at(-1)!, { out: hidden, shortcut, groups, ratio: 1 }));
    return g.use('cv2', Conv, g.concat(parts, 1), { out });
  },
});
export default C2f;
