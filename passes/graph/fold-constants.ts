import { isStatic } from '../../compiler/ir/extent.js';
import type { Constant, OpNode, TensorType, Value } from '../../compiler/ir/graph.js';
import { rowOf } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/** Larger results stay computed at run time: a file of constants is no gain. */
const MAX_ELEMENTS = 1 << 22;

/**
 * f(c₁, c₂, …) = c for constants: sizes, grids, anchors, masks. Tensors that are not trained count as constants.
 * Refused: operators without a `fold` rule (their runtimes may round otherwise), open sizes, very large results.
 */
export const foldConstants: Pass = {
  name: 'fold-constants',
  doc: 'Computes what is known when compiling: sizes, grids, strides, anchors, masks.',
  scope: 'every-graph',
  run: (graph) =>
    rewrite(graph, (node, { replace }) => {
      const constants = node.kind === 'op' ? computed(node) : undefined;
      if (!constants) return [node];
      node.outputs.forEach((value, i) => replace(value, constants[i]!));
      return [];
    }),
};

function computed(node: OpNode): readonly Constant[] | undefined {
  const row = rowOf(node.op);
  const types = node.outputs as readonly TensorType[];
  // Arithmetic in float16 is the runtime's; moving and casting is exact.
  if (node.op !== 'Cast' && row.exactness !== 'exact' && types.some(({ dtype }) => dtype === 'float16')) return undefined;
  if ((!row.fold && !row.foldMany) || !types.every(small) || !node.inputs.every(known)) return undefined;
  const inputs = node.inputs.map(toConstant);
  const outputs = types as readonly TensorType<readonly number[]>[];
  const data = row.foldMany ? row.foldMany(inputs, node.attrs, outputs) : [row.fold!(inputs, node.attrs, outputs[0]!)];
  if (data.some((numbers) => numbers === undefined)) return undefined;
  return outputs.map(({ dtype, shape }, i) => ({ kind: 'constant', dtype, shape, data: data[i]! }));
}

const small = ({ shape }: TensorType): boolean => isStatic(shape) && shape.reduce((n, size) => n * size, 1) <= MAX_ELEMENTS;

const known = (value: Value): boolean => value.kind === 'constant' || (value.kind === 'param' && value.kept);

function toConstant(value: Value): Constant {
  if (value.kind === 'constant') return value;
  const shape = value.shape as readonly number[];
  const data = new Float32Array(shape.reduce((n, size) => n * size, 1));
  if (value.kind === 'param') value.read(data, 0);
  return { kind: 'constant', dtype: value.dtype, shape, data };
}
