import { bool, defineModule, int, number, pair } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { divided } from './channels.js';
import { deformableSample } from '../custom/DeformableSample.js';
import { limited, offsetsOf, referencePoints, regularMeans } from './deformable-offsets.js';
import { positionBias } from './deformable-bias.js';

const SAMPLING = { mode: 'bilinear', padding: 'zeros', alignCorners: true } as const;

export const DAttention = defineModule({
  doc: 'Deformable attention: every position attends to samples of the map at learnt positions.',
  source: 'arXiv:2201.00520 (Vision Transformer with Deformable Attention)',
  args: {
    q_size: pair('rows and columns of the map; only the tables of `fixed_pe` and of the plain position bias depend on them'),
    n_heads: int('number of heads', 8),
    n_groups: int('groups of channels with offsets of their own', 4),
    attn_drop: number('dropout of the weights: nothing at inference', 0, { min: 0, max: 1 }),
    proj_drop: number('dropout of the result: nothing at inference', 0, { min: 0, max: 1 }),
    stride: int('positions per sample', 1, { max: 4096 }),
    offset_range_factor: number('reach of the offsets in samples; negative: no limit but the edge of the map', 4),
    use_pe: bool('position encoding', true),
    dwc_pe: bool('position encoding by a depthwise convolution', true),
    no_off: bool('samples on the regular grid', false),
    fixed_pe: bool('position bias from a table of every pair of positions', false),
    ksize: int('kernel of the offsets', 3, { max: 4095 }),
    log_cpb: bool('position bias by an MLP of the logarithmic distance', false),
  },
  constraints: [
    '`n_heads` and `n_groups` divide the channels; with a position bias `n_groups` divides `n_heads`',
    'at least 2 rows and 2 columns of samples',
    'with `fixed_pe` the map is `q_size`, in height and width',
    '`no_off` not with both `use_pe` and `dwc_pe`, which are the defaults',
  ],
  example: { inputs: [[1, 32, 12, 16]], args: [[12, 16]] },
  build(g, x, options) {
    const { n_heads: heads, n_groups: groups, stride, no_off, use_pe, dwc_pe } = options;
    const [n, c, h, w] = x.shape;
    checkDivision(c, options);
    if (no_off && use_pe && dwc_pe) {
      throw new Problem('bad-argument', 'no_off cannot be combined with use_pe and dwc_pe', { help: 'The article’s code fails on it as well (residual_lepe is never computed): set use_pe or dwc_pe to False.' });
    }
    g.declare('proj_drop', 'attn_drop');
    const query = g.conv2d('proj_q', x, { out: c });
    const offsets = offsetsOf(g, query, options);
    const [rows, columns] = [offsets.shape[1]!, offsets.shape[2]!];
    const positions = no_off ? undefined : limited(g, g.add(offsets, referencePoints(g, rows, columns)), options);
    const grouped = (): FeatureMap => g.reshape(x, [mul(n, groups), c / groups, h, w]);
    const samples = positions ? g.reshape(deformableSample(g, grouped(), positions, SAMPLING), [n, c, rows, columns]) : regularMeans(g, x, stride, [rows, columns]);

    // [n, heads, c / heads, …], attention over the samples.
    const size = c / heads;
    const byHead = (map: FeatureMap): Value => g.reshape(map, [n, heads, size, mul(map.shape[2], map.shape[3])]);
    const key = byHead(g.conv2d('proj_k', samples, { out: c, scale: size ** -0.5 }));
    const value = byHead(g.conv2d('proj_v', samples, { out: c }));
    const scores = g.matmul(g.transpose(byHead(query), [0, 1, 3, 2]), key);
    const bias = positions && use_pe && !dwc_pe ? positionBias(g, positions, options, [n, h, w]) : undefined;
    const weights = g.softmax(bias ? g.add(scores, bias) : scores, 3);
    const attended = g.reshape(g.transpose(g.matmul(weights, g.transpose(value, [0, 1, 3, 2])), [0, 1, 3, 2]), [n, c, h, w]);
    const encoded = use_pe && dwc_pe ? g.add(attended, g.conv2d('rpe_table', query, { out: c, kernel: 3, padding: 1, groups: c })) : attended;
    return g.conv2d('proj_out', encoded, { out: c });
  },
});
export default DAttention;

interface Division {
  readonly n_heads: number;
  readonly n_groups: number;
  readonly use_pe: boolean;
  readonly dwc_pe: boolean;
  readonly no_off: boolean;
  readonly fixed_pe: boolean;
}

function checkDivision(c: number, { n_heads: heads, n_groups: groups, use_pe, dwc_pe, no_off, fixed_pe }: Division): void {
  divided(c, heads, 'heads');
  divided(c, groups, 'groups');
  const biased = use_pe && !dwc_pe && !no_off && !fixed_pe;
  if (biased && heads % groups !== 0) throw new Problem('bad-argument', `${groups} groups do not divide ${heads} heads, as the position bias needs`, { help: 'Use heads that are a multiple of the groups, or dwc_pe=True.' });
}
