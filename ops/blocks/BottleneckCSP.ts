import { defineModule, preset } from '../../compiler/module.js';
import { Bottleneck, type Kernels } from './Bottleneck.js';
import { Conv } from './Conv.js';
import { cspArgs, cspRow } from './csp.js';

export const BottleneckCSP = defineModule({
  doc: 'Cross-stage partial block: n Bottlenecks on one branch, a 1×1 convolution on the other, normalized together.',
  source: 'arXiv:1911.11929',
  args: {
    ...cspArgs(true),
    kernels: preset<Kernels>('kernel sizes of the Bottlenecks: YOLOv5 1 and 3, Ultralytics 3 and 3', [[1, 1], [3, 3]]),
  },
  repeats: 'inside',
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  recover: (layer) => cspRow(layer, 'cv4', layer.shape('cv1.conv.weight')[0]!),
  build(g, x, { out, shortcut, groups, ratio, kernels, n }) {
    const hidden = Math.floor(out * ratio);
    const plain = { out: hidden, kernel: 1, bias: false };
    let y = g.use('cv1', Conv, x, { out: hidden });
    const stack = g.in('m');
    for (let i = 0; i < n; i++) y = stack.use(String(i), Bottleneck, y, { out: hidden, shortcut, groups, kernels, ratio: 1 });
    const both = g.concat([g.conv2d('cv3', y, plain), g.conv2d('cv2', x, plain)], 1);
    // Always SiLU, whatever the model's default activation is.
    const normal = g.batchNorm2d('bn', both);
    return g.use('cv4', Conv, g.mul(normal, g.sigmoid(normal, 'act')), { out });
  },
});
export default BottleneckCSP;
