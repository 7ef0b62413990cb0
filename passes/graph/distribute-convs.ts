import type { Node, Param, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving } from '../rewrite.js';
import { columnsOf, isPointwise, ownsWeights, type Range } from './conv-parts.js';

/**
 * A 1 × 1 convolution of joined maps is a sum of convolutions:
 *
 *     Conv(Concat(a, b, …), [w₁ w₂ …], bias) = Conv(a, w₁, bias) + Conv(b, w₂) + …
 *
 * onnxruntime's CPU kernels add into a convolution's result for nothing and need no joined copy; elsewhere one large
 * convolution is better. Two maps are not worth it. Refused: a Concat that something else reads too, larger kernels, strides, padding and groups,
 * weights that are shared or computed.
 */
export const distributeConvs: Pass = {
  name: 'distribute-convs',
  doc: 'Convolves joined maps one by one and adds the results (onnxruntime on CPUs).',
  scope: 'every-graph',
  optional: true,
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      if (!isOp(node, 'Conv') || !isPointwise(node) || !ownsWeights(node, rewriting)) return [node];
      const [x, weight, ...bias] = node.inputs as readonly [Value, Param, ...Param[]];
      const concat = rewriting.maker(x);
      if (!isOp(concat, 'Concat') || concat.attrs.axis !== 1 || concat.inputs.length < LEAST_PARTS || !rewriting.readOnce(x)) return [node];
      let start = 0;
      const ranges = concat.inputs.map(({ shape }): readonly Range[] => [[start, (start += shape[1] as number)]]);
      const weights = columnsOf(weight, ranges);
      const nodes: Node[] = [];
      const add = (made: Node): Value => (nodes.push(made), made.outputs[0]!);
      const terms = concat.inputs.map((part, i) => add(opNode('Conv', [part, weights[i]!, ...(i === 0 ? bias : [])], node.attrs, node.scope)));
      const sum = terms.reduce((a, b) => add(opNode('Add', [a, b], {}, node.scope)));
      rewriting.replace(node.outputs[0]!, sum);
      return nodes;
    }),
};

const LEAST_PARTS = 3;
