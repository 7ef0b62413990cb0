import { bool, choice, defineModule, literal, type Pair } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { ratio, type Extent } from '../../compiler/ir/extent.js';
import type { Literal } from '../../compiler/ir/network.js';

export const Upsample = defineModule({
  doc: 'Resizes a feature map by a factor, or to a size.',
  source: 'torch.nn.Upsample',
  args: {
    size: literal('output size, or None', 'int, [h, w] or None', null),
    scale: literal('factor, or None', 'number, [h, w] or None', null),
    mode: choice('interpolation', ['nearest', 'bilinear'], 'nearest'),
    align_corners: bool('bilinear: corner pixels keep their values', false),
  },
  prints: 'as-written',
  example: { inputs: [[1, 8, 16, 16]], args: [null, 2, 'nearest'] },
  recover: (layer) => ({ args: [layer.stated('', 'size'), layer.stated('', 'scale_factor'), layer.stated('', 'mode'), layer.stated('', 'align_corners') ?? false] }),
  build(g, x, { size, scale, mode, align_corners: alignCorners }) {
    const scales = scale === null ? toSize(size, [x.shape[2], x.shape[3]]) : toFactors(scale);
    if (size !== null && scale !== null) throw new Problem('bad-argument', 'Upsample takes a size or a factor, not both');
    return g.resize(x, { scales, mode, alignCorners }, '');
  },
});
export default Upsample;

function positivePair(value: Literal, what: string): Pair {
  const pair = Array.isArray(value) ? (value as readonly Literal[]) : [value, value];
  if (pair.length !== 2 || pair.some((side) => typeof side !== 'number' || !(side > 0) || side > 4096)) {
    throw new Problem('bad-argument', `Upsample ${what} must be a positive number or two of them`);
  }
  return pair as unknown as Pair;
}

const toFactors = (scale: Literal): Pair => positivePair(scale, 'factor');

/** The factors that reach a given size. */
function toSize(size: Literal, [h, w]: readonly [Extent, Extent]): Pair {
  if (size === null) throw new Problem('bad-argument', 'Upsample needs a size or a factor', { help: "Write [None, 2, 'nearest']." });
  const [height, width] = positivePair(size, 'size');
  return [ratio(height, h), ratio(width, w)];
}
