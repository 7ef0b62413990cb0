import { defineModule, nominal } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { mul } from '../../compiler/ir/extent.js';
import { quarters, shifted } from '../custom/SpatialShift.js';
import { atLeast } from './channels.js';

const BRANCHES = 3;

export const S2Attention = defineModule({
  doc: 'S²-MLPv2: three linear maps of the channels, two of them shifted in space, joined by split attention.',
  source: 'arXiv:2108.01072',
  args: { channels: nominal('channels of the row; S2Attention keeps those of its input') },
  constraints: ['at least 4 channels'],
  example: { inputs: [[1, 32, 16, 16]], args: [32] },
  build(g, x) {
    // It shifts quarters of them.
    const c = atLeast(x.shape[1], 4, 'S2Attention');
    const axes = { rows: 2, columns: 3 };
    const parts = g.split(g.pointwise('mlp1', x, { out: BRANCHES * c }), 1, [...quarters(c), ...quarters(c), c]);
    const branches = [...shifted(g, parts.slice(0, 4), 'rows', axes), ...shifted(g, parts.slice(4, 8), 'columns', axes), parts[8]!];
    return g.pointwise('mlp2', splitAttention(g.in('split_attention'), g.concat(branches, 1), c), { out: c });
  },
});
export default S2Attention;

/** Σₖ softmaxₖ(mlp2(gelu(mlp1(Σ over branches and positions)))) · branch k: [n, 3c, h, w] → [n, c, h, w]. */
function splitAttention(g: Builder, branches: Value, c: number): FeatureMap {
  const [n, , h, w] = branches.shape as FeatureMap['shape'];
  const stacked = g.reshape(branches, [n, BRANCHES, c, mul(h, w)]);
  // Positions first: one sum over both axes loses a digit in onnxruntime.
  const total = g.reshape(g.sum(g.sum(stacked, [3]), [1]), [n, c]);
  const hidden = g.unary('Gelu', g.linear('mlp1', total, { out: c, bias: false }), 'gelu');
  const scores = g.reshape(g.linear('mlp2', hidden, { out: BRANCHES * c, bias: false }), [n, BRANCHES, c, 1]);
  const joined = g.sum(g.mul(stacked, g.softmax(scores, 1, 'softmax')), [1]);
  return g.reshape(joined, [n, c, h, w]);
}
