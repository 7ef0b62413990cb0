import { defineModule, int } from '../../compiler/module.js';
import { mul } from '../../compiler/ir/extent.js';
import type { Value } from '../../compiler/ir/graph.js';

const EPSILON = 1e-6;

export const EMAU = defineModule({
  doc: 'Expectation-maximization attention: the map is rebuilt from a few bases, found by a few EM steps.',
  source: 'arXiv:1907.13426; XiaLiPKU/EMANet network.py',
  args: { bases: int('number of bases (k)', 64, { max: 65_536 }), steps: int('EM steps', 3, { max: 64 }) },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { bases: k, steps }) {
    const [n, c, h, w] = x.shape;
    const features = g.reshape(g.conv2d('conv1', x, { out: c }), [n, c, mul(h, w)]);
    const positions = g.transpose(features, [0, 2, 1]);
    let bases: Value = g.buffer('mu', [1, c, k]);
    let shares: Value = positions;
    for (let step = 0; step < steps; step++) {
      // E: the share of every base in a position; M: bases are the means of features under these shares, normalized.
      shares = g.softmax(g.matmul(positions, bases), 2);
      const means: Value = g.div(g.matmul(features, shares), g.add(g.sum(shares, [1]), EPSILON));
      bases = g.div(means, g.add(g.norm(means, 1), EPSILON));
    }
    const rebuilt = g.relu(g.reshape(g.matmul(bases, g.transpose(shares, [0, 2, 1])), [n, c, h, w]));
    const tail = g.in('conv2');
    return g.relu(g.add(tail.batchNorm2d('1', tail.conv2d('0', rebuilt, { out: c, bias: false })), x));
  },
});
export default EMAU;
