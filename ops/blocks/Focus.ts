import { activation, channels, defineModule, int, padding, pair } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { Conv, convArgs } from './Conv.js';

export const Focus = defineModule({
  doc: 'Puts the four pixels of every 2×2 block into channels, then a Conv.',
  source: 'ultralytics/yolov5 models/common.py',
  args: {
    out: channels('output channels'),
    kernel: pair('kernel size', 1),
    stride: pair('stride', 1),
    padding: padding('padding; None keeps the size for odd kernels'),
    groups: int('groups', 1),
    act: activation("activation: True is the model's default, False none"),
  },
  constraints: ['height and width are even'],
  example: { inputs: [[1, 3, 16, 16]], args: [16, 3] },
  recover: (layer) => ({ args: convArgs(layer, 'conv.conv').slice(0, 5) }),
  build(g, x, { out, kernel, stride, padding: pads, groups, act }) {
    const [, , h, w] = x.shape;
    const phase = (row: number, column: number): FeatureMap => g.slice(g.slice(x, 2, row, h, 2), 3, column, w, 2);
    const blocks = g.concat([phase(0, 0), phase(1, 0), phase(0, 1), phase(1, 1)], 1);
    return g.use('conv', Conv, blocks, { out, kernel, stride, padding: pads, groups, act });
  },
});
export default Focus;
