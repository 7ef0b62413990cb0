import { defineModule, int } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { divided } from './channels.js';

export const AxialAttention = defineModule({
  doc: 'Self-attention within every row, then within every column, each added to its input.',
  source: 'arXiv:1912.12180; self-attention of lucidrains/axial-attention',
  args: { heads: int('number of heads', 8) },
  constraints: ['`heads` divides the channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { heads }) {
    divided(x.shape[1], heads, 'heads');
    const rows = g.add(x, attention(g.in('row'), x, heads, 'rows'));
    return g.add(rows, attention(g.in('col'), rows, heads, 'columns'));
  },
});
export default AxialAttention;

/** softmax(Q Kᵀ / √d) V among the positions of one row, or of one column, in heads of `size` channels: [n, c, h, w]. */
export function attention(g: Builder, x: FeatureMap, heads: number, along: 'rows' | 'columns', size = x.shape[1] / heads): FeatureMap {
  const [n, c, h, w] = x.shape;
  const inner = heads * size;
  const query = g.pointwise('to_q', x, { out: inner, bias: false, scale: size ** -0.5 });
  const [key, value] = g.split(g.pointwise('to_kv', x, { out: 2 * inner, bias: false }), 1, [inner, inner]) as readonly Value[];
  const byHead = (map: Value): Value => g.reshape(map, [n, heads, size, h, w]);
  // [n, heads, lines, positions, size], of keys the last two exchanged.
  const tokens = along === 'rows' ? [0, 1, 3, 4, 2] : [0, 1, 4, 3, 2];
  const transposed = along === 'rows' ? [0, 1, 3, 2, 4] : [0, 1, 4, 2, 3];
  const scores = g.matmul(g.transpose(byHead(query), tokens), g.transpose(byHead(key!), transposed));
  const attended = g.matmul(g.softmax(scores, 4), g.transpose(byHead(value!), tokens));
  const back = along === 'rows' ? [0, 1, 4, 2, 3] : [0, 1, 4, 3, 2];
  return g.pointwise('to_out', g.reshape(g.transpose(attended, back), [n, inner, h, w]), { out: c });
}
