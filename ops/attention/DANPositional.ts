import { defineModule } from '../../compiler/module.js';
import type { ConvOptions } from '../../compiler/builder.js';
import { mul } from '../../compiler/ir/extent.js';
import { atLeast } from './channels.js';

/** Query and key channels: one eighth. */
const REDUCTION = 8;

export const DANPositional = defineModule({
  doc: 'Dual attention’s position branch: every position attends to all positions.',
  source: 'arXiv:1809.02983; junfu1115/DANet encoding/nn/da_att.py',
  args: {},
  constraints: ['at least 8 channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x) {
    const [n, c, h, w] = x.shape;
    const inner = Math.floor(atLeast(c, REDUCTION, 'DANPositional') / REDUCTION);
    const flat = (name: string, options: ConvOptions) => g.reshape(g.conv2d(name, x, options), [n, options.out, mul(h, w)]);
    const [query, key, value] = [flat('query_conv', { out: inner }), flat('key_conv', { out: inner }), flat('value_conv', { out: c, scale: g.param('gamma', [1]) })];
    const weights = g.softmax(g.matmul(g.transpose(query, [0, 2, 1]), key), 2, 'softmax');
    const attended = g.transpose(g.matmul(weights, g.transpose(value, [0, 2, 1])), [0, 2, 1]);
    return g.add(g.reshape(attended, [n, c, h, w]), x);
  },
});
export default DANPositional;
