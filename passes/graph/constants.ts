/** Tensors that are known when compiling. */
import { isStatic } from '../../compiler/ir/extent.js';
import type { Constant, TensorType, Value } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';

/** Larger results stay computed at run time: a file of constants is no gain. */
const MAX_ELEMENTS = 1 << 22;

export type Static = TensorType<readonly number[]>;

export const small = ({ shape }: TensorType): boolean => isStatic(shape) && elements({ shape }) <= MAX_ELEMENTS;

/** The numbers of a constant or parameter, all at once. */
export function toConstant(value: Value): Constant {
  if (value.kind === 'constant') return value;
  const shape = value.shape as readonly number[];
  const data = new Float32Array(elements(value));
  if (value.kind === 'param') value.read(data, 0);
  return { kind: 'constant', dtype: value.dtype, shape, data };
}
