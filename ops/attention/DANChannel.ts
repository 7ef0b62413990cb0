import { defineModule } from '../../compiler/module.js';
import { mul } from '../../compiler/ir/extent.js';

export const DANChannel = defineModule({
  doc: 'Dual attention’s channel branch: every channel attends to all channels, most to the least similar.',
  source: 'arXiv:1809.02983; junfu1115/DANet encoding/nn/da_att.py',
  args: {},
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x) {
    const [n, c, h, w] = x.shape;
    const rows = g.reshape(x, [n, c, mul(h, w)]);
    const energy = g.matmul(rows, g.transpose(rows, [0, 2, 1]));
    // softmax(max E − E): the maximum falls out.
    const weights = g.softmax(g.unary('Neg', energy), 2, 'softmax');
    return g.add(g.mul(g.reshape(g.matmul(weights, rows), [n, c, h, w]), g.param('gamma', [1])), x);
  },
});
export default DANChannel;
