import { defineModule, literal, nominal } from '../../compiler/module.js';

export const NAMAttention = defineModule({
  doc: 'Normalization-based attention: a BatchNorm whose channels are weighted by the share of their gain.',
  source: 'arXiv:2111.12419; channel branch only, as in the article',
  args: {
    channels: nominal('channels of the row; NAMAttention keeps those of its input'),
    out_channels: literal('not used', 'any', null),
    no_spatial: literal('not used: there is no spatial branch', 'any', true),
  },
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x) {
    const attention = g.in('Channel_Att');
    // |γ| / Σ|γ| is known with the weights: it becomes part of the gain and bias.
    const weighted = attention.batchNorm2d('bn2', x, (gain, bias) => {
      const size = g.unary('Abs', gain);
      const share = g.div(size, g.sum(size, [0]));
      return [g.mul(gain, share), g.mul(bias, share)];
    });
    return g.mul(g.sigmoid(weighted), x);
  },
});
export default NAMAttention;
