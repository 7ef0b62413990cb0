import { defineModule, int } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { bottleneck } from './channels.js';

/** Lengths of the pairs of strips. */
const STRIPS = [7, 11, 21];

export const CPCA = defineModule({
  doc: 'Channel prior convolutional attention: a gate per channel, then a weight per position and channel from strips of several lengths.',
  source: 'arXiv:2306.05196 (CPCANet)',
  args: { reduce: int('bottleneck ratio of the channel gate', 4) },
  constraints: ['at least `reduce` channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { reduce }) {
    const out = x.shape[1];
    // One 1×1 convolution serves three times.
    const mixed = (map: FeatureMap): FeatureMap => g.conv2d('conv', map, { out });
    const first = g.unary('Gelu', mixed(x), 'act');
    const prior = g.mul(first, channelGate(g.in('ca'), first, bottleneck(out, reduce)));
    const near = g.conv2d('dconv5_5', prior, { out, kernel: 5, padding: 2, groups: out });
    const strips = STRIPS.map((size): FeatureMap => {
      const across = g.conv2d(`dconv1_${size}`, near, { out, kernel: [1, size], padding: [0, (size - 1) / 2], groups: out });
      return g.conv2d(`dconv${size}_1`, across, { out, kernel: [size, 1], padding: [(size - 1) / 2, 0], groups: out });
    });
    return mixed(g.mul(prior, mixed([...strips, near].reduce((sum, strip) => g.add(sum, strip)))));
  },
});
export default CPCA;

/** σ(mlp(mean)) + σ(mlp(max)), from 0 to 2: [n, c, 1, 1]. */
function channelGate(g: Builder, x: FeatureMap, hidden: number): FeatureMap {
  const gate = (pooled: FeatureMap): FeatureMap => g.sigmoid(g.conv2d('fc2', g.relu(g.conv2d('fc1', pooled, { out: hidden })), { out: x.shape[1] }));
  return g.add(gate(g.globalAvgPool(x)), gate(g.globalMaxPool(x)));
}
