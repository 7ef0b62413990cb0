import { bool, defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { Builder } from '../../compiler/builder.js';
import { mul, type Extent, type Shape } from '../../compiler/ir/extent.js';
import type { Value } from '../../compiler/ir/graph.js';
import { divided } from './channels.js';

export const MHSA = defineModule({
  doc: 'Multi-head self-attention of bottleneck transformers, with a learnt position table where asked for.',
  source: 'arXiv:2101.11605 (BoTNet); z1069614715/objectdetection_script cv-attention/MHSA.py',
  args: {
    width: int('rows of the position table', 14, { max: 4096 }),
    height: int('columns of the position table', 14, { max: 4096 }),
    heads: int('number of heads', 4, { max: 65_536 }),
    pos_emb: bool('add a position table to the scores', false),
  },
  constraints: ['`heads` divides the channels', 'with `pos_emb`, `width` · `height` is at least height · width of the map'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { width, height, heads, pos_emb }) {
    const [n, c, h, w] = x.shape;
    divided(c, heads, 'heads');
    const size = c / heads;
    const byHead = (name: string): Value => g.reshape(g.conv2d(name, x, { out: c }), [n, heads, size, mul(h, w)]);
    const [query, key, value] = [byHead('query'), byHead('key'), byHead('value')];
    const scores = g.matmul(g.transpose(query, [0, 1, 3, 2]), key);
    const placed = pos_emb ? g.add(scores, g.matmul(positions(g, { rows: width, columns: height, heads, size }, mul(h, w)), query)) : scores;
    const weights = g.softmax(placed, 3, 'softmax');
    return g.reshape(g.matmul(value, g.transpose(weights, [0, 1, 3, 2])), [n, c, h, w]);
  },
});
export default MHSA;

interface Table {
  readonly rows: number;
  readonly columns: number;
  readonly heads: number;
  readonly size: number;
}

/** The first entries of the table, one for every position: [1, heads, positions, size]. */
function positions(g: Builder, { rows, columns, heads, size }: Table, count: Extent): Value {
  const entries = rows * columns;
  if (typeof count === 'number' && count > entries) {
    throw new Problem('bad-shape', `a position table of ${rows} × ${columns} does not cover a map of ${count} positions`, { help: 'Write width and height of the map (in this order: rows, columns) at the --imgsz of training, or use a smaller --imgsz.' });
  }
  const table = g.add<Shape>(g.param('rel_h_weight', [1, heads, size, 1, columns]), g.param('rel_w_weight', [1, heads, size, rows, 1]));
  const lines = g.transpose(g.reshape(table, [1, heads, size, entries]), [0, 1, 3, 2]);
  return count === entries ? lines : g.slice(lines, 2, 0, count);
}
