import { defineModule, int, nominal } from '../../compiler/module.js';
import { add, floorDiv, max, min, mul, sub, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { covpool } from '../custom/Covpool.js';
import { sqrtm } from '../custom/Sqrtm.js';
import { bottleneck } from './channels.js';

/** More rows or columns than this are cropped to the centre before the covariance is taken. */
const CROP = 1000;
/** Newton–Schulz iterations of the matrix square root. */
const ITERATIONS = 5;

export const SOCA = defineModule({
  doc: 'Second-order channel attention: a gate per channel from the square root of the channels’ covariance.',
  source: 'CVPR 2019, Dai et al. (SAN)',
  args: { channels: nominal('channels of the row; SOCA keeps those of its input'), reduction: int('bottleneck ratio', 8) },
  constraints: ['at least `reduction` channels', 'a map of more than one position'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x, { reduction }) {
    const [n, c, h, w] = x.shape;
    g.undefinedWhere(mul(h, w) === 1, 'SOCA takes a covariance over positions, and this map has one position', 'Use a larger --imgsz, or put SOCA before the stride that leaves one position.');
    g.declare('max_pool', 'conv_du');
    const root = sqrtm(g, covpool(g, cropped(g, x)), ITERATIONS);
    const squeezed = g.reshape(g.mean(root, 1), [n, c, 1, 1]);
    const gates = g.in('conv_du');
    const excited = gates.relu(gates.conv2d('0', squeezed, { out: bottleneck(c, reduction) }), '1');
    return g.mul(gates.sigmoid(gates.conv2d('2', excited, { out: c }), '3'), x);
  },
});
export default SOCA;

/** The centre CROP rows and columns of a larger map. */
function cropped(g: Builder, x: FeatureMap): FeatureMap {
  const [, , h, w] = x.shape;
  return crop(g, crop(g, x, 2, h, w), 3, w, h);
}

function crop(g: Builder, x: FeatureMap, axis: number, size: Extent, other: Extent): FeatureMap {
  const skipped = wrapped(size, other);
  const start = add(max(0, floorDiv(sub(size, CROP), 2)), skipped);
  const end = add(start, sub(min(size, CROP), skipped));
  return start === 0 && end === size ? x : g.slice(x, axis, start, end);
}

/**
 * The article compares with < and >, so that a side of exactly CROP crops the other, shorter side as well, from a
 * negative start, which counts from the end. Sizes that are open are taken not to be CROP.
 */
function wrapped(size: Extent, other: Extent): number {
  if (typeof size !== 'number' || other !== CROP || size >= CROP) return 0;
  return Math.max(0, size + Math.floor((size - CROP) / 2));
}
