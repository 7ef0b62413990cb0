import { defineModule, nominal } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { Extent } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { atLeast } from './channels.js';

/** Query and key channels: one eighth. */
const REDUCTION = 8;

export const CrissCrossAttention = defineModule({
  doc: 'Every position attends to its row and its column, in one softmax.',
  source: 'arXiv:1811.11721 (CCNet)',
  args: { channels: nominal('channels of the row; CrissCrossAttention keeps those of its input') },
  constraints: ['at least 8 channels'],
  example: { inputs: [[1, 64, 16, 12]], args: [64] },
  build(g, x) {
    const [, c, h, w] = x.shape;
    const inner = Math.floor(atLeast(c, REDUCTION, 'CrissCrossAttention') / REDUCTION);
    const query = g.conv2d('query_conv', x, { out: inner });
    const key = g.conv2d('key_conv', x, { out: inner });
    const value = g.conv2d('value_conv', x, { out: c, scale: g.param('gamma', [1]) });

    // Columns: [n, w, h, h′]; a position meets itself once, in its row.
    const vertical = g.add(g.matmul(g.transpose(query, [0, 3, 2, 1]), g.transpose(key, [0, 3, 1, 2])), noSelf(g, h));
    // Rows: [n, h, w, w′].
    const horizontal = g.matmul(g.transpose(query, [0, 2, 3, 1]), g.transpose(key, [0, 2, 1, 3]));
    const weights = g.softmax(g.concat([g.transpose(vertical, [0, 2, 1, 3]), horizontal], 3), 3, 'softmax');
    const [down, across] = g.split(weights, 3, [h, w]) as readonly [Value, Value];

    const fromColumn = g.matmul(g.transpose(down, [0, 2, 1, 3]), g.transpose(value, [0, 3, 2, 1]));
    const fromRow = g.matmul(across, g.transpose(value, [0, 2, 3, 1]));
    const joined = g.transpose(g.add(g.transpose(fromColumn, [0, 2, 1, 3]), fromRow), [0, 3, 1, 2]);
    return g.add(joined as FeatureMap, x);
  },
});
export default CrissCrossAttention;

/** −∞ on the diagonal, 0 elsewhere: [h, h]. */
function noSelf(g: Builder, h: Extent): Value {
  const rows = g.range(h);
  const self = g.equal(g.reshape(rows, [h, 1]), g.reshape(rows, [1, h]));
  return g.where(self, g.scalar(-Infinity), g.scalar(0));
}
