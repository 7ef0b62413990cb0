/** What can be told from an ONNX file without running it. Read with onnx-proto, which only this file loads. */
import { readFileSync } from 'node:fs';
import type { onnx } from 'onnx-proto';

/** Tensors of this element type are float16. */
const FLOAT16 = 10;

/**
 * Whether a model keeps weights in float16, so that it is measured against float16's bounds. False for what is no ONNX
 * file: the runtime says so better.
 */
export async function isHalf(model: string | Uint8Array): Promise<boolean> {
  const decoded = await decode(model);
  return decoded?.graph?.initializer?.some(({ dataType }) => dataType === FLOAT16) ?? false;
}

async function decode(model: string | Uint8Array): Promise<onnx.ModelProto | undefined> {
  const { default: onnxProto } = await import('onnx-proto');
  try {
    return onnxProto.onnx.ModelProto.decode(typeof model === 'string' ? readFileSync(model) : model);
  } catch {
    return undefined;
  }
}
