import { bool, defineModule } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

export const TripletAttention = defineModule({
  doc: 'Gates on the three sides of the feature cuboid, each from the maximum and mean along one dimension, averaged.',
  source: 'arXiv:2010.03045; landskape-ai/triplet-attention triplet_attention.py',
  args: { no_spatial: bool('leave the gate of positions out', false) },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { no_spatial }) {
    // Pooled over rows: a map of channels × columns; over columns: rows × channels; over channels: rows × columns.
    const gates = [gate(g.in('cw'), x, 2, [0, 2, 1, 3]), gate(g.in('hc'), x, 3, [0, 3, 2, 1])];
    if (!no_spatial) gates.push(gate(g.in('hw'), x, 1));
    return g.mul(x, g.div(gates.reduce((sum, other) => g.add(sum, other)), gates.length));
  },
});
export default TripletAttention;

/** σ(BN(conv7×7([max, mean along the axis]))), with size 1 on that axis; `swap` exchanges it with the channels. */
function gate(g: Builder, x: FeatureMap, axis: 1 | 2 | 3, swap?: readonly number[]): FeatureMap {
  g.declare('compress');
  const exchanged = (map: FeatureMap): FeatureMap => (swap ? (g.transpose(map, swap) as FeatureMap) : map);
  const pooled = exchanged(g.concat([g.max(x, axis), g.mean(x, axis)], axis));
  const layers = g.in('conv');
  return exchanged(g.sigmoid(layers.batchNorm2d('bn', layers.conv2d('conv', pooled, { out: 1, kernel: 7, padding: 3, bias: false }))));
}
