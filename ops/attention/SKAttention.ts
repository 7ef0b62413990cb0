import { defineModule, int, ints, nominal } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

export const SKAttention = defineModule({
  doc: 'Selective kernels: convolutions of several sizes, weighted per channel by a softmax over the sizes.',
  source: 'arXiv:1903.06586',
  args: {
    channels: nominal('channels of the row; SKAttention keeps those of its input'),
    kernels: ints('kernel sizes; even ones enlarge the map by one', [1, 3, 5, 7], { max: 4095 }),
    reduction: int('bottleneck ratio', 16),
    group: int('groups of the convolutions', 1),
    least: int('least hidden channels (L)', 32),
  },
  constraints: ['kernels are all odd or all even', '`group` divides the channels'],
  example: { inputs: [[1, 32, 16, 16]], args: [32] },
  build(g, x, { kernels, reduction, group, least }) {
    const c = x.shape[1];
    if (kernels.some((kernel) => kernel % 2 !== kernels[0]! % 2)) {
      throw new Problem('bad-argument', `SKAttention kernels must be all odd or all even, got ${kernels.join(', ')}`, { help: 'An even kernel makes a larger map than an odd one: use odd sizes.' });
    }
    if (c % group !== 0) throw new Problem('bad-channels', `group ${group} does not divide ${c} channels`, { help: 'Use a group that divides the channels of the layer before.' });
    const branches = kernels.map((kernel, i): FeatureMap => {
      const branch = g.in('convs').in(String(i));
      return branch.relu(branch.batchNorm2d('bn', branch.conv2d('conv', x, { out: c, kernel, padding: Math.floor(kernel / 2), groups: group })), 'relu');
    });
    const pooled = g.globalAvgPool(branches.reduce((sum, branch) => g.add(sum, branch)));
    const squeezed = g.pointwise('fc', pooled, { out: Math.max(least, Math.floor(c / reduction)) });
    const scores = branches.map((_, i) => g.in('fcs').pointwise(String(i), squeezed, { out: c }));
    // One score for every size on the last axis: [n, c, 1, kernels].
    const weights = g.split(g.softmax(g.concat(scores, 3), 3, 'softmax'), 3, kernels.map(() => 1));
    return branches.map((branch, i) => g.mul(branch, weights[i]!)).reduce((sum, part) => g.add(sum, part));
  },
});
export default SKAttention;
