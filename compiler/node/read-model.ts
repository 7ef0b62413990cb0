/** Reads an ONNX file of any exporter with onnx-proto, to be looked at. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, normalize, isAbsolute } from 'node:path';
import type { onnx } from 'onnx-proto';
import { Problem } from '../errors.js';
import { elementsOf, type FileModel, type FileNode, type FilePort, type FileTensor } from '../inspect/model.js';
import { halfTable } from '../weights/float16.js';
import { attempt, fileSource } from './files.js';

/** Names of TensorProto.DataType by number. */
const DTYPES: Readonly<Record<number, string>> = {
  1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string', 9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64', 14: 'complex64', 15: 'complex128', 16: 'bfloat16',
};

const dtypeOf = (type: number | null | undefined): string => DTYPES[type ?? 0] ?? `type ${type ?? 0}`;

/** Decodes a file or its bytes. Throws Problem('unreadable', 'bad-model'). */
export function readModel(model: string | Uint8Array): FileModel {
  const name = typeof model === 'string' ? model : 'the model';
  const bytes = typeof model === 'string' ? bytesOf(model) : model;
  const decoded = decode(bytes, name);
  const folder = typeof model === 'string' ? dirname(model) : undefined;
  const { graph } = decoded;
  if (!graph || decoded.opsetImport.length === 0) throw notOnnx(name);
  const constants = (graph.node ?? []).filter(isConstant);
  const tensors = new Map<string, FileTensor>();
  for (const tensor of graph.initializer ?? []) tensors.set(tensor.name ?? '', tensorOf(tensor, tensor.name ?? '', false, folder));
  for (const node of constants) {
    const value = constantTensor(node);
    if (value) tensors.set(node.output![0]!, tensorOf(value, node.output![0]!, true, folder));
  }
  const nodes = named(graph.node ?? []).filter((_, i) => !isConstant(graph.node![i]!) || !constantTensor(graph.node![i]!));
  const domains = Object.fromEntries(decoded.opsetImport.filter(({ domain }) => domain && domain !== 'ai.onnx').map(({ domain, version }) => [domain!, Number(version ?? 0)]));
  return {
    producer: [decoded.producerName, decoded.producerVersion].filter(Boolean).join(' '),
    irVersion: Number(decoded.irVersion),
    opset: Number(decoded.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx')?.version ?? 0),
    domains,
    metadata: Object.fromEntries(decoded.metadataProps.map(({ key, value }) => [key ?? '', value ?? ''])),
    inputs: (graph.input ?? []).filter((port) => !tensors.has(port.name ?? '')).map(portOf),
    outputs: (graph.output ?? []).map(portOf),
    nodes,
    tensors,
    functions: decoded.functions.map(({ domain, name: own }) => `${domain ?? ''}::${own ?? ''}`),
  };
}

/** The files beside a model that hold its external data, as far as it can be read. */
export function externalFiles(model: string): readonly string[] {
  try {
    const { graph } = decode(bytesOf(model), model);
    const locations = (graph?.initializer ?? []).flatMap(({ externalData }) => (externalData ?? []).flatMap(({ key, value }) => (key === 'location' && value ? [value] : [])));
    return [...new Set(locations)].map((location) => join(dirname(model), location));
  } catch (error) {
    if (error instanceof Problem) return [];
    throw error;
  }
}

function bytesOf(file: string): Uint8Array {
  const source = fileSource(file);
  source.close();
  if (source.size > 2 ** 31) throw new Problem('bad-model', `${file} has ${source.size} bytes: a protobuf file ends at 2 GiB`);
  return attempt('unreadable', file, () => readFileSync(file));
}

function decode(bytes: Uint8Array, name: string): onnx.ModelProto {
  // It is CommonJS, and a script that comes from V8's code cache (cli/start.cts) cannot import.
  const onnxProto = createRequire(import.meta.url)('onnx-proto') as typeof import('onnx-proto');
  try {
    return onnxProto.onnx.ModelProto.decode(bytes);
  } catch (error) {
    throw notOnnx(name, error);
  }
}

function notOnnx(name: string, cause?: unknown): Problem {
  return new Problem('bad-model', `${name} is no ONNX model, or is cut off`, { help: 'ONNX models are protobuf files, most often named .onnx.', cause });
}

function portOf({ name, type }: onnx.IValueInfoProto): FilePort {
  const tensor = type?.tensorType;
  return {
    name: name ?? '',
    dtype: tensor ? dtypeOf(tensor.elemType) : 'none',
    shape: (tensor?.shape?.dim ?? []).map(({ dimValue, dimParam }) => ([dimParam, dimValue === undefined || dimValue === null ? '?' : Number(dimValue)].find((size) => size !== '' && size !== undefined && size !== null)!)),
  };
}

/** AttributeProto's type of one integer. */
const INTEGER = 2;

/** Nodes without a name are called by operator and place, as in onnxruntime's profile. */
function named(nodes: readonly onnx.INodeProto[]): FileNode[] {
  return nodes.map((node, i) => ({
    name: [node.name, `${node.opType ?? ''}_${i}`].find(Boolean)!,
    op: node.opType ?? '',
    domain: node.domain === 'ai.onnx' ? '' : (node.domain ?? ''),
    inputs: node.input ?? [],
    outputs: node.output ?? [],
    attributes: (node.attribute ?? []).map((attribute) => ({ name: attribute.name ?? '', text: textOf(attribute), ...(Number(attribute.type) === INTEGER ? { integer: Number(attribute.i ?? 0) } : {}) })),
  }));
}

const SHOWN = 16;

function textOf({ type, f, i, s, t, g, floats, ints, strings, tensors, graphs }: onnx.IAttributeProto): string {
  const list = (values: readonly unknown[]): string => `[${values.slice(0, SHOWN).map(String).join(', ')}${values.length > SHOWN ? ', …' : ''}]`;
  const word = (bytes: Uint8Array | null | undefined): string => JSON.stringify(new TextDecoder().decode(bytes ?? new Uint8Array(0)));
  switch (type as number | undefined) {
    case 1:
      return String(Number((f ?? 0).toPrecision(7)));
    case 2:
      return String(i ?? 0);
    case 3:
      return word(s);
    case 4:
      return t ? `${dtypeOf(t.dataType)} [${(t.dims ?? []).map(Number).join(', ')}]` : '';
    case 5:
      return g ? `graph of ${g.node?.length ?? 0} nodes` : '';
    case 6:
      return list((floats ?? []).map((value) => Number(value.toPrecision(7))));
    case 7:
      return list(ints ?? []);
    case 8:
      return list((strings ?? []).map(word));
    default:
      return `${(tensors ?? []).length + (graphs ?? []).length} values`;
  }
}

const isConstant = ({ opType, domain }: onnx.INodeProto): boolean => opType === 'Constant' && (!domain || domain === 'ai.onnx');

/** The value of a `Constant`, whichever attribute has it. */
function constantTensor({ attribute }: onnx.INodeProto): onnx.ITensorProto | undefined {
  const [value] = attribute ?? [];
  switch (value?.name) {
    case 'value':
      return value.t ?? undefined;
    case 'value_float':
      return { dataType: 1, dims: [], floatData: [value.f ?? 0] };
    case 'value_floats':
      return { dataType: 1, dims: [value.floats?.length ?? 0], floatData: value.floats ?? [] };
    case 'value_int':
      return { dataType: 7, dims: [], int64Data: [value.i ?? 0] };
    case 'value_ints':
      return { dataType: 7, dims: [value.ints?.length ?? 0], int64Data: value.ints ?? [] };
    default:
      return undefined;
  }
}

function tensorOf(tensor: onnx.ITensorProto, name: string, constant: boolean, folder: string | undefined): FileTensor {
  const shape = (tensor.dims ?? []).map(Number);
  return { name, dtype: dtypeOf(tensor.dataType), shape, constant, read: () => numbersOf(tensor, name, elementsOf(shape), folder) };
}

/** TensorProto.DataLocation of tensors in another file. */
const EXTERNAL = 1;

function numbersOf(tensor: onnx.ITensorProto, name: string, elements: number, folder: string | undefined): Float32Array | Float64Array {
  const type = tensor.dataType ?? 0;
  const raw = (tensor.dataLocation as number | undefined) === EXTERNAL ? externalBytes(tensor, name, folder) : tensor.rawData;
  const numbers = raw && raw.length > 0 ? fromBytes(raw, type, name) : fromFields(tensor, type, name);
  if (numbers.length !== elements) throw new Problem('bad-model', `tensor ${name} has ${numbers.length} numbers, its shape says ${elements}`);
  return numbers;
}

function fromFields({ floatData, int32Data, int64Data, doubleData, uint64Data }: onnx.ITensorProto, type: number, name: string): Float32Array | Float64Array {
  switch (type) {
    case 1:
      return Float32Array.from(floatData ?? []);
    case 10: {
      const table = halfTable();
      return Float32Array.from(int32Data ?? [], (bits) => table[bits & 0xffff]!);
    }
    case 11:
      return Float64Array.from(doubleData ?? []);
    case 7:
      return Float64Array.from(int64Data ?? [], Number);
    case 12:
    case 13:
      return Float64Array.from(uint64Data ?? [], Number);
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 9:
      return Float64Array.from(int32Data ?? []);
    default:
      throw noNumbers(type, name);
  }
}

/** Little-endian, as protobuf has them whatever the machine. */
function fromBytes(bytes: Uint8Array, type: number, name: string): Float32Array | Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const each = (size: number, read: (at: number) => number): Float64Array => Float64Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => read(i * size));
  switch (type) {
    case 1: {
      // Copied, because a protobuf field lies anywhere.
      const numbers = new Float32Array(Math.floor(bytes.length / 4));
      new Uint8Array(numbers.buffer).set(bytes.subarray(0, numbers.byteLength));
      return numbers;
    }
    case 10: {
      const table = halfTable();
      return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => table[view.getUint16(2 * i, true)]!);
    }
    case 16: {
      const bits = new Uint32Array(bytes.length >> 1).map((_, i) => view.getUint16(2 * i, true) * 65536);
      return new Float32Array(bits.buffer);
    }
    case 11:
      return each(8, (at) => view.getFloat64(at, true));
    case 7:
      return each(8, (at) => Number(view.getBigInt64(at, true)));
    case 13:
      return each(8, (at) => Number(view.getBigUint64(at, true)));
    case 6:
      return each(4, (at) => view.getInt32(at, true));
    case 12:
      return each(4, (at) => view.getUint32(at, true));
    case 5:
      return each(2, (at) => view.getInt16(at, true));
    case 4:
      return each(2, (at) => view.getUint16(at, true));
    case 3:
      return each(1, (at) => view.getInt8(at));
    case 2:
    case 9:
      return each(1, (at) => view.getUint8(at));
    default:
      throw noNumbers(type, name);
  }
}

const noNumbers = (type: number, name: string): Problem => new Problem('bad-model', `tensor ${name} is ${dtypeOf(type)}, which is not compared`);

/** The bytes of external data (onnx/docs/ExternalData.md): beside the model, never outside its folder. */
function externalBytes({ externalData }: onnx.ITensorProto, name: string, folder: string | undefined): Uint8Array {
  const entries = new Map((externalData ?? []).map(({ key, value }) => [key, value ?? '']));
  const location = normalize(entries.get('location') ?? '');
  if (folder === undefined || location === '' || location === '.' || isAbsolute(location) || location.startsWith('..')) throw new Problem('bad-model', `tensor ${name} lies in another file${folder === undefined ? '' : `, ${entries.get('location') ?? ''}, which is not beside the model`}`);
  const source = fileSource(join(folder, location));
  try {
    const offset = Number(entries.get('offset') ?? 0);
    const length = Number(entries.get('length') ?? source.size - offset);
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && offset + length <= source.size)) throw new Problem('bad-model', `tensor ${name} lies outside its file ${location}`);
    const bytes = new Uint8Array(length);
    source.read(bytes, offset);
    return bytes;
  } finally {
    source.close();
  }
}
