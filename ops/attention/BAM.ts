import { defineModule, int } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { bottleneck } from './channels.js';

const HIDDEN_LAYERS = ['0', '1', '2'];

export const BAM = defineModule({
  doc: 'Bottleneck attention: one gate from a branch over channels and a branch over positions, added to 1.',
  source: 'arXiv:1807.06514; z1069614715/objectdetection_script cv-attention/BAM.py',
  args: { reduction: int('bottleneck ratio', 16), dilation: int('dilation of the spatial branch', 2, { max: 4096 }) },
  constraints: ['at least `reduction` channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { reduction, dilation }) {
    const hidden = bottleneck(x.shape[1], reduction);
    const byChannel = channelBranch(g.in('ca'), x, hidden);
    const gate = g.sigmoid(g.add(spatialBranch(g.in('sa').in('sa'), x, hidden, dilation), byChannel), 'sigmoid');
    return g.mul(x, g.add(gate, 1));
  },
});
export default BAM;

/** An MLP of the means: [n, c, 1, 1]. */
function channelBranch(g: Builder, x: FeatureMap, hidden: number): FeatureMap {
  const mlp = g.in('ca');
  mlp.declare('flatten');
  let vector: FeatureMap = g.globalAvgPool(x, 'avgpool');
  for (const i of HIDDEN_LAYERS) vector = mlp.relu(mlp.batchNorm1d(`bn${i}`, mlp.pointwise(`fc${i}`, vector, { out: hidden })), `relu${i}`);
  return mlp.pointwise('last_fc', vector, { out: x.shape[1] });
}

/** Dilated convolutions between two 1×1: [n, 1, h, w]. */
function spatialBranch(g: Builder, x: FeatureMap, hidden: number, dilation: number): FeatureMap {
  let map: FeatureMap = g.relu(g.batchNorm2d('bn_reduce1', g.conv2d('conv_reduce1', x, { out: hidden })), 'relu_reduce1');
  for (const i of HIDDEN_LAYERS) {
    map = g.relu(g.batchNorm2d(`bn_${i}`, g.conv2d(`conv_${i}`, map, { out: hidden, kernel: 3, padding: dilation, dilation })), `relu_${i}`);
  }
  return g.conv2d('last_conv', map, { out: 1 });
}
