import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';
import type { Param, Value } from '../../compiler/ir/graph.js';

/** Groups of the static context, and the bottleneck's ratio. */
const FACTOR = 4;

export const CoTAttention = defineModule({
  doc: 'Contextual transformer: a convolution’s static context plus values weighted over the map by that context and the input.',
  source: 'arXiv:2107.12292; xmu-xiaoma666/External-Attention-pytorch CoTAttention.py',
  args: { kernel_size: int('kernel of the static context, odd', 3, { max: 63 }) },
  constraints: ['4 divides the channels', 'kernel is odd'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { kernel_size: kernel }) {
    const [n, c, h, w] = x.shape;
    if (c % FACTOR !== 0) throw new Problem('bad-channels', `${FACTOR} groups do not divide ${c} channels`, { help: `Give the layer before a multiple of ${FACTOR} channels.` });
    if (kernel % 2 === 0) throw new Problem('bad-argument', `CoTAttention kernel must be odd, got ${kernel}`);
    const [keys, values, attention] = [g.in('key_embed'), g.in('value_embed'), g.in('attention_embed')];
    const context = keys.relu(keys.batchNorm2d('1', keys.conv2d('0', x, { out: c, kernel, padding: (kernel - 1) / 2, groups: FACTOR, bias: false })), '2');
    const value = values.batchNorm2d('1', values.conv2d('0', x, { out: c, bias: false }));

    const mixed = attention.conv2d('0', g.concat([context, x], 1), { out: (2 * c) / FACTOR, bias: false });
    const hidden = attention.relu(attention.batchNorm2d('1', mixed), '2');
    // Only the mean of a channel's kernel² scores is used: it is taken of the weights.
    const [taps, positions] = [kernel * kernel, mul(h, w)];
    const mean = (param: Param, rest: readonly number[]): Value => g.reshape(g.mul(g.sum(g.reshape(param, [c, taps, ...rest]), [1]), 1 / taps), [c, ...rest]);
    const scores = g.either(
      () => g.mean(g.reshape(attention.conv2d('3', hidden, { out: taps * c }), [n, c, taps, positions]), 2) as Value,
      () => attention.conv2d('3', hidden, { out: taps * c, affine: (weight, bias) => [mean(weight, [(2 * c) / FACTOR, 1, 1]), mean(bias, [])] }),
    );
    const weights = g.reshape(g.softmax(g.reshape(scores, [n, c, positions]), 2), [n, c, h, w]);
    return g.add(context, g.mul(weights, value));
  },
});
export default CoTAttention;
