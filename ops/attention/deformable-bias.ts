/** Position biases of deformable attention, for [n, heads, positions, samples] of scores. */
import type { Builder } from '../../compiler/builder.js';
import { Problem } from '../../compiler/errors.js';
import { mul, product, type Extent } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import type { Pair } from '../../compiler/module.js';
import { queryPoints } from './deformable-offsets.js';

export interface BiasOptions {
  readonly q_size: Pair;
  readonly n_heads: number;
  readonly n_groups: number;
  readonly stride: number;
  readonly fixed_pe: boolean;
  readonly log_cpb: boolean;
}

/** Hidden width of the MLP. */
const HIDDEN = 32;

/** `positions`: where the samples are, [n · groups, rows, columns, 2]; `map`: batch, height and width of the queries. */
export function positionBias(g: Builder, positions: Value, options: BiasOptions, map: readonly [Extent, Extent, Extent]): Value {
  if (options.fixed_pe) return fromPairs(g, positions, options, map);
  const [, h, w] = map;
  g.undefinedWhere(h === 1 || w === 1, 'the position bias divides by the height and width less one, and this map has one row or column', 'Use a larger --imgsz, or dwc_pe=True.');
  return options.log_cpb ? fromDistance(g, positions, options, map) : fromTable(g, positions, options, map);
}

/** A learnt number for every pair of a position and a sample: the map's size is fixed. */
function fromPairs(g: Builder, positions: Value, { q_size: [rows, columns], n_heads: heads, stride }: BiasOptions, [, h, w]: readonly [Extent, Extent, Extent]): Value {
  if (typeof h === 'symbol' || typeof w === 'symbol') {
    throw new Problem('bad-shape', `fixed_pe has a learnt table for a map of ${rows} × ${columns}: height and width cannot stay open`, { help: 'Compile with --dynamic batch or none, or use another position encoding.' });
  }
  const samples = Math.floor(rows / stride) * Math.floor(columns / stride);
  if (h !== rows || w !== columns || positions.shape[1] as number * (positions.shape[2] as number) !== samples) {
    throw new Problem('bad-shape', `fixed_pe has a learnt table for a map of ${rows} × ${columns} with ${samples} samples, but the map is ${h} × ${w} with ${String(mul(positions.shape[1]!, positions.shape[2]!))} samples`, {
      help: `Write q_size [${h}, ${w}], or use the --imgsz for which the table was learnt.`,
    });
  }
  return g.reshape(g.param('rpe_table', [heads, rows * columns, samples]), [1, heads, rows * columns, samples]);
}

/** A learnt table over distances, read between its entries: it serves maps of any size. */
function fromTable(g: Builder, positions: Value, { q_size: [rows, columns], n_heads: heads, n_groups: groups }: BiasOptions, map: readonly [Extent, Extent, Extent]): Value {
  const [n] = map;
  const [height, width, perGroup] = [2 * rows - 1, 2 * columns - 1, heads / groups];
  const table = g.reshape(g.param('rpe_table', [heads, height, width]), [1, heads, height, width]);
  const tables = g.reshape(g.expand(table, [n, heads, height, width]), [mul(n, groups), perGroup, height, width]) as FeatureMap;
  const bias = g.gridSample(tables, g.mul(distances(g, positions, map), 0.5), { mode: 'bilinear', padding: 'zeros', alignCorners: true });
  return g.reshape(bias, [n, heads, bias.shape[2], bias.shape[3]]);
}

/** An MLP of sign(d) · log₂(1 + |4d|) / 3, as in Swin V2. */
function fromDistance(g: Builder, positions: Value, { n_heads: heads, n_groups: groups }: BiasOptions, map: readonly [Extent, Extent, Extent]): Value {
  const mlp = g.in('rpe_table');
  const distance = g.mul(distances(g, positions, map), 4);
  const logarithm = g.mul(g.unary('Log', g.add(g.unary('Abs', distance), 1)), 1 / Math.log(8));
  // The weights were learnt for y, x.
  const hidden = mlp.relu(mlp.dense('0', g.mul(g.unary('Sign', distance), logarithm), { out: HIDDEN, order: [1, 0] }), '1');
  const bias = g.transpose(mlp.dense('2', hidden, { out: heads / groups, bias: false }), [0, 3, 1, 2]);
  return g.reshape(bias, [map[0], heads, bias.shape[2]!, bias.shape[3]!]);
}

/** From every sample to every position, x and y: [n · groups, positions, samples, 2]. */
function distances(g: Builder, positions: Value, [, h, w]: readonly [Extent, Extent, Extent]): Value {
  const [many, rows, columns] = positions.shape as readonly [Extent, Extent, Extent];
  const queries = g.reshape(queryPoints(g, h, w), [1, product([h, w]), 1, 2]);
  return g.sub(queries, g.reshape(positions, [many, 1, mul(rows, columns), 2]));
}
