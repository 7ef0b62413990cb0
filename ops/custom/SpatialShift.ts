import { defineModule, preset } from '../../compiler/module.js';
import type { Extent } from '../../compiler/ir/extent.js';
import { sub } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { Value } from '../../compiler/ir/graph.js';

export const SpatialShift = defineModule({
  doc: 'Shifts each quarter of the channels by one position in a direction of its own; the edge stays. On [n, h, w, c].',
  source: 'arXiv:2108.01072 (S²-MLPv2), which shifts from a copy',
  operator: { shapes: [['batch', 'height', 'width', 'channels']], open: ['height', 'width'] },
  args: { first: preset<Axis>('the axis along which the first half is shifted', 'rows') },
  example: { inputs: [[1, 6, 7, 16]], args: [] },
  build: (g, x, { first }) => {
    const [, , , c] = x.shape as unknown as readonly [Extent, Extent, Extent, number];
    const sizes = quarters(c);
    const parts = g.split(x, 3, sizes.filter((size) => size > 0));
    // Fewer than four channels leave quarters empty.
    const quarterly = sizes.map((size, i) => (size > 0 ? parts[sizes.slice(0, i).filter((before) => before > 0).length] : undefined));
    return g.concat(shifted(g, quarterly, first, { rows: 1, columns: 2 }), 3);
  },
});
export default SpatialShift;

export type Axis = 'rows' | 'columns';

/** Channels of the quarters [0, c/4), [c/4, c/2), [c/2, 3c/4), [3c/4, c), rounded down. */
export function quarters(c: number): number[] {
  const ends = [0, 1, 2, 3, 4].map((i) => Math.floor((i * c) / 4));
  return [0, 1, 2, 3].map((i) => ends[i + 1]! - ends[i]!);
}

/** The quarters that are there, shifted forwards and backwards along `first`, then along the other axis. */
export function shifted(g: Builder, parts: readonly (Value | undefined)[], first: Axis, axes: Readonly<Record<Axis, number>>): Value[] {
  const second = first === 'rows' ? 'columns' : 'rows';
  return parts.flatMap((part, i) => (part ? [shift(g, part, axes[i < 2 ? first : second], i % 2 === 0 ? 'forwards' : 'backwards')] : []));
}

/** Position p gets what was at p − 1 (forwards) or p + 1; at the edge it keeps its own. */
function shift(g: Builder, x: Value, axis: number, direction: 'forwards' | 'backwards'): Value {
  const size = x.shape[axis]!;
  const positions = g.range(size);
  const from = direction === 'forwards' ? g.maximum(g.sub(positions, 1), 0) : g.minimum(g.add(positions, 1), g.size(sub(size, 1)));
  return g.gather(x, axis, g.cast(from, 'int64'));
}
