import { channels, defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { channelShuffle } from '../custom/ChannelShuffle.js';

export const ShuffleAttention = defineModule({
  doc: 'Groups of channels, one half of each gated per channel, the other per position; halves are then shuffled.',
  source: 'arXiv:2102.00240',
  args: { out: channels('channels of the row; ShuffleAttention keeps those of its input'), groups: int('groups (G)', 8) },
  constraints: ['2 · `groups` divides the channels'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x, { groups }) {
    const [n, c, h, w] = x.shape;
    const width = c / groups;
    // Three channels are halves of two and one, and the one parameter serves both.
    if (c % groups !== 0 || (width % 2 !== 0 && width !== 3)) {
      throw new Problem('bad-channels', `ShuffleAttention needs 2 · ${groups} to divide the channels, but there are ${c}`, { help: 'Use groups of which twice the number divides the channels of the layer before.' });
    }
    const half = Math.floor(width / 2);
    const [first, second] = g.split(g.reshape(x, [mul(n, groups), width, h, w]), 1, [width - half, half]) as unknown as readonly [FeatureMap, FeatureMap];
    g.declare('sigmoid');

    const [cweight, cbias, sweight, sbias] = (['cweight', 'cbias', 'sweight', 'sbias'] as const).map((name) => g.param(name, [1, half, 1, 1]));
    const byChannel = g.mul(first, g.sigmoid(g.add(g.mul(g.globalAvgPool(first, 'avg_pool'), cweight!), cbias!)));
    // sweight · (γ x̂ + β) + sbias
    const [weight, bias] = [g.reshape(sweight!, [half]), g.reshape(sbias!, [half])];
    const normal = g.groupNorm('gn', second, half, (gain, shift) => [g.mul(gain, weight), g.add(g.mul(shift, weight), bias)]);
    const byPosition = g.mul(second, g.sigmoid(normal));
    return channelShuffle(g, g.reshape(g.concat([byChannel, byPosition], 1), [n, c, h, w]), 2);
  },
});
export default ShuffleAttention;
