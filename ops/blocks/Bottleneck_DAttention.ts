import { bool, channels, defineModule, int, number, pair } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { DAttention } from '../attention/DAttention.js';
import { kernelPair } from './Bottleneck.js';
import { Conv } from './Conv.js';

/** Of DAttention, whose default no row of a block changes. */
const HEADS = 8;

export const Bottleneck_DAttention = defineModule({
  doc: 'A Bottleneck whose result passes through deformable attention.',
  source: 'arXiv:2201.00520; the block is the article’s',
  args: {
    out: channels('output channels'),
    fmapsize: pair('rows and columns of the map (q_size of DAttention)'),
    shortcut: bool('add the input', true),
    groups: int('groups of the second Conv', 1),
    kernels: kernelPair('kernel sizes', [[3, 3], [3, 3]]),
    ratio: number('hidden channels per output channel', 0.5, { min: 0, max: 64 }),
  },
  constraints: ['8 divides the output channels', 'at least 2 rows and 2 columns of the map'],
  example: { inputs: [[1, 32, 12, 16]], args: [32, [12, 16]] },
  build(g, x, { out, fmapsize, shortcut, groups, kernels, ratio }) {
    if (out % HEADS !== 0) {
      throw new Problem('bad-channels', `deformable attention has ${HEADS} heads here, which do not divide ${out} channels`, {
        help: `Use channels that are a multiple of ${HEADS}; inside C3_DAttention these are the hidden ones, channels · ratio.`,
      });
    }
    const hidden = g.use('cv1', Conv, x, { out: Math.floor(out * ratio), kernel: kernels[0] });
    const y = g.use('attention', DAttention, g.use('cv2', Conv, hidden, { out, kernel: kernels[1], groups }), { q_size: fmapsize });
    return shortcut && x.shape[1] === out ? g.add(x, y) : y;
  },
});
export default Bottleneck_DAttention;
