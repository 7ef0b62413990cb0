/** GridSample for opsets that lack it. */
import type { Builder } from '../builder.js';
import { add, product, type Extent } from '../ir/extent.js';
import type { FeatureMap, Value } from '../ir/graph.js';
import type { GridSample } from './operators/sampling.js';

/**
 * Sampling by Gather: the map is laid out as rows of channels [n·h·w, c], read at the four cells around every position
 * (one for `nearest`), and weighted. Positions are clamped to the map and, for zeros, one cell of zeros around it, so
 * that the index of every number is valid (NaN has none, and the runtime then fails). Indices are int64: float32 would be exact up to 2²⁴ only.
 */
export function sampleByGather(g: Builder, x: FeatureMap, grid: Value, { mode, padding, alignCorners }: GridSample): Value {
  const [n, c, h, w] = x.shape;
  const [rows, columns] = [grid.shape[1]!, grid.shape[2]!];
  const margin = padding === 'zeros' ? 1 : 0;
  const padded = g.pad(x, { before: margin, after: margin + 1 });
  const [height, width] = [padded.shape[2], padded.shape[3]];
  const cells = g.reshape(g.transpose(padded, [0, 2, 3, 1]), [product([n, height, width]), c]);

  const place = (coordinate: Value, size: Extent): Value => {
    const scaled = g.mul(g.add(coordinate, 1), g.div(g.size(alignCorners ? add(size, -1) : size), 2));
    const pixel = alignCorners ? scaled : g.sub(scaled, 0.5);
    const inside = padding === 'reflection' ? reflected(g, pixel, size, alignCorners) : pixel;
    const nearest = mode === 'nearest' ? g.unary('Round', inside) : inside;
    const last = g.size(add(size, margin - 1));
    return g.add(g.minimum(g.maximum(nearest, -margin), last), margin);
  };
  const [across, down] = g.split(grid, 3, [1, 1]) as readonly [Value, Value];
  const [px, py] = [place(across, w), place(down, h)];
  const [left, top] = mode === 'nearest' ? [px, py] : [g.unary('Floor', px), g.unary('Floor', py)];

  const whole = (size: Extent): Value => g.cast(g.size(size), 'int64');
  const one = g.constant([1], [], 'int64');
  const row = whole(width);
  const image = g.reshape(g.mul(g.cast(g.range(n), 'int64'), g.mul(whole(height), row)), [n, 1, 1, 1]);
  const first = g.reshape(g.add(g.add(g.cast(left, 'int64'), g.mul(g.cast(top, 'int64'), row)), image), [n, rows, columns]);
  /** Cells by index: [n, h', w', c]. */
  const read = (index: Value): Value => g.gather(cells, 0, index);
  if (mode === 'nearest') return g.transpose(read(first), [0, 3, 1, 2]);
  const below = g.add(first, row);
  const [fx, fy] = [g.sub(px, left), g.sub(py, top)];
  const [gx, gy] = [g.sub(1, fx), g.sub(1, fy)] as readonly [Value, Value];
  const parts = [[first, gy, gx], [g.add(first, one), gy, fx], [below, fy, gx], [g.add(below, one), fy, fx]] as const;
  const weighted = parts.map(([index, a, b]): Value => g.mul(read(index), g.mul(a, b)));
  return g.transpose(weighted.reduce((sum, part) => g.add(sum, part)), [0, 3, 1, 2]);
}

/** Positions mirrored at the centres of the outer cells, or at their edges, as often as it takes. */
function reflected(g: Builder, pixel: Value, size: Extent, alignCorners: boolean): Value {
  const low = alignCorners ? 0 : -0.5;
  // A map of one cell has no span between centres: any other keeps the arithmetic from dividing by it.
  const span = alignCorners ? g.maximum(g.size(add(size, -1)), 1) : g.size(size);
  const distance = g.unary('Abs', g.sub(pixel, low));
  const turns = g.unary('Floor', g.div(distance, span));
  const rest = g.sub(distance, g.mul(turns, span));
  const odd = g.sub(turns, g.mul(g.unary('Floor', g.mul(turns, 0.5)), 2));
  return g.add(g.add(rest, g.mul(odd, g.sub(span, g.mul(rest, 2)))), low);
}
