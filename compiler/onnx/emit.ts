/**
 * Graph → bytes of an ONNX file. Everything but the tensors is encoded first; then the lengths of all parts are known
 * from shapes, and the tensors stream through one small chunk. Memory does not grow with the weights, and the bytes
 * are those that onnx-proto would write for the same model.
 */
import { Problem, internal } from '../errors.js';
import type { Extent } from '../ir/extent.js';
import { show } from '../ir/extent.js';
import type { Constant, Graph, Param } from '../ir/graph.js';
import type { ByteSink } from '../io.js';
import { blockHeader, encode, fieldIds, type Message } from './protobuf.js';
import { ScopeWriter, constantBytes, elemTypes, type Initializer } from './scope-writer.js';
import { toHalf } from '../weights/float16.js';
import { FunctionWriter } from './functions.js';

/** Lowest IR version that allows an opset (onnx/docs/Versioning.md). */
const irVersions: Readonly<Record<number, number>> = { 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10 };
/** Model-local functions came with IR version 8. */
export const FUNCTIONS_IR = 8;
export const OPSETS = { least: 11, most: 22, default: 17 } as const;

export interface EmitOptions {
  readonly opset: number;
  readonly graphName: string;
  readonly producerVersion: string;
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** Called between tensors and every few megabytes: reports progress, throws to stop. */
  readonly pause?: (written: number, total: number) => Promise<void> | undefined;
}

export interface Emitted {
  readonly bytes: number;
  readonly irVersion: number;
  readonly nodes: number;
}

/** Elements of a chunk: 256 KiB of float32. */
const CHUNK = 1 << 16;
/** Bytes that a file must stay below, with room for the graph itself. */
const LIMIT = 2 ** 31 - 2 ** 24;
/** How many bytes may pass between two pauses. */
const STRETCH = 8 << 20;

export async function emit(graph: Graph, sink: ByteSink, options: EmitOptions): Promise<Emitted> {
  const functions = new FunctionWriter(options.opset);
  const scope = writeGraph(graph, options.opset, functions);
  checkSize(scope.initializers);
  const { before, after } = graphParts(graph, scope, options.graphName);
  const tensors = scope.initializers.map(tensorParts);
  const graphLength = before.length + after.length + tensors.reduce((sum, tensor) => sum + tensor.header.length + tensor.bytes, 0);
  const irVersion = Math.max(irVersions[options.opset]!, functions.protos.length > 0 ? FUNCTIONS_IR : 0);
  const head = encode('ModelProto', { irVersion, producerName: 'yolonnx', producerVersion: options.producerVersion });
  const opsetImport = [{ domain: '', version: options.opset }, ...domainsOf(graph).map((domain) => ({ domain, version: 1 }))];
  const tail = encode('ModelProto', {
    opsetImport,
    metadataProps: options.metadata.map(([key, value]) => ({ key, value })),
    functions: functions.protos,
  });
  const graphHeader = blockHeader(fieldIds.model.graph, graphLength);
  const bytes = head.length + graphHeader.length + graphLength + tail.length;

  for (const part of [head, graphHeader, before]) sink.write(part);
  await streamTensors(tensors, sink, (written) => options.pause?.(written, bytes));
  for (const part of [after, tail]) sink.write(part);
  await options.pause?.(bytes, bytes);
  return { bytes, irVersion, nodes: scope.nodes.length };
}

/** Readers of protobuf stop at 2 GiB. Checked on the weights, before anything is encoded or written. */
function checkSize(initializers: readonly Initializer[]): void {
  const total = initializers.reduce((sum, { value }) => sum + bytesOf(value), 0);
  if (total < LIMIT) return;
  throw new Problem('too-large', `the weights would take ${(total / 2 ** 30).toFixed(1)} GiB; an ONNX file holds less than 2 GiB`, {
    help: 'Use a smaller scale or fewer channels, or --half where that is enough. External data is not written yet.',
  });
}

function writeGraph(graph: Graph, opset: number, functions: FunctionWriter): ScopeWriter {
  const scope = new ScopeWriter(opset, 'graph', functions, graph.inputs);
  const results = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const renamed = graph.outputs.map(({ name, value }) => {
    const direct = value.kind === 'result' && results.has(value) && !scope.has(value);
    if (direct) scope.reserve(value, name);
    // Taken now: nothing else may get the name of an output.
    return { own: direct ? undefined : scope.unique(name), name, value };
  });
  for (const node of graph.nodes) scope.write(node);
  // An output that is an input, a parameter or another output needs a node of its own.
  for (const { own, name, value } of renamed) {
    if (own !== undefined) scope.nodes.push({ input: [scope.nameOf(value)], output: [own], name: `${name}/Identity`, opType: 'Identity' });
  }
  return scope;
}

const domainsOf = (graph: Graph): string[] => [...new Set(graph.nodes.flatMap((node) => (node.kind === 'function' ? [node.domain] : [])))];

/** The encoded graph before and after its initializers (field ids 1, 2 and 11, 12). */
function graphParts(graph: Graph, scope: ScopeWriter, name: string): { before: Uint8Array; after: Uint8Array } {
  const info = (item: { readonly name: string; readonly axes?: readonly string[]; readonly doc?: string }, { dtype, shape }: Pick<Param, 'dtype' | 'shape'>): Message<'ValueInfoProto'> => ({
    name: item.name,
    type: { tensorType: { elemType: elemTypes[dtype], shape: { dim: shape.map((extent, axis) => dimension(extent, item.axes?.[axis])) } } },
    ...(item.doc === undefined ? {} : { docString: item.doc }),
  });
  return {
    before: encode('GraphProto', { node: scope.nodes, name }),
    after: encode('GraphProto', { input: graph.inputs.map((input) => info(input, input)), output: graph.outputs.map((output) => info(output, output.value)) }),
  };
}

const dimension = (extent: Extent, name: string | undefined): Message<'TensorShapeProto.Dimension'> =>
  typeof extent === 'number' ? { dimValue: extent } : { dimParam: name ?? show(extent) };

interface TensorParts {
  /** Everything of the initializer field before its raw data. */
  readonly header: Uint8Array;
  readonly bytes: number;
  readonly value: Param | Constant;
}

const itemSizes = { float32: 4, int64: 8, bool: 1, float16: 2 } as const;

const bytesOf = ({ dtype, shape }: Initializer['value']): number => (shape as readonly number[]).reduce((n, size) => n * size, itemSizes[dtype]);

function tensorParts({ name, value }: Initializer): TensorParts {
  const dims = value.shape as readonly number[];
  const bytes = bytesOf(value);
  const start = encode('TensorProto', { dims, dataType: elemTypes[value.dtype], name });
  const raw = blockHeader(fieldIds.tensor.rawData, bytes);
  const outer = blockHeader(fieldIds.graph.initializer, start.length + raw.length + bytes);
  return { header: concatenated([outer, start, raw]), bytes, value };
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The first `length` floats as halves, in the same memory: half i takes the place that float i / 2 no longer needs. */
function narrow(chunk: Float32Array, length: number): void {
  const halves = new Uint16Array(chunk.buffer);
  for (let i = 0; i < length; i++) halves[i] = toHalf(chunk[i]!);
}

async function streamTensors(tensors: readonly TensorParts[], sink: ByteSink, pause: (written: number) => Promise<void> | undefined): Promise<void> {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw internal('this machine is big-endian; ONNX files hold little-endian numbers');
  const chunk = new Float32Array(CHUNK);
  const bytes = new Uint8Array(chunk.buffer);
  let written = 0;
  let rested = 0;
  for (const { header, value, bytes: size } of tensors) {
    sink.write(header);
    if (value.kind === 'constant') {
      sink.write(constantBytes(value));
      written += size;
      continue;
    }
    const itemSize = itemSizes[value.dtype];
    const count = size / itemSize;
    for (let at = 0; at < count; at += CHUNK) {
      const length = Math.min(CHUNK, count - at);
      value.read(length === CHUNK ? chunk : chunk.subarray(0, length), at);
      if (itemSize === 2) narrow(chunk, length);
      sink.write(bytes.subarray(0, itemSize * length));
      written += itemSize * length;
      if (written - rested >= STRETCH) {
        rested = written;
        await pause(written);
      }
    }
  }
}
