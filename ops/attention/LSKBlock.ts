import { defineModule } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

export const LSKBlock = defineModule({
  doc: 'Large selective kernel: two depthwise convolutions of growing reach, weighted at every position.',
  source: 'arXiv:2303.09030; zcablii/LSKNet lsknet.py',
  args: {},
  constraints: ['an even number of channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x) {
    const c = x.shape[1];
    if (c % 2 !== 0) throw new Problem('bad-channels', `LSKBlock halves its channels and got ${c}`, { help: 'Give the layer before an even number of channels.' });
    const near = g.conv2d('conv0', x, { out: c, kernel: 5, padding: 2, groups: c });
    const far = g.conv2d('conv_spatial', near, { out: c, kernel: 7, padding: 9, dilation: 3, groups: c });
    const branches = [g.conv2d('conv1', near, { out: c / 2 }), g.conv2d('conv2', far, { out: c / 2 })];
    const both = g.concat(branches, 1);
    const pooled = g.concat([g.mean(both, 1), g.max(both, 1)], 1);
    const weights = g.split(g.sigmoid(g.conv2d('conv_squeeze', pooled, { out: 2, kernel: 7, padding: 3 })), 1, [1, 1]);
    const selected = branches.map((branch, i): FeatureMap => g.mul(branch, weights[i]!)).reduce((sum, part) => g.add(sum, part));
    return g.mul(x, g.conv2d('conv', selected, { out: c }));
  },
});
export default LSKBlock;
