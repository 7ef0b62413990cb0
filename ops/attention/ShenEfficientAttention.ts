import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';

export const ShenEfficientAttention = defineModule({
  doc: 'Efficient attention: keys gather values into a context per head, which queries then read; linear in positions.',
  source: 'arXiv:1812.01243; cmsflash/efficient-attention efficient_attention.py',
  args: {
    key_channels: int('channels of keys and queries', undefined, { max: 65_536 }),
    heads: int('number of heads', undefined, { max: 65_536 }),
    value_channels: int('channels of values', undefined, { max: 65_536 }),
  },
  constraints: ['`heads` divides `key_channels` and `value_channels`'],
  example: { inputs: [[1, 32, 12, 10]], args: [16, 2, 24] },
  build(g, x, { key_channels, heads, value_channels }) {
    const [n, c, h, w] = x.shape;
    if (key_channels % heads !== 0 || value_channels % heads !== 0) {
      throw new Problem('bad-argument', `${heads} heads do not divide ${key_channels} key and ${value_channels} value channels`, { help: 'Use heads that divide key_channels and value_channels.' });
    }
    const byHead = (name: string, out: number) => g.reshape(g.conv2d(name, x, { out }), [n, heads, out / heads, mul(h, w)]);
    const keys = g.softmax(byHead('keys', key_channels), 3);
    const queries = g.softmax(byHead('queries', key_channels), 2);
    const context = g.matmul(keys, g.transpose(byHead('values', value_channels), [0, 1, 3, 2]));
    const attended = g.matmul(g.transpose(context, [0, 1, 3, 2]), queries);
    return g.add(g.conv2d('reprojection', g.reshape(attended, [n, value_channels, h, w]), { out: c }), x);
  },
});
export default ShenEfficientAttention;
