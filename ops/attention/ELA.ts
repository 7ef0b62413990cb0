import { defineModule } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { checkGroups, GROUPS } from './EfficientLocalizationAttention.js';

export const ELA = defineModule({
  doc: 'Efficient local attention with a dense 1×1 convolution: a gate per row and a gate per column of every channel.',
  source: 'arXiv:2403.01123; z1069614715/objectdetection_script cv-attention/ELA.py',
  args: {},
  constraints: ['16 divides the channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x) {
    const c = x.shape[1];
    checkGroups(c);
    const layers = g.in('conv1x1');
    const gate = (means: FeatureMap): FeatureMap => layers.sigmoid(layers.groupNorm('1', layers.conv1dAlong('0', means, 2, { out: c }), GROUPS), '2');
    const [rows, columns] = [gate(g.mean(x, 3, 'pool_h')), gate(g.mean(x, 2, 'pool_w'))];
    return g.mul(g.mul(x, rows), columns);
  },
});
export default ELA;
