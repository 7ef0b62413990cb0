import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { mul } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

export const EMA = defineModule({
  doc: 'Efficient multi-scale attention: groups of channels weighted by position, across a 1×1 and a 3×3 branch.',
  source: 'arXiv:2305.13563',
  args: { factor: int('number of groups', 8) },
  constraints: ['`factor` divides the channels'],
  example: { inputs: [[1, 64, 16, 16]], args: [] },
  recover: (layer) => ({ args: [layer.stated('', 'groups')] }),
  build(g, x, { factor }) {
    const [n, c, h, w] = x.shape;
    if (c % factor !== 0) {
      throw new Problem('bad-channels', `EMA factor ${factor} does not divide ${c} channels`, { help: 'Use a factor that divides the channels of the layer before.' });
    }
    const [b, inner, area] = [mul(n, factor), c / factor, mul(h, w)];
    const group = g.reshape(x, [b, inner, h, w]);

    // 1×1 branch: gates along height and along width.
    const rows = g.mean(group, 3, 'pool_h');
    const columns = g.transpose(g.mean(group, 2, 'pool_w'), [0, 1, 3, 2]) as FeatureMap;
    const mixed = g.conv2d('conv1x1', g.concat([rows, columns], 2), { out: inner });
    const [alongHeight, alongWidth] = g.split(mixed, 2, [h, w]) as unknown as readonly [FeatureMap, FeatureMap];
    const gateW = g.sigmoid(g.transpose(alongWidth, [0, 1, 3, 2]));
    const first = g.groupNorm('gn', g.mul(g.mul(group, g.sigmoid(alongHeight)), gateW), inner);
    // 3×3 branch.
    const second = g.conv2d('conv3x3', group, { out: inner, kernel: 3, padding: 1 });

    // Each branch weights the positions of the other by its own channel means.
    const query = (y: FeatureMap): Value => g.softmax(g.reshape(g.globalAvgPool(y, 'agp'), [b, 1, inner]), -1, 'softmax');
    const positions = (y: FeatureMap): Value => g.reshape(y, [b, inner, area]);
    const weights = g.add(g.matmul(query(first), positions(second)), g.matmul(query(second), positions(first)));
    return g.reshape(g.mul(group, g.sigmoid(g.reshape(weights, [b, 1, h, w]))), [n, c, h, w]);
  },
});
export default EMA;
