/** More outputs for a model, to look at what passes between its nodes. */
import { encode } from '../onnx/protobuf.js';
import type { Loadable } from '../runner.js';
import type { FileModel } from './model.js';

/**
 * The model with these values as further outputs. They are appended to its file: a protobuf message that occurs again
 * is merged with the first, so no weight is read or copied. Each keeps the type that the runtime infers.
 */
export function withTaps(model: Loadable, names: readonly string[]): Loadable {
  return withBytes(model, encode('ModelProto', { graph: { output: names.map((name) => ({ name })) } }));
}

/** The model with more bytes after its own. */
export function withBytes(model: Loadable, append: Uint8Array): Loadable {
  if (typeof model === 'string') return { file: model, append };
  return model instanceof Uint8Array ? joined(model, append) : { file: model.file, append: joined(model.append, append) };
}

/** Values that can be tapped: what nodes make, and no output has yet. */
export function tappable({ nodes, outputs }: Pick<FileModel, 'nodes' | 'outputs'>): readonly string[] {
  const already = new Set(outputs.map(({ name }) => name));
  return nodes.flatMap((node) => node.outputs).filter((name) => name !== '' && !already.has(name));
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
