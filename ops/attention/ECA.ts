import { channels, defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';

export const ECA = defineModule({
  doc: 'Efficient channel attention: a gate per channel from its mean and those of its neighbours.',
  source: 'arXiv:1910.03151',
  args: { out: channels('channels of the row; ECA keeps those of its input'), kernel: int('neighbouring channels, odd', 3, { max: 4095 }) },
  constraints: ['kernel is odd'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x, { kernel }) {
    if (kernel % 2 === 0) throw new Problem('bad-argument', `ECA kernel must be odd, got ${kernel}`);
    const [n, c] = x.shape;
    const means = g.reshape(g.globalAvgPool(x, 'avg_pool'), [n, 1, c]);
    const gate = g.sigmoid(g.conv1d('conv', means, { out: 1, kernel, padding: (kernel - 1) / 2, bias: false }), 'sigmoid');
    return g.mul(x, g.reshape(gate, [n, c, 1, 1]));
  },
});
export default ECA;
