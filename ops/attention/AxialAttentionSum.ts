import { bool, defineModule, int, intOrNone } from '../../compiler/module.js';
import { attention } from './AxialAttention.js';
import { divided } from './channels.js';

export const AxialAttentionSum = defineModule({
  doc: 'Self-attention within every column and within every row, added, or one after the other.',
  source: 'arXiv:1912.12180; lucidrains/axial-attention, class AxialAttention',
  args: {
    heads: int('number of heads', 8, { max: 65_536 }),
    dim_heads: intOrNone('channels of a head; None divides the channels among the heads', { max: 65_536 }),
    sum: bool('add both; otherwise rows work on the columns’ result', true),
  },
  constraints: ['`heads` divides the channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { heads, dim_heads, sum }) {
    const c = x.shape[1];
    divided(c, heads, 'heads');
    const size = dim_heads ?? c / heads;
    const axes = g.in('axial_attentions');
    const columns = attention(axes.in('0').in('fn'), x, heads, 'columns', size);
    const rows = attention(axes.in('1').in('fn'), sum ? x : columns, heads, 'rows', size);
    return sum ? g.add(columns, rows) : rows;
  },
});
export default AxialAttentionSum;
