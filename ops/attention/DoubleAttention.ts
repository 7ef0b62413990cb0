import { channels, defineModule, flag, int } from '../../compiler/module.js';
import { mul } from '../../compiler/ir/extent.js';

export const DoubleAttention = defineModule({
  doc: 'A²-Nets: features are gathered into a few descriptors, which are then distributed over the positions.',
  source: 'arXiv:1810.11579',
  args: {
    out: channels('channels of the descriptors (c_m)'),
    descriptors: int('number of descriptors (c_n), not scaled', undefined, { max: 65_536 }),
    reconstruct: flag('bring the result back to the channels of the input', true),
  },
  constraints: ['without `reconstruct` the row’s channels come out, with it those of its input'],
  example: { inputs: [[1, 64, 16, 16]], args: [64, 32] },
  build(g, x, { out, descriptors, reconstruct }) {
    const [n, c, h, w] = x.shape;
    const positions = mul(h, w);
    const features = g.reshape(g.conv2d('convA', x, { out }), [n, out, positions]);
    const [maps, vectors] = ['convB', 'convV'].map((name) => g.reshape(g.conv2d(name, x, { out: descriptors }), [n, descriptors, positions]));
    // Both softmaxes run over the descriptors.
    const gathered = g.matmul(features, g.softmax(g.transpose(maps!, [0, 2, 1]), 2));
    const distributed = g.reshape(g.matmul(gathered, g.softmax(vectors!, 1)), [n, out, h, w]);
    return reconstruct ? g.conv2d('conv_reconstruct', distributed, { out: c }) : distributed;
  },
});
export default DoubleAttention;
