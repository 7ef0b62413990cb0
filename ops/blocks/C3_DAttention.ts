import { bool, channels, defineModule, int, number, pair } from '../../compiler/module.js';
import { Bottleneck_DAttention } from './Bottleneck_DAttention.js';
import { crossStage } from './csp.js';

export const C3_DAttention = defineModule({
  doc: 'C3 with n Bottlenecks (kernels 1 and 3) that end in deformable attention.',
  source: 'arXiv:2201.00520; the block is the article’s',
  args: {
    out: channels('output channels'),
    fmapsize: pair('rows and columns of the map (q_size of DAttention)'),
    shortcut: bool('shortcuts in the Bottlenecks', false),
    groups: int('groups of the Bottlenecks', 1),
    ratio: number('hidden channels per output channel', 0.5, { min: 0, max: 64 }),
  },
  repeats: 'inside',
  constraints: ['8 divides the hidden channels', 'at least 2 rows and 2 columns of the map'],
  example: { inputs: [[1, 32, 12, 16]], args: [32, [12, 16]] },
  build(g, x, { out, fmapsize, shortcut, groups, ratio, n }) {
    const hidden = Math.floor(out * ratio);
    return crossStage(g, x, { out, hidden, n }, (stack, name, y) => stack.use(name, Bottleneck_DAttention, y, { out: hidden, fmapsize, shortcut, groups, kernels: [[1, 1], [3, 3]], ratio: 1 }));
  },
});
export default C3_DAttention;
