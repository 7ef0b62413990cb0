import { defineModule, int, nominal } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { bottleneck } from './channels.js';

export const SEAM = defineModule({
  doc: 'Separated and enhancement attention for occluded faces: depthwise-separable convolutions, then a gate per channel between 1 and e.',
  source: 'arXiv:2208.02019; Krasjet-Yu/YOLO-FaceV2 models/common.py',
  args: {
    out: nominal('channels of the row; SEAM keeps those of its input'),
    depth: int('number of separable convolutions (n)', undefined, { max: 64 }),
    reduction: int('bottleneck ratio', 16),
  },
  constraints: ['at least `reduction` channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [32, 1] },
  build(g, x, { depth, reduction }) {
    const c = x.shape[1];
    const blocks = g.in('DCovN');
    let map = x;
    for (let i = 0; i < depth; i++) map = separable(blocks.in(String(i)), map);
    const mlp = g.in('fc');
    const hidden = mlp.relu(mlp.pointwise('0', g.globalAvgPool(map, 'avg_pool'), { out: bottleneck(c, reduction), bias: false }), '1');
    return g.mul(x, g.unary('Exp', mlp.sigmoid(mlp.pointwise('2', hidden, { out: c, bias: false }), '3')));
  },
});
export default SEAM;

/** BN(gelu(conv1×1(x + BN(gelu(depthwise(x)))))) */
function separable(g: Builder, x: FeatureMap): FeatureMap {
  const out = x.shape[1];
  const fn = g.in('0').in('fn');
  const depthwise = fn.batchNorm2d('2', fn.unary('Gelu', fn.conv2d('0', x, { out, kernel: 3, padding: 1, groups: out }), '1'));
  return g.batchNorm2d('3', g.unary('Gelu', g.conv2d('1', g.add(depthwise, x), { out }), '2'));
}
