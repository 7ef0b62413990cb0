import { bool, channels, defineModule, int, literal } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { Conv } from './Conv.js';

/** Ultralytics gives the first Conv its activation only where the row has no third argument. */
const DEFAULT_POOLS = 3;

export const SPPF = defineModule({
  doc: 'Spatial pyramid pooling, fast: the same max pool n times in a row.',
  source: 'ultralytics/yolov5 models/common.py',
  args: {
    out: channels('output channels'),
    kernel: int('pool size, odd', 5, { max: 4095 }),
    pools: literal('how many pools; where given, the first Conv has no activation (Ultralytics 8.4)', 'int', null),
    shortcut: bool('add the input', false),
  },
  constraints: ['the pool size is odd'],
  example: { inputs: [[1, 16, 16, 16]], args: [16, 5] },
  recover(layer) {
    const [[hidden = 1], [out = 0, joined = 0]] = [layer.shape('cv1.conv.weight'), layer.shape('cv2.conv.weight')];
    const pools = joined / hidden - 1;
    return { args: [out, layer.stated('m', 'kernel_size'), ...(pools === DEFAULT_POOLS ? [] : [pools])] };
  },
  build(g, x, { out, kernel, pools, shortcut }) {
    const count = pools ?? DEFAULT_POOLS;
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 64) {
      throw new Problem('bad-argument', 'SPPF pools must be an integer from 1 to 64');
    }
    const parts: FeatureMap[] = [g.use('cv1', Conv, x, { out: Math.floor(x.shape[1] / 2), act: pools === null })];
    for (let i = 0; i < count; i++) parts.push(g.maxPool2d(parts.at(-1)!, { kernel, stride: 1, padding: Math.floor(kernel / 2) }, 'm'));
    const y = g.use('cv2', Conv, g.concat(parts, 1), { out });
    return shortcut && x.shape[1] === out ? g.add(y, x) : y;
  },
});
export default SPPF;
