import { bool, channels, defineModule, int, number, pair } from '../../compiler/module.js';
import { Bottleneck_DAttention } from './Bottleneck_DAttention.js';
import { Conv } from './Conv.js';

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
    const stack = g.in('m');
    let y = g.use('cv1', Conv, x, { out: hidden });
    for (let i = 0; i < n; i++) y = stack.use(String(i), Bottleneck_DAttention, y, { out: hidden, fmapsize, shortcut, groups, kernels: [[1, 1], [3, 3]], ratio: 1 });
    return g.use('cv3', Conv, g.concat([y, g.use('cv2', Conv, x, { out: hidden })], 1), { out });
  },
});
export default C3_DAttention;
