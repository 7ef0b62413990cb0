import { channels, defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import type { Builder } from '../../compiler/builder.js';
import { bottleneck } from './channels.js';

export const CBAM = defineModule({
  doc: 'Convolutional block attention: a gate per channel from mean and maximum, then a gate per position.',
  source: 'arXiv:1807.06521',
  args: {
    out: channels('channels of the row; CBAM keeps those of its input'),
    reduction: int('bottleneck ratio of the channel gate', 16),
    kernel: int('kernel of the spatial gate, 3 or 7', 7),
  },
  constraints: ['at least `reduction` channels', 'kernel is 3 or 7'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  recover(layer) {
    const [hidden = 1, c = 1] = layer.shape('channel_attention.f1.weight');
    return { args: [c, Math.floor(c / hidden), layer.shape('spatial_attention.conv.weight').at(-1)!] };
  },
  build(g, x, { reduction, kernel }) {
    if (kernel !== 3 && kernel !== 7) throw new Problem('bad-argument', `CBAM kernel must be 3 or 7, got ${kernel}`);
    const byChannel = g.mul(x, channelGate(g.in('channel_attention'), x, reduction));
    return g.mul(byChannel, spatialGate(g.in('spatial_attention'), byChannel, kernel));
  },
});
export default CBAM;

/** σ(f2(relu(f1(mean))) + f2(relu(f1(max)))), with shared f1 and f2: [n, c, 1, 1]. */
function channelGate(g: Builder, x: FeatureMap, reduction: number): FeatureMap {
  const c = x.shape[1];
  const hidden = bottleneck(c, reduction);
  const mlp = (pooled: FeatureMap): FeatureMap => {
    const inner = g.relu(g.conv2d('f1', pooled, { out: hidden, bias: false }), 'relu');
    return g.conv2d('f2', inner, { out: c, bias: false });
  };
  return g.sigmoid(g.add(mlp(g.globalAvgPool(x, 'avg_pool')), mlp(g.globalMaxPool(x, 'max_pool'))), 'sigmoid');
}

/** σ(conv([mean over channels, max over channels])): [n, 1, h, w]. */
function spatialGate(g: Builder, x: FeatureMap, kernel: number): FeatureMap {
  const pooled = g.concat([g.mean(x, 1), g.max(x, 1)], 1);
  return g.sigmoid(g.conv2d('conv', pooled, { out: 1, kernel, padding: (kernel - 1) / 2, bias: false }), 'sigmoid');
}
