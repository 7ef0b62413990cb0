import { defineModule, nominal } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

export const PSA = defineModule({
  doc: 'Polarized self-attention, sequential: a gate per channel, then a gate per position.',
  source: 'arXiv:2107.00782',
  args: { channels: nominal('channels of the row; PSA keeps those of its input') },
  constraints: ['at least 2 channels'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x) {
    if (x.shape[1] < 2) throw new Problem('bad-channels', `PSA needs at least 2 channels, got ${x.shape[1]}`);
    const byChannel = g.mul(x, channelGate(g, x));
    return g.mul(byChannel, spatialGate(g, byChannel));
  },
});
export default PSA;

/** σ(LN(Wz(Wv(x) · softmax over positions of Wq(x)))): [n, c, 1, 1]. */
function channelGate(g: Builder, x: FeatureMap): FeatureMap {
  const [n, c, h, w] = x.shape;
  const half = Math.floor(c / 2);
  const values = g.reshape(g.conv2d('ch_wv', x, { out: half }), [n, half, mul(h, w)]);
  const query = g.reshape(g.conv2d('ch_wq', x, { out: 1 }), [n, mul(h, w), 1]);
  const context = g.matmul(values, g.softmax(query, 1, 'softmax_channel'));
  const restored = g.conv2d('ch_wz', g.reshape(context, [n, half, 1, 1]), { out: c });
  const gate = g.sigmoid(g.layerNorm('ln', g.reshape(restored, [n, 1, c])), 'sigmoid');
  return g.reshape(gate, [n, c, 1, 1]);
}

/** σ(softmax over channels of the mean of Wq(x), times Wv(x)): [n, 1, h, w]. */
function spatialGate(g: Builder, x: FeatureMap): FeatureMap {
  const [n, c, h, w] = x.shape;
  const half = Math.floor(c / 2);
  const values = g.reshape(g.conv2d('sp_wv', x, { out: half }), [n, half, mul(h, w)]);
  const pooled = g.globalAvgPool(g.conv2d('sp_wq', x, { out: half }), 'agp');
  const query = g.softmax(g.reshape(pooled, [n, 1, half]), -1, 'softmax_spatial');
  return g.sigmoid(g.reshape(g.matmul(query, values), [n, 1, h, w]), 'sigmoid');
}
