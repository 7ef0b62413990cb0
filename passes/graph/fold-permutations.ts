import type { Constant, Param, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { columnsOf, ownsWeights, type Conv } from './conv-parts.js';

/**
 * A convolution reads channels in any order, if its weight has them in that order:
 *
 *     Conv(Gather(x, p, axis 1), w) = Conv(x, w[:, p⁻¹])      for a permutation p of the channels
 *
 * ShuffleAttention ends with a channel shuffle. (OpenVINO folds it too, up to 2026.4 with p in the place of p⁻¹.) Refused:
 * rows that are left out or taken twice, a Gather that something else reads too, grouped convolutions, weights that are
 * shared or computed.
 */
export const foldPermutations: Pass = {
  name: 'fold-permutations',
  doc: 'Puts a permutation of channels into the weight of the convolution that reads it.',
  scope: 'every-graph',
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      const found = isOp(node, 'Conv') && node.attrs.group === 1 ? permutedInput(node, rewriting) : undefined;
      if (!found || !isOp(node, 'Conv') || !ownsWeights(node, rewriting)) return [node];
      const [, weight, ...bias] = node.inputs as readonly [Value, Param, ...Param[]];
      const [sorted] = columnsOf(weight, [found.inverse.map((channel) => [channel, channel + 1] as const)]) as readonly [Param];
      const conv = opNode('Conv', [found.x, { ...sorted, key: `${weight.key}.permuted` }, ...bias], node.attrs, node.scope);
      rewriting.replace(node.outputs[0]!, conv.outputs[0]!);
      return [conv];
    }),
};

/** What the Conv's input permutes the channels of, and where each channel goes. */
function permutedInput({ inputs: [shuffled] }: Conv, { maker, readOnce }: Rewriting): { readonly x: Value; readonly inverse: readonly number[] } | undefined {
  const gather = maker(shuffled!);
  if (!isOp(gather, 'Gather') || gather.attrs.axis !== 1 || !readOnce(shuffled!)) return undefined;
  const [x, indices] = gather.inputs as readonly [Value, Value];
  const inverse = indices.kind === 'constant' && indices.shape.length === 1 ? inverseOf(indices, x.shape[1] as number) : undefined;
  return inverse && { x, inverse };
}

/** Undefined for what is no permutation of 0 … size − 1. */
function inverseOf({ data }: Constant, size: number): readonly number[] | undefined {
  if (data.length !== size) return undefined;
  const inverse = new Array<number>(size).fill(-1);
  Array.from(data).forEach((from, to) => (inverse[from] = to));
  return inverse.length === size && !inverse.includes(-1) ? inverse : undefined;
}
