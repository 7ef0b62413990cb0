import { bool, choice, defineModule, int, ints, type Bound } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { Builder } from '../../compiler/builder.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

const args = {
  head_num: int('number of heads', undefined, { max: 65_536 }),
  window: int('side of the windows that channel attention pools; -1 pools the whole map', 7, { min: -1, max: 4096 }),
  kernels: ints('kernels of the four quarters of the channels, odd', [3, 5, 7, 9], { max: 4095 }),
  qkv_bias: bool('biases of queries, keys and values', false),
  down: choice('how windows are pooled', ['avg_pool', 'max_pool'], 'avg_pool'),
  gate: choice('what makes gates', ['sigmoid', 'softmax'], 'sigmoid'),
};
const BRANCHES = ['local_dwc', 'global_dwc_s', 'global_dwc_m', 'global_dwc_l'];

export const SCSA = defineModule({
  doc: 'Spatial and channel synergistic attention: gates per row and per column at four scales, then self-attention among channels.',
  source: 'arXiv:2407.05128; HZAI-ZJNU/SCSA SCSA.py',
  args,
  constraints: ['4 and `head_num` divide the channels', 'four odd kernels', 'height and width are at least `window`'],
  example: { inputs: [[1, 32, 12, 10]], args: [8] },
  build(g, x, options) {
    check(x.shape[1], options);
    const [rows, columns] = [lineGate(g, x, 2, options), lineGate(g, x, 3, options)];
    const gated = g.mul(g.mul(x, rows), columns);
    return g.mul(gated, channelGate(g, gated, options));
  },
});
export default SCSA;

/** A gate per row (2) or column (3), from means that every quarter of the channels convolves with a kernel of its own. */
function lineGate(g: Builder, x: FeatureMap, axis: 2 | 3, { kernels, gate }: Bound<typeof args>): FeatureMap {
  const quarter = x.shape[1] / 4;
  const quarters = g.split(g.mean(x, 5 - axis), 1, [quarter, quarter, quarter, quarter]);
  const mixed = quarters.map((part, i) => g.conv1dAlong(BRANCHES[i]!, part, axis, { out: quarter, kernel: kernels[i]!, padding: (kernels[i]! - 1) / 2, groups: quarter }));
  const normal = g.groupNorm(axis === 2 ? 'norm_h' : 'norm_w', g.concat(mixed, 1), 4);
  return gate === 'softmax' ? g.softmax(normal, axis, 'sa_gate') : g.sigmoid(normal, 'sa_gate');
}

/** softmax(Q Kᵀ / √d) V among the channels of a head, its mean over the windows: [n, c, 1, 1]. */
function channelGate(g: Builder, x: FeatureMap, { head_num: heads, window, qkv_bias: bias, down, gate }: Bound<typeof args>): FeatureMap {
  const [n, c] = x.shape;
  const pool = { kernel: window };
  const pooled = window === -1 ? g.globalAvgPool(x, 'down_func') : down === 'max_pool' ? g.maxPool2d(x, pool, 'down_func') : g.avgPool2d(x, pool, 'down_func');
  g.declare('conv_d', 'attn_drop');
  const normal = g.groupNorm('norm', pooled, 1);
  const [, , h, w] = normal.shape;
  const size = c / heads;
  const byHead = (name: string, scale = 1): Value => g.reshape(g.conv2d(name, normal, { out: c, groups: c, bias, ...(scale === 1 ? {} : { scale }) }), [n, heads, size, mul(h, w)]);
  const weights = g.softmax(g.matmul(byHead('q', size ** -0.5), g.transpose(byHead('k'), [0, 1, 3, 2])), 3);
  const means = g.globalAvgPool(g.reshape(g.matmul(weights, byHead('v')), [n, c, h, w]));
  return gate === 'softmax' ? g.softmax(means, 1, 'ca_gate') : g.sigmoid(means, 'ca_gate');
}

function check(c: number, { head_num: heads, window, kernels }: Bound<typeof args>): void {
  if (c % 4 !== 0 || c % heads !== 0) throw new Problem('bad-channels', `4 and ${heads} heads do not both divide ${c} channels`, { help: 'Use a number of heads that divides the channels of the layer before, which are a multiple of 4.' });
  if (kernels.length !== 4 || kernels.some((kernel) => kernel % 2 === 0)) throw new Problem('bad-argument', `SCSA takes four odd kernels, got ${kernels.join(', ')}`);
  if (window === 0) throw new Problem('bad-argument', 'a window of 0 holds nothing', { help: 'Use -1 for the whole map.' });
}
