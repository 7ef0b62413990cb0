import { defineModule, int } from '../../compiler/module.js';
import { mul, sub } from '../../compiler/ir/extent.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { divided } from './channels.js';

const EPSILON = 1e-5;

export const SGE = defineModule({
  doc: 'Spatial group-wise enhance: every position of a group is gated by its similarity to the group’s mean, normalized over the map.',
  source: 'arXiv:1905.09646; implus/PytorchInsight resnet_sge.py',
  args: { groups: int('groups of channels', 8) },
  constraints: ['`groups` divides the channels', 'a map of more than one position'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { groups }) {
    const [n, c, h, w] = x.shape;
    divided(c, groups, 'groups');
    const others = sub(mul(h, w), 1);
    g.undefinedWhere(others === 0, 'SGE divides by the number of positions less one, and this map has one position', 'Use a larger --imgsz, or put SGE before the stride that leaves one position.');
    const grouped = g.reshape(x, [mul(n, groups), c / groups, h, w]);
    const similarity: FeatureMap = g.reshape(g.sum(g.mul(grouped, g.globalAvgPool(grouped, 'avg_pool')), [1]), [n, groups, h, w]);
    const deviation = g.sub(similarity, g.globalAvgPool(similarity));
    const variance = g.div(g.sum(g.mul(deviation, deviation), [2, 3]), g.size(others));
    const [weight, bias] = [g.param('weight', [1, groups, 1, 1]), g.param('bias', [1, groups, 1, 1])];
    const normal = g.add(g.mul(deviation, g.div(weight, g.add(g.sqrt(variance), EPSILON))), bias);
    const gate = g.reshape(g.sigmoid(normal, 'sig'), [mul(n, groups), 1, h, w]);
    return g.reshape(g.mul(grouped, gate), [n, c, h, w]);
  },
});
export default SGE;
