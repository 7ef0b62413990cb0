import { defineModule } from '../../compiler/module.js';

export const ParNet = defineModule({
  doc: 'ParNet’s block: a 1×1 and a 3×3 convolution and a gate per channel, side by side.',
  source: 'arXiv:2110.07641; xmu-xiaoma666/External-Attention-pytorch ParNetAttention.py',
  args: {},
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x) {
    const out = x.shape[1];
    const [gate, one, three] = [g.in('sse'), g.in('conv1x1'), g.in('conv3x3')];
    const gated = g.mul(x, gate.sigmoid(gate.conv2d('1', gate.globalAvgPool(x, '0'), { out }), '2'));
    const mixed = g.add(one.batchNorm2d('1', one.conv2d('0', x, { out })), three.batchNorm2d('1', three.conv2d('0', x, { out, kernel: 3, padding: 1 })));
    const sum = g.add(mixed, gated);
    return g.mul(sum, g.sigmoid(sum, 'silu'));
  },
});
export default ParNet;
