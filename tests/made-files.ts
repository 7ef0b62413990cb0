/** Files made in memory for tests: safetensors, goldens, small ONNX models. */
import onnxProto from 'onnx-proto';
import { Problem } from '../compiler/errors.js';
import type { ByteSource } from '../compiler/io.js';

const { onnx } = onnxProto;

/** A source that reads from memory, and refuses what is outside as a file does. */
export function memorySource(bytes: Uint8Array, name = 'memory.safetensors'): ByteSource {
  return {
    name,
    size: bytes.length,
    read(into, at) {
      if (at < 0 || at + into.length > bytes.length) throw new Problem('unreadable', `${name} ends early`);
      into.set(bytes.subarray(at, at + into.length));
    },
  };
}

export interface MadeTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function f32(shape: readonly number[], values: readonly number[]): MadeTensor {
  return { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

export function safetensors(tensors: Readonly<Record<string, MadeTensor>>, metadata?: Readonly<Record<string, string>>): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  return withHeader(JSON.stringify(header), Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes)));
}

/** A file with the given header text, whatever it says. */
export function withHeader(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, data]));
}

export const moduleMetadata = {
  format: 'golden/1', case: 'Made__one', kind: 'module', module: 'Made', args: '[]', weights: 'synthetic',
  input_shapes: '{"x": [1, 2, 2, 2]}', f32_error: '1e-8', seed: '0', gain: '5.0',
} as const;

export const modelMetadata = {
  format: 'golden/1', case: 'made', kind: 'model', module: 'model', weights: 'synthetic', yaml: 'nc: 2\n', yaml_file: 'made.yaml', scale: '', family: 'yolov5',
  head: 'Detect', imgsz: '[32, 64]', batch: '1', boxes_axis: 'last', f32_error: '1e-4', f32_error_by_output: '{"pred": "1e-4", "pred[boxes]": "1e-4", "pred[rest]": "1e-8"}',
} as const;

/** A golden of one input x [1, 2, 2, 2] = 0..7 and one output y, wanted as given. */
export function moduleGolden(want: readonly number[], more: Readonly<Record<string, string>> = {}, shape: readonly number[] = [1, 2, 2, 2]): ByteSource {
  const tensors = { 'input.x': f32([1, 2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]), 'output.y': f32(shape, want) };
  return memorySource(safetensors(tensors, { ...moduleMetadata, ...more }), 'made.safetensors');
}

interface MadeModel {
  readonly op?: string;
  readonly domain?: string;
  readonly elemType?: number;
  readonly dims?: readonly (number | string)[];
}

/** y = op(x), both of one type and shape. */
export function onnxModel({ op = 'Relu', domain = '', elemType = 1, dims = [1, 2, 2, 2] }: MadeModel = {}): Uint8Array {
  const value = (name: string): object => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size })) } } },
  });
  const opsetImport = [{ domain: '', version: 17 }, ...(domain ? [{ domain, version: 1 }] : [])];
  const graph = { name: 'made', node: [{ opType: op, domain, name: 'the_node', input: ['x'], output: ['y'] }], input: [value('x')], output: [value('y')] };
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject({ irVersion: 8, opsetImport, graph })).finish();
}

export interface MadeNode {
  readonly op: string;
  readonly name?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly object[];
}

/** A graph of float32 from x to y, both of these sizes; initializers by name. */
export function graphModel(nodes: readonly MadeNode[], initializers: Readonly<Record<string, MadeTensor>> = {}, dims: readonly number[] = [1, 2, 2, 2]): Uint8Array {
  const value = (name: string): object => ({ name, type: { tensorType: { elemType: 1, shape: { dim: dims.map((size) => ({ dimValue: size })) } } } });
  const graph = {
    name: 'made',
    node: nodes.map(({ op, name = '', inputs, outputs, attributes = [] }) => ({ opType: op, name, input: inputs, output: outputs, attribute: attributes })),
    input: [value('x')],
    output: [value('y')],
    initializer: Object.entries(initializers).map(([name, { shape, bytes }]) => ({ name, dataType: 1, dims: shape, rawData: bytes })),
  };
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], producerName: 'made', graph })).finish();
}

/** The Problem that a step throws. */
export function problemOf(step: () => unknown): Problem {
  try {
    step();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('no problem was thrown');
}

export async function problemOfAsync(step: Promise<unknown>): Promise<Problem> {
  const outcome = await step.then(() => undefined, (error: unknown) => error);
  if (outcome instanceof Problem) return outcome;
  throw outcome ?? new Error('no problem was thrown');
}
