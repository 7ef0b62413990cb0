/** Where deformable attention samples the map: a regular grid, and learnt offsets from it. Positions are x, y from -1 to 1. */
import type { Builder } from '../../compiler/builder.js';
import { Problem } from '../../compiler/errors.js';
import { mul, sub, type Extent } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

export interface OffsetOptions {
  readonly n_groups: number;
  readonly stride: number;
  readonly ksize: number;
  /** In samples; negative: offsets are not limited. */
  readonly offset_range_factor: number;
  readonly no_off: boolean;
}

/** Offsets x, y of every sample and group: [n · groups, rows, columns, 2]. */
export function offsetsOf(g: Builder, query: FeatureMap, { n_groups: groups, stride, ksize: kernel, offset_range_factor, no_off }: OffsetOptions): Value {
  const [n, c, h, w] = query.shape;
  const width = c / groups;
  const layers = g.in('conv_offset');
  const grouped = g.reshape(query, [mul(n, groups), width, h, w]);
  const padding = kernel === stride ? 0 : Math.floor(kernel / 2);
  const mixed = layers.conv2d('0', grouped, { out: width, kernel, stride, padding, groups: width });
  layers.declare('1');
  const normal = layers.unary('Gelu', layers.layerNorm('1.norm', g.transpose(mixed, [0, 2, 3, 1])), '2');
  // The 1×1 convolution gives y, x; its rows are turned round and it is applied where the channels are last.
  const weight = g.gather(g.reshape(layers.param('3.weight', [2, width, 1, 1]), [2, width]), 0, [1, 0]);
  const offsets = layers.matmul(normal, g.transpose(weight, [1, 0]), '3');
  return offset_range_factor < 0 || no_off ? offsets : g.mul(g.tanh(offsets), reach(g, offsets.shape[1]!, offsets.shape[2]!, offset_range_factor));
}

/** The reach of an offset as a share of the map, x and y: [2]. */
function reach(g: Builder, rows: Extent, columns: Extent, samples: number): Value {
  if (rows === 1 || columns === 1) {
    throw new Problem('bad-shape', `deformable attention needs at least 2 rows and 2 columns of samples, got ${String(rows)} × ${String(columns)}`, {
      help: 'The article’s code divides by zero here as well: use a larger --imgsz, or a DAttention with a negative offset_range_factor.',
    });
  }
  return g.concat([columns, rows].map((size) => g.reshape(g.div(samples, g.size(sub(size, 1))), [1])), 0);
}

/** The centres 0.5, 1.5, … of cells, divided by the number of cells less one, as the article has it: [1, rows, columns, 2]. */
export const referencePoints = (g: Builder, rows: Extent, columns: Extent): Value => grid(g, rows, columns, 0.5);

/** Positions of the corners 0, 1, … between -1 and 1: [1, rows, columns, 2]. */
export const queryPoints = (g: Builder, rows: Extent, columns: Extent): Value => grid(g, rows, columns, 0);

function grid(g: Builder, rows: Extent, columns: Extent, first: number): Value {
  const scaled = (size: Extent): Value => g.sub(g.mul(g.div(g.add(g.range(size), first), g.size(sub(size, 1))), 2), 1);
  const x = g.expand(g.reshape(scaled(columns), [1, 1, columns, 1]), [1, rows, columns, 1]);
  const y = g.expand(g.reshape(scaled(rows), [1, rows, 1, 1]), [1, rows, columns, 1]);
  return g.concat([x, y], 3);
}

/** Without a reach of the offsets, positions end at the edge of the map. */
export const limited = (g: Builder, positions: Value, { offset_range_factor }: Pick<OffsetOptions, 'offset_range_factor'>): Value => (offset_range_factor < 0 ? g.clip(positions, -1, 1) : positions);

/** Means of the cells of the regular grid, of which there must be as many as there would be offsets. */
export function regularMeans(g: Builder, x: FeatureMap, stride: number, [rows, columns]: readonly [Extent, Extent]): FeatureMap {
  const [n, c] = x.shape;
  const means = stride === 1 ? x : g.avgPool2d(x, { kernel: stride });
  const [, , h, w] = means.shape;
  if (h === rows && w === columns) return means;
  if ([h, w, rows, columns].every((size) => typeof size === 'number')) {
    throw new Problem('bad-shape', `a stride of ${stride} makes ${String(h)} × ${String(w)} means, but ${String(rows)} × ${String(columns)} samples`, { help: 'Use a map that the stride divides, or a kernel of the stride’s size.' });
  }
  return g.reshapeAtRunTime(means, [n, c, rows, columns]);
}
