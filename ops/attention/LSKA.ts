import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

/** What a kernel is made of: a short strip, then a strip with gaps. */
const STRIPS: ReadonlyMap<number, { readonly short: number; readonly long: number; readonly dilation: number }> = new Map([
  [7, { short: 3, long: 3, dilation: 2 }],
  [11, { short: 3, long: 5, dilation: 2 }],
  [23, { short: 5, long: 7, dilation: 3 }],
  [35, { short: 5, long: 11, dilation: 3 }],
  [41, { short: 5, long: 13, dilation: 3 }],
  [53, { short: 5, long: 17, dilation: 3 }],
]);

export const LSKA = defineModule({
  doc: 'Large separable kernel attention: the map is gated by itself, seen through short and dilated strips.',
  source: 'arXiv:2309.01439; StevenLauHKHK/Large-Separable-Kernel-Attention van.py',
  args: { k_size: int('size of the kernel that the strips make up', 7) },
  constraints: ['`k_size` is 7, 11, 23, 35, 41 or 53'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { k_size }) {
    const strips = STRIPS.get(k_size);
    if (!strips) throw new Problem('bad-argument', `LSKA has no strips for a kernel of ${k_size}`, { help: `Use one of ${[...STRIPS.keys()].join(', ')}.` });
    const { short, long, dilation } = strips;
    const c = x.shape[1];
    const strip = (name: string, map: FeatureMap, [kh, kw]: readonly [number, number], gap = 1): FeatureMap =>
      g.conv2d(name, map, { out: c, kernel: [kh, kw], padding: [(gap * (kh - 1)) / 2, (gap * (kw - 1)) / 2], dilation: gap, groups: c });
    const near = strip('conv0v', strip('conv0h', x, [1, short]), [short, 1]);
    const far = strip('conv_spatial_v', strip('conv_spatial_h', near, [1, long], dilation), [long, 1], dilation);
    return g.mul(x, g.conv2d('conv1', far, { out: c }));
  },
});
export default LSKA;
