import { channels, defineModule } from '../../compiler/module.js';
import { mul, sub } from '../../compiler/ir/extent.js';

/** The energy function's λ; the article's parser never passes another. */
const LAMBDA = 1e-4;

export const SimAM = defineModule({
  doc: 'Parameter-free attention: every position is weighted by how far it is from the mean of its channel.',
  source: 'PMLR 139, Yang et al. 2021 (SimAM)',
  args: { out: channels('channels of the row; SimAM keeps those of its input') },
  constraints: ['a map of more than one position'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x) {
    const [, , h, w] = x.shape;
    const others = sub(mul(h, w), 1);
    g.undefinedWhere(others === 0, 'SimAM divides by the number of positions less one, and this map has one position', 'Use a larger --imgsz, or put SimAM before the stride that leaves one position.');
    const deviation = g.sub(x, g.globalAvgPool(x));
    const squared = g.mul(deviation, deviation);
    // 4 (σ² + λ)
    const scale = g.add(g.mul(g.sum(squared, [2, 3]), g.div(4, g.size(others))), 4 * LAMBDA);
    return g.mul(x, g.sigmoid(g.add(g.div(squared, scale), 0.5), 'activaton'));
  },
});
export default SimAM;
