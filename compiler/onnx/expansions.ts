/**
 * The same arithmetic for opsets that lack an operator, in operators that opset 11 has. A second table, typed by the
 * first: in one table the types would go in a circle.
 */
import type { Builder } from '../builder.js';
import type { Pair } from '../module.js';
import { add, known, product, type Extent } from '../ir/extent.js';
import { viewOf, type FeatureMap, type OpNode, type Value } from '../ir/graph.js';
import type { OpName } from './operators/index.js';
import { sampleByGather } from './sample-by-gather.js';

/** Gives nothing where the node is already in the simplest form. */
type Expansions = { readonly [K in OpName]?: (g: Builder, node: OpNode & { readonly op: K }) => readonly Value[] | undefined };

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
    if (axis === rank - 1) return undefined;
    const perm = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
    return [g.transpose(g.softmax(g.transpose(x!, perm), rank - 1), perm)];
  },
  /** clip(alpha · x + beta, 0, 1) */
  HardSigmoid: (g, { inputs: [x], attrs: { alpha, beta } }) => [g.clip(g.add(g.mul(x!, alpha), beta), 0, 1)],
  /** Zeros around the map, then means of windows. */
  AveragePool(g, { inputs: [x], attrs: { kernel, strides, pads } }) {
    if (!pads || kernel.length !== 2) return undefined;
    const [top, left, bottom, right] = pads as readonly [number, number, number, number];
    const padded = g.padded(x as FeatureMap, [top, left, bottom, right]);
    return [g.avgPool2d(padded, { kernel: kernel as Pair, stride: strides as Pair })];
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

/** What the node's outputs become, or undefined where no expansion is known, or none is needed. */
export function expansionOf(node: OpNode, g: Builder): readonly Value[] | undefined {
  const expand = expansions[node.op] as ((g: Builder, node: OpNode) => readonly Value[] | undefined) | undefined;
  return expand?.(g, node);
}

export const hasExpansion = (op: OpName): boolean => Object.hasOwn(expansions, op);
