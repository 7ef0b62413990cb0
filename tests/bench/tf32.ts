/** What TF32 does to a model, without a GPU: the factors of its products are rounded, the products are summed in float32. */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';

/** Which inputs of an operator are factors. */
const FACTORS: Readonly<Record<string, readonly number[]>> = { Conv: [0, 1], ConvTranspose: [0, 1], MatMul: [0, 1], Gemm: [0, 1], Einsum: [0, 1] };

/**
 * TF32 has 11 significant bits where float32 has 24. Veltkamp's splitting keeps so many of them, rounded to the nearest:
 * with c = x (2^13 + 1), that is c - (c - x). Each of its steps must be rounded to float32: run it without optimizers.
 */
const SPLITTER = 2 ** 13 + 1;

const SPLITTER_NAME = 'tf32/splitter';

/** The model with every factor of a convolution or matrix product rounded to TF32. It must have no subgraphs and functions. */
export function roundedToTf32(bytes: Uint8Array): Uint8Array {
  const model = onnxProto.onnx.ModelProto.decode(bytes);
  const graph = model.graph!;
  const rounded = new Map<string, string>();
  const nodes: onnx.INodeProto[] = [];
  for (const node of graph.node!) {
    for (const index of FACTORS[node.opType!] ?? []) node.input![index] = round(node.input![index]!, rounded, nodes);
    nodes.push(node);
  }
  graph.node = nodes;
  graph.initializer!.push(new onnxProto.onnx.TensorProto({ name: SPLITTER_NAME, dataType: onnxProto.onnx.TensorProto.DataType.FLOAT, dims: [], floatData: [SPLITTER] }));
  return onnxProto.onnx.ModelProto.encode(model).finish();
}

/** The name of a tensor's rounded twin, which is made once. */
function round(name: string, rounded: Map<string, string>, nodes: onnx.INodeProto[]): string {
  const known = rounded.get(name);
  if (known !== undefined) return known;
  const [scaled, rest, result] = ['scaled', 'rest', 'rounded'].map((step) => `tf32/${step}/${name}`) as [string, string, string];
  nodes.push({ opType: 'Mul', name: scaled, input: [name, SPLITTER_NAME], output: [scaled] });
  nodes.push({ opType: 'Sub', name: rest, input: [scaled, name], output: [rest] });
  nodes.push({ opType: 'Sub', name: result, input: [scaled, rest], output: [result] });
  rounded.set(name, result);
  return result;
}
