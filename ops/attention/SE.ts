import { channels, defineModule, int } from '../../compiler/module.js';
import { bottleneck } from './channels.js';

export const SE = defineModule({
  doc: 'Squeeze-and-excitation: weights each channel by a gate computed from its mean.',
  source: 'arXiv:1709.01507',
  args: { out: channels('channels of the row; SE keeps those of its input'), reduction: int('bottleneck ratio', 16) },
  constraints: ['at least `reduction` channels'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  recover(layer) {
    const [hidden = 1, c = 1] = layer.shape('l1.weight');
    return { args: [c, Math.floor(c / hidden)] };
  },
  build(g, x, { reduction }) {
    const [n, c] = x.shape;
    const hidden = bottleneck(c, reduction);
    const squeezed = g.reshape(g.globalAvgPool(x, 'avgpool'), [n, c]);
    const excited = g.relu(g.linear('l1', squeezed, { out: hidden, bias: false }), 'relu');
    const gate = g.sigmoid(g.linear('l2', excited, { out: c, bias: false }), 'sig');
    return g.mul(x, g.reshape(gate, [n, c, 1, 1]));
  },
});
export default SE;
