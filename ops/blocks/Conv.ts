import type { Literal } from '../../compiler/ir/network.js';
import { activation, channels, defineModule, int, padding, pair, type Pair, type TrainedLayer } from '../../compiler/module.js';

/** autopad: "same" padding for odd kernels, `dilation·(kernel − 1) + 1` halved. */
export const samePadding = (kernel: Pair, dilation = 1): Pair => {
  const half = (k: number): number => Math.floor((dilation > 1 ? dilation * (k - 1) + 1 : k) / 2);
  return [half(kernel[0]), half(kernel[1])];
};

/** A trained convolution as the arguments [out, kernel, stride, padding, groups, dilation]. */
export function convArgs(layer: TrainedLayer, path: string): readonly Literal[] {
  const [out = 0, , ...kernel] = layer.shape(`${path}.weight`);
  return [out, kernel, ...['stride', 'padding', 'groups', 'dilation'].map((name) => pairOrOne(layer.stated(path, name)))];
}

/** [2, 2] → 2. */
const pairOrOne = (value: Literal): Literal => (Array.isArray(value) && value[0] === value[1] ? (value as readonly Literal[])[0]! : value);

export const Conv = defineModule({
  doc: 'Convolution without bias, batch normalization, activation (SiLU).',
  source: 'ultralytics/yolov5 models/common.py',
  args: {
    out: channels('output channels'),
    kernel: pair('kernel size', 1),
    stride: pair('stride', 1),
    padding: padding('padding; None keeps the size for odd kernels'),
    groups: int('groups', 1),
    dilation: int('dilation', 1, { max: 4096 }),
    act: activation("activation: True is the model's default, False none, 'nn.ReLU()' that one"),
  },
  example: { inputs: [[1, 16, 16, 16]], args: [32, 3, 2] },
  recover: (layer) => ({ args: convArgs(layer, 'conv') }),
  build(g, x, { out, kernel, stride, padding: pads, groups, dilation, act }) {
    const conv = g.conv2d('conv', x, { out, kernel, stride, padding: pads ?? samePadding(kernel, dilation), groups, dilation, bias: false });
    return g.activation(g.batchNorm2d('bn', conv), act, 'act');
  },
});
export default Conv;
