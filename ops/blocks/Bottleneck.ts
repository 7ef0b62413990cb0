import { bool, channels, defineModule, int, number, type Pair, type Reader } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { Literal } from '../../compiler/ir/network.js';
import { Conv } from './Conv.js';

export type Kernels = readonly [Pair, Pair];

/** Two kernel sizes, each an int or [h, w]: `(3, 3)`, `((1, 1), (3, 3))`. */
export const kernelPair = (doc: string, fallback: Kernels): Reader<Kernels> => ({
  kind: 'value',
  type: 'two kernel sizes',
  doc,
  optional: true,
  default: fallback,
  read(value: Literal): Kernels {
    const sizes = Array.isArray(value) ? (value as readonly Literal[]).map(kernelSize) : [];
    const [first, second] = sizes;
    if (sizes.length !== 2 || !first || !second) throw new Problem('bad-argument', 'must be two kernel sizes such as (3, 3)');
    return [first, second];
  },
});

function kernelSize(value: Literal): Pair | undefined {
  const sides = Array.isArray(value) ? (value as readonly Literal[]) : [value, value];
  const good = sides.length === 2 && sides.every((side) => typeof side === 'number' && Number.isInteger(side) && side >= 1 && side <= 4096);
  return good ? (sides as unknown as Pair) : undefined;
}

export const Bottleneck = defineModule({
  doc: 'Two Convs with a shortcut around them where input and output channels are equal.',
  source: 'ultralytics nn/modules/block.py; YOLOv5 always uses kernels 1 and 3',
  args: {
    out: channels('output channels'),
    shortcut: bool('add the input', true),
    groups: int('groups of the second Conv', 1),
    kernels: kernelPair('kernel sizes', [[3, 3], [3, 3]]),
    ratio: number('hidden channels per output channel', 0.5, { min: 0, max: 64 }),
  },
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  recover(layer) {
    const [out = 0] = layer.shape('cv2.conv.weight');
    const [[hidden = 0, , ...first], [, , ...second]] = [layer.shape('cv1.conv.weight'), layer.shape('cv2.conv.weight')];
    return { args: [out, layer.stated('', 'add'), layer.stated('cv2.conv', 'groups'), [first, second], (hidden + 0.5) / out] };
  },
  build(g, x, { out, shortcut, groups, kernels, ratio }) {
    const hidden = g.use('cv1', Conv, x, { out: Math.floor(out * ratio), kernel: kernels[0] });
    const y = g.use('cv2', Conv, hidden, { out, kernel: kernels[1], groups });
    return shortcut && x.shape[1] === out ? g.add(x, y) : y;
  },
});
export default Bottleneck;
