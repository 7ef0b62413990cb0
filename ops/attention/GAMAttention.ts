import { channels, defineModule, flag, int } from '../../compiler/module.js';
import { channelShuffle } from '../custom/ChannelShuffle.js';
import { Problem } from '../../compiler/errors.js';
import { bottleneck, sameChannels } from './channels.js';

/** Groups of the shuffle, whatever the rate is. */
const SHUFFLE = 4;

export const GAMAttention = defineModule({
  doc: 'Global attention: an MLP over the channels of every position, then two 7×7 convolutions with a channel shuffle.',
  source: 'arXiv:2112.05561',
  args: {
    out: channels('output channels: those of the input'),
    group: flag('whether the 7×7 convolutions have `rate` groups', true),
    rate: int('bottleneck ratio', 4),
  },
  constraints: ['the row’s channels are those of its input, divisible by 4', 'with groups, `rate` divides the channels and channels / `rate`'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x, { out, group, rate }) {
    const c = sameChannels(x.shape[1], out, 'GAMAttention');
    const hidden = bottleneck(c, rate, 'rate');
    checkGroups(c, hidden, group ? rate : 1);
    const mlp = g.in('channel_attention');
    const byChannel = g.mul(x, mlp.pointwise('2', mlp.relu(mlp.pointwise('0', x, { out: hidden }), '1'), { out: c }));
    const space = g.in('spatial_attention');
    const window = { kernel: 7, padding: 3, groups: group ? rate : 1 };
    const inner = space.relu(space.batchNorm2d('1', space.conv2d('0', byChannel, { ...window, out: hidden })), '2');
    const bySpace = g.sigmoid(space.batchNorm2d('4', space.conv2d('3', inner, { ...window, out })));
    return g.mul(byChannel, channelShuffle(g, bySpace, SHUFFLE));
  },
});
export default GAMAttention;

function checkGroups(c: number, hidden: number, groups: number): void {
  if (c % SHUFFLE !== 0) throw new Problem('bad-channels', `GAMAttention shuffles channels in ${SHUFFLE} groups, which do not divide ${c}`, { help: 'Put it after a layer with a multiple of 4 channels.' });
  if (c % groups === 0 && hidden % groups === 0) return;
  const fault = c % groups === 0 ? `GAMAttention's rate ${groups} divides ${c} channels, but not its ${hidden} hidden ones` : `GAMAttention's rate ${groups} does not divide ${c} channels`;
  throw new Problem('bad-channels', fault, { help: 'Use a rate that divides both, or group=False.' });
}
