import { Problem } from '../../compiler/errors.js';
import { mul, ratio } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

/** Stride of the first level where a head stands alone: P3 of the usual pyramid. */
const FIRST_STRIDE = 8;

/** Pixels of the image per cell, for every level; both axes must agree. */
export function stridesOf(g: Builder, xs: readonly FeatureMap[]): number[] {
  const [height, width] = g.recording.image ?? [mul(xs[0]!.shape[2], FIRST_STRIDE), mul(xs[0]!.shape[3], FIRST_STRIDE)];
  const strides = xs.map((x, level) => {
    const [down, across] = [ratio(height, x.shape[2]), ratio(width, x.shape[3])];
    if (down !== across) {
      throw new Problem('bad-shape', `level ${level} of the head has a stride of ${down} down and ${across} across`, {
        help: 'A head reads maps that are the image divided by one stride: check strides and upsampling of the rows before.',
      });
    }
    return down;
  });
  const stated = g.stated('stride');
  if (Array.isArray(stated) && stated.length === strides.length && stated.some((stride) => stride !== 0) && stated.some((stride, level) => stride !== strides[level])) {
    throw new Problem('bad-weights', `the head was trained with strides ${stated.join(', ')}, the yaml gives it ${strides.join(', ')}`, { help: 'Give the yaml that the weights were trained with.' });
  }
  return strides;
}
