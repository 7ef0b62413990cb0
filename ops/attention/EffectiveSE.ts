import { bool, defineModule } from '../../compiler/module.js';

export const EffectiveSE = defineModule({
  doc: 'Effective squeeze-and-excitation: one full layer from the channels’ means to their gates.',
  source: 'arXiv:1911.06667 (CenterMask); timm layers/squeeze_excite.py',
  args: { add_maxpool: bool('squeeze to the middle between mean and maximum', false) },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { add_maxpool }) {
    const mean = g.globalAvgPool(x);
    const squeezed = add_maxpool ? g.mul(g.add(mean, g.globalMaxPool(x)), 0.5) : mean;
    return g.mul(x, g.hardSigmoid(g.conv2d('fc', squeezed, { out: x.shape[1] }), 1 / 6, 0.5, 'gate'));
  },
});
export default EffectiveSE;
