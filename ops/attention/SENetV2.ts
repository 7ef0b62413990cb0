import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';

const BRANCHES = ['fc1', 'fc2', 'fc3', 'fc4'];

export const SENetV2 = defineModule({
  doc: 'SENetV2: squeeze-and-excitation with four parallel squeezes.',
  source: 'arXiv:2311.10807; SELayerV2 of YOLO forks',
  args: { reduction: int('bottleneck ratio of every squeeze', 16) },
  constraints: ['`reduction` divides the channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { reduction }) {
    const c = x.shape[1];
    if (c % reduction !== 0) throw new Problem('bad-channels', `a reduction of ${reduction} does not divide ${c} channels`, { help: 'Use a reduction that divides the channels of the layer before.' });
    const means = g.globalAvgPool(x, 'avg_pool');
    const squeezed = BRANCHES.map((name) => {
      const branch = g.in(name);
      branch.declare('1');
      return branch.pointwise('0', means, { out: c / reduction, bias: false });
    });
    const excite = g.in('fc');
    const gate = excite.sigmoid(excite.pointwise('0', g.relu(g.concat(squeezed, 1)), { out: c, bias: false }), '1');
    return g.mul(x, gate);
  },
});
export default SENetV2;
