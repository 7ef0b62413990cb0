import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

/** Of the group normalization. */
export const GROUPS = 16;

export const EfficientLocalizationAttention = defineModule({
  doc: 'Efficient local attention as in its paper: a gate per row and a gate per column, from neighbouring means of the same channel.',
  source: 'arXiv:2403.01123',
  args: { kernel_size: int('neighbouring rows or columns, odd', 7, { max: 4095 }) },
  constraints: ['16 divides the channels', 'kernel is odd'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { kernel_size: kernel }) {
    const c = x.shape[1];
    checkGroups(c);
    if (kernel % 2 === 0) throw new Problem('bad-argument', `EfficientLocalizationAttention kernel must be odd, got ${kernel}`);
    const gate = (axis: 2 | 3): FeatureMap => {
      const means = g.mean(x, 5 - axis) as FeatureMap;
      const mixed = g.conv1dAlong('conv', means, axis, { out: c, kernel, padding: (kernel - 1) / 2, groups: c, bias: false });
      return g.sigmoid(g.groupNorm('gn', mixed, GROUPS), 'sigmoid');
    };
    return g.mul(g.mul(x, gate(2)), gate(3));
  },
});
export default EfficientLocalizationAttention;

export function checkGroups(c: number): void {
  if (c % GROUPS !== 0) throw new Problem('bad-channels', `${GROUPS} groups do not divide ${c} channels`, { help: `Give the layer before a multiple of ${GROUPS} channels.` });
}
