import { viewOf, type OpNode, type Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { isPointwise, type Conv } from './conv-parts.js';

/**
 * An expectation over softmaxed channels is a product over the last axis, where softmax reads memory in order:
 *
 *     Conv(Softmax(x, axis 1), w [1, k, 1, 1]) = Reshape(MatMul(Softmax(Transpose(x, (0, 2, 3, 1)), axis 3), w [k, 1]))
 *
 * That is how YOLOv8 decodes the sides of boxes (distribution focal loss, arXiv:2006.04388). The transposes around it
 * merge with this one (collapse-chains). Refused: a Softmax that something else reads too, more than one output
 * channel, a bias, larger kernels, strides, padding, a computed weight.
 */
export const softmaxLast: Pass = {
  name: 'softmax-last',
  doc: 'Takes expectations over softmaxed channels (DFL) on the last axis, as a matrix product.',
  scope: 'every-graph',
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      const softmax = isOp(node, 'Conv') ? expected(node, rewriting) : undefined;
      if (!softmax) return [node];
      const [weight] = node.inputs.slice(1) as [Value];
      const column = weightAs(weight, [weight.shape[1] as number, 1]);
      const last = opNode('Transpose', softmax.inputs, { perm: [0, 2, 3, 1] }, softmax.scope);
      const shares = opNode('Softmax', last.outputs, { axis: 3 }, softmax.scope);
      const means = opNode('MatMul', [shares.outputs[0]!, column], {}, node.scope);
      const y = opNode('Reshape', means.outputs, { shape: node.outputs[0]!.shape }, node.scope);
      rewriting.replace(node.outputs[0]!, y.outputs[0]!);
      return [last, shares, means, y];
    }),
};

/** The Softmax whose expectation a Conv takes. */
function expected(conv: Conv, { maker, readOnce }: Rewriting): OpNode | undefined {
  const [x, weight, bias] = conv.inputs;
  const softmax = maker(x!);
  const good = isOp(softmax, 'Softmax') && softmax.attrs.axis === 1 && x!.shape.length === 4 && readOnce(x!) && isPointwise(conv);
  return good && !bias && (weight!.kind === 'param' || weight!.kind === 'constant') && weight!.shape[0] === 1 ? softmax : undefined;
}

const weightAs = (weight: Value, shape: readonly number[]): Value => (weight.kind === 'param' ? viewOf(weight, shape) : { ...weight, shape });
