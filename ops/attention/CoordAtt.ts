import { channels, defineModule, int } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { sameChannels } from './channels.js';

export const CoordAtt = defineModule({
  doc: 'Coordinate attention: a gate per row and a gate per column of every channel.',
  source: 'arXiv:2103.02907',
  args: { out: channels('channels of the gates: those of the input'), reduction: int('bottleneck ratio', 32) },
  constraints: ['the row’s channels are those of its input'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  recover(layer) {
    const [hidden = 1, c = 1] = layer.shape('conv1.weight');
    return { args: [c, Math.floor(c / hidden)] };
  },
  build(g, x, { out, reduction }) {
    const [n, , h, w] = x.shape;
    const c = sameChannels(x.shape[1], out, 'CoordAtt');
    const hidden = Math.max(8, Math.floor(c / reduction));
    const rows = g.mean(x, 3, 'pool_h') as FeatureMap;
    const columns = g.reshape(g.mean(x, 2, 'pool_w'), [n, c, w, 1]);
    const mixed = g.batchNorm2d('bn1', g.conv2d('conv1', g.concat([rows, columns], 2), { out: hidden }));
    g.declare('act', 'act.sigmoid');
    const activated = g.mul(mixed, g.hardSigmoid(mixed, 1 / 6, 0.5, 'act.sigmoid.relu'));
    const [alongHeight, alongWidth] = g.split(activated, 2, [h, w]) as unknown as readonly [FeatureMap, FeatureMap];
    const gateH = g.sigmoid(g.conv2d('conv_h', alongHeight, { out }));
    const gateW = g.sigmoid(g.conv2d('conv_w', g.reshape(alongWidth, [n, hidden, 1, w]), { out }));
    return g.mul(g.mul(x, gateW), gateH);
  },
});
export default CoordAtt;
