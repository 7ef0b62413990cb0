/** AdaptiveAvgPool2d to any size, larger ones included: means of the cells ⌊i·h/rows⌋ to ⌈(i + 1)·h/rows⌉, which may overlap. */
import type { Builder } from '../../compiler/builder.js';
import type { Extent } from '../../compiler/ir/extent.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import type { Pair } from '../../compiler/module.js';

export function adaptiveAvgPool(g: Builder, x: FeatureMap, [rows, columns]: readonly [Extent, Extent], module?: string): FeatureMap {
  const [, , h, w] = x.shape;
  const kernel = quotients([h, w], [rows, columns]);
  if (kernel) return g.avgPool2d(x, { kernel }, module);
  if (module !== undefined) g.declare(module);
  const scales = quotients([rows, columns], [h, w]);
  if (scales) return g.resize(x, { scales, mode: 'nearest' });
  return g.matmul(g.matmul(shares(g, h, rows), x), g.transpose(shares(g, w, columns), [1, 0])) as FeatureMap;
}

/** Whole quotients of known sizes. */
function quotients([h, w]: readonly [Extent, Extent], [rows, columns]: readonly [Extent, Extent]): Pair | undefined {
  if (typeof h !== 'number' || typeof w !== 'number' || typeof rows !== 'number' || typeof columns !== 'number') return undefined;
  return h % rows === 0 && w % columns === 0 ? [h / rows, w / columns] : undefined;
}

/** The share of every position in every cell's mean: [cells, positions]. */
function shares(g: Builder, positions: Extent, cells: Extent): Value {
  const scaled = (index: Value): Value => g.div(g.mul(index, g.size(positions)), g.size(cells));
  const cell = g.reshape(g.range(cells), [cells, 1]);
  const start = g.unary('Floor', scaled(cell));
  const end = g.unary('Neg', g.unary('Floor', g.unary('Neg', scaled(g.add(cell, 1)))));
  const position = g.reshape(g.range(positions), [1, positions]);
  const inside = g.mul(g.clip(g.add(g.sub(position, start), 1), 0, 1), g.clip(g.sub(end, position), 0, 1));
  return g.div(inside, g.sub(end, start));
}
