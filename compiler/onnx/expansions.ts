/**
 * The same arithmetic for opsets that lack an operator, in operators that opset 11 has. A second table, typed by the
 * first: in one table the types would go in a circle.
 */
import type { Builder } from '../builder.js';
import { add, known, product, type Extent } from '../ir/extent.js';
import { viewOf, type FeatureMap, type OpNode, type Value } from '../ir/graph.js';
import type { AttrsOf, OpName } from './operators/index.js';

type Expansions = { readonly [K in OpName]?: (g: Builder, node: OpNode & { readonly op: K }) => readonly Value[] };

/** A parameter read with another shape: no node. Anything else is reshaped by one. */
const viewed = (g: Builder, value: Value, shape: readonly Extent[]): Value => (value.kind === 'param' ? viewOf(value, shape) : g.reshape(value, shape));

/** A vector [c] against [n, c, …]. */
const perChannel = (g: Builder, vector: Value, rank: number): Value =>
  viewed(g, vector, [vector.shape[0]!, ...Array.from({ length: rank - 2 }, () => 1)]);

const expansions: Expansions = {
  /** (x − E[x]) / sqrt(Var[x] + ε) · γ + β over the last axis. */
  LayerNormalization(g, { inputs: [x, gamma, beta], attrs }) {
    const axis = x!.shape.length - 1;
    const centred = g.sub(x!, g.mean(x!, axis));
    const variance = g.mean(g.mul(centred, centred), axis);
    const normal = g.div(centred, g.sqrt(g.add(variance, attrs.epsilon)));
    return [g.add(g.mul(normal, gamma!), beta!)];
  },
  /** Instance normalization over each group as if it were one channel; with one channel a group it is exactly that. */
  GroupNormalization(g, { inputs: [x, gamma, beta], attrs: { groups, epsilon } }) {
    const c = known(x!.shape[1]!, 'the number of channels');
    if (groups === c) return [g.instanceNorm(x!, gamma!, beta!, epsilon)];
    const [n, , ...space] = x!.shape as readonly [Extent, ...Extent[]];
    const grouped = g.reshape(x!, [n, groups, product([c / groups, ...space])]);
    const [ones, zeros] = [1, 0].map((value) => g.constant(new Float32Array(groups).fill(value), [groups])) as [Value, Value];
    const normal = g.reshape(g.instanceNorm(grouped, ones, zeros, epsilon), x!.shape);
    return [g.add(g.mul(normal, perChannel(g, gamma!, x!.shape.length)), perChannel(g, beta!, x!.shape.length))];
  },
  /** Below opset 13 Softmax works on the last axis only. */
  Softmax(g, { inputs: [x], attrs: { axis } }) {
    const rank = x!.shape.length;
    const perm = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
    return [g.transpose(g.softmax(g.transpose(x!, perm), rank - 1), perm)];
  },
  /** x · clip(x / 6 + 1 / 2, 0, 1) */
  HardSwish: (g, { inputs: [x] }) => [g.mul(x!, g.hardSigmoid(x!, 1 / 6, 0.5))],
  /** x · tanh(ln(1 + eˣ)) */
  Mish: (g, { inputs: [x] }) => [g.mul(x!, g.tanh(g.unary('Softplus', x!)))],
  /** x · (1 + erf(x / √2)) / 2 */
  Gelu: (g, { inputs: [x] }) => [g.mul(g.mul(x!, 0.5), g.add(g.unary('Erf', g.mul(x!, Math.SQRT1_2)), 1))],
  GridSample: (g, { inputs: [x, grid], attrs }) => [sampleByGather(g, x as FeatureMap, grid!, attrs)],
  /** Slices, where the sizes are only known at run time. */
  Split(g, { inputs: [x], attrs: { axis, sizes } }) {
    let start: Extent = 0;
    return sizes.map((size) => {
      const end: Extent = add(start, size);
      const part = g.slice(x!, axis, start, end);
      start = end;
      return part;
    });
  },
};

/**
 * Sampling by Gather: the map is laid out as rows of channels [n·h·w, c], read at the four cells around every position
 * (one for `nearest`), and weighted. Positions are clamped to the map and, for zeros, one cell of zeros around it, so
 * that the index of every number is valid (NaN has none, and the runtime then fails). Indices are int64: float32 would be exact up to 2²⁴ only.
 */
function sampleByGather(g: Builder, x: FeatureMap, grid: Value, { mode, padding, alignCorners }: AttrsOf<'GridSample'>): Value {
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

/** What the node's outputs become, or undefined where no expansion is known. */
export function expansionOf(node: OpNode, g: Builder): readonly Value[] | undefined {
  const expand = expansions[node.op] as ((g: Builder, node: OpNode) => readonly Value[]) | undefined;
  return expand?.(g, node);
}

export const hasExpansion = (op: OpName): boolean => Object.hasOwn(expansions, op);
