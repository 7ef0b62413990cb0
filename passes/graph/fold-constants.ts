import { isStatic } from '../../compiler/ir/extent.js';
import type { Constant, OpNode, TensorType, Value } from '../../compiler/ir/graph.js';
import { rowOf } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';
import { small, toConstant, type Static } from './constants.js';
import { derived } from './derived-params.js';

/**
 * f(c₁, c₂, …) = c for constants: sizes, grids, anchors, masks. Tensors that are not trained count as constants.
 * f(w, c, …) of trained tensors becomes a tensor of the file, computed when it is written: NAM's |γ| / Σ|γ|.
 * Refused: operators without a `fold` rule (their runtimes may round otherwise), open sizes, very large results.
 */
export const foldConstants: Pass = {
  name: 'fold-constants',
  doc: 'Computes what is known when compiling: sizes, grids, strides, anchors, masks, products of weights.',
  scope: 'every-graph',
  run: (graph) =>
    rewrite(graph, (node, { replace }) => {
      const folded = node.kind === 'op' ? foldedOf(node) : undefined;
      if (!folded) return [node];
      node.outputs.forEach((value, i) => replace(value, folded[i]!));
      return [];
    }),
};

function foldedOf(node: OpNode): readonly Value[] | undefined {
  if (!node.outputs.every(({ shape }) => isStatic(shape))) return undefined;
  if (node.inputs.every(known)) return node.outputs.every(small) ? computed(node) : undefined;
  return node.inputs.every((value) => value.kind === 'constant' || value.kind === 'param') ? derived(node) : undefined;
}

function computed(node: OpNode): readonly Constant[] | undefined {
  const row = rowOf(node.op);
  const types = node.outputs as readonly TensorType[];
  // Arithmetic in float16 is the runtime's; moving and casting is exact.
  if (node.op !== 'Cast' && row.exactness !== 'exact' && types.some(({ dtype }) => dtype === 'float16')) return undefined;
  const data = evaluate(node);
  return data && types.map(({ dtype, shape }, i) => ({ kind: 'constant', dtype, shape, data: data[i]! }));
}

function evaluate(node: OpNode): readonly ArrayLike<number>[] | undefined {
  const row = rowOf(node.op);
  const inputs = node.inputs.map(toConstant);
  const outputs = node.outputs as readonly TensorType[] as readonly Static[];
  const data = row.foldMany ? row.foldMany(inputs, node.attrs, outputs) : [row.fold?.(inputs, node.attrs, outputs[0]!)];
  return data.every((numbers) => numbers !== undefined) ? data : undefined;
}

/** Known now; what is not trained is as good as a constant. */
const known = (value: Value): boolean => value.kind === 'constant' || (value.kind === 'param' && value.kept);
