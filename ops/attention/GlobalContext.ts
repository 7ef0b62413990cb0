import { bool, defineModule, intOrNone, int, number } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

/** Of timm's LayerNorm2d. */
const EPSILON = 1e-6;

export const GlobalContext = defineModule({
  doc: 'Global context: the map, averaged with learnt weights of positions, scales or shifts every channel.',
  source: 'arXiv:1904.11492 (GCNet); timm 1.0 layers/global_context.py',
  args: {
    use_attn: bool('average with learnt weights rather than equal ones', true),
    fuse_add: bool('add a function of the context to the map', false),
    fuse_scale: bool('multiply the map by a gate of the context', true),
    init_last_zero: bool('how training starts: nothing at inference', false),
    rd_ratio: number('share of hidden channels', 1 / 8, { min: 0 }),
    rd_channels: intOrNone('hidden channels, instead of their share', { max: 65_536 }),
    rd_divisor: int('what the hidden channels are a multiple of', 1, { max: 65_536 }),
  },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { use_attn, fuse_add, fuse_scale, rd_ratio, rd_channels, rd_divisor }) {
    const c = x.shape[1];
    const hidden = rd_channels ?? Math.max(rd_divisor, Math.floor((c * rd_ratio + rd_divisor / 2) / rd_divisor) * rd_divisor);
    const context = use_attn ? weightedMean(g, x) : g.globalAvgPool(x);
    g.declare('gate');
    const scaled = fuse_scale ? g.mul(x, g.sigmoid(mlp(g.in('mlp_scale'), context, hidden), 'gate')) : x;
    return fuse_add ? g.add(scaled, mlp(g.in('mlp_add'), context, hidden)) : scaled;
  },
});
export default GlobalContext;

/** Σ over positions of x · softmax(conv(x)): [n, c, 1, 1]. */
function weightedMean(g: Builder, x: FeatureMap): FeatureMap {
  const [n, c, h, w] = x.shape;
  const weights = g.softmax(g.reshape(g.conv2d('conv_attn', x, { out: 1 }), [n, mul(h, w), 1]), 1);
  return g.reshape(g.matmul(g.reshape(x, [n, c, mul(h, w)]), weights), [n, c, 1, 1]);
}

/** fc2(relu(LN(fc1))), normalized over channels: [n, c, 1, 1]. */
function mlp(g: Builder, context: FeatureMap, hidden: number): FeatureMap {
  const [n, c] = context.shape;
  const first = g.reshape(g.conv2d('fc1', context, { out: hidden }), [n, 1, 1, hidden]);
  const normal = g.reshape(g.relu(g.layerNorm('norm', first, EPSILON), 'act'), [n, hidden, 1, 1]);
  g.declare('drop');
  return g.conv2d('fc2', normal, { out: c });
}
