import { defineModule, int } from '../../compiler/module.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

/** What a norm is at least, as in PyTorch's normalize. */
const LEAST = 1e-12;

export const EfficientAdditiveAttention = defineModule({
  doc: 'SwiftFormer’s additive attention: one global query, a weighted sum of all, multiplies every key.',
  source: 'arXiv:2303.15446; Amshaker/SwiftFormer swiftformer.py',
  args: { num_heads: int('number of heads', 1, { max: 1024 }) },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { num_heads }) {
    const [n, c, h, w] = x.shape;
    const inner = c * num_heads;
    const unit = <V extends Value>(vectors: V, axis: number): V => g.div(vectors, g.maximum(g.norm(vectors, axis), LEAST)) as Value as V;
    const query: FeatureMap = unit(g.pointwise('to_query', x, { out: inner }), 1);
    const key: FeatureMap = unit(g.pointwise('to_key', x, { out: inner }), 1);
    // The scores' scale falls out of their normalization.
    const scores = g.matmul(g.reshape(g.param('w_g', [inner, 1]), [1, inner]), g.reshape(query, [n, inner, mul(h, w)]));
    const weights = g.reshape(unit(scores, 2), [n, 1, h, w]);
    const global = g.sum(g.mul(query, weights), [2, 3]);
    return g.pointwise('final', g.add(g.pointwise('Proj', g.mul(key, global), { out: inner }), query), { out: c });
  },
});
export default EfficientAdditiveAttention;
