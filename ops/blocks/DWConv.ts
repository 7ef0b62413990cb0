import { activation, channels, defineModule, int, pair } from '../../compiler/module.js';
import { greatestCommonDivisor } from '../../compiler/ir/extent.js';
import { Conv, convArgs } from './Conv.js';

export const DWConv = defineModule({
  doc: 'Depthwise Conv: as many groups as input and output channels share (their greatest common divisor).',
  source: 'ultralytics/yolov5 models/common.py',
  args: {
    out: channels('output channels'),
    kernel: pair('kernel size', 1),
    stride: pair('stride', 1),
    dilation: int('dilation', 1, { max: 4096 }),
    act: activation("activation: True is the model's default, False none, 'nn.ReLU()' that one"),
  },
  example: { inputs: [[1, 16, 16, 16]], args: [16, 3] },
  recover(layer) {
    const [out, kernel, stride, , , dilation] = convArgs(layer, 'conv');
    return { args: [out!, kernel!, stride!, dilation!] };
  },
  build(g, x, { out, kernel, stride, dilation, act }) {
    return Conv.build(g, x, { out, kernel, stride, padding: null, groups: greatestCommonDivisor(x.shape[1], out), dilation, act, n: 1 });
  },
});
export default DWConv;
