/**
 * Graph → bytes of an ONNX file. Everything but the tensors is encoded first; then the lengths of all parts are known
 * from shapes, and the tensors stream through one small chunk, in one pass, into the file or into that of its external
 * data. Memory does not grow with the weights, and the bytes are those that onnx-proto would write for the same model.
 */
import { Problem, internal } from '../errors.js';
import type { Extent } from '../ir/extent.js';
import { show } from '../ir/extent.js';
import type { Constant, Graph, Param } from '../ir/graph.js';
import type { ByteSink, ModelSink } from '../io.js';
import { EXTERNAL, MOST_PADDING, placesFor } from './external.js';
import { blockHeader, encode, fieldIds, type Message } from './protobuf.js';
import { ScopeWriter, constantBytes, elemTypes, type Initializer } from './scope-writer.js';
import { toHalf } from '../weights/float16.js';
import { FunctionWriter } from './functions.js';

/** Lowest IR version that allows an opset (onnx/docs/Versioning.md). */
const irVersions: Readonly<Record<number, number>> = { 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10 };
/** Model-local functions came with IR version 8. */
export const FUNCTIONS_IR = 8;
export const OPSETS = { least: 11, most: 22, default: 17 } as const;

/** When tensors go to a file of their own: where one file cannot hold them, or always those of at least 1 KiB. */
export type ExternalData = 'auto' | 'always';

export interface EmitOptions {
  readonly opset: number;
  readonly graphName: string;
  readonly producerVersion: string;
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** Default auto. */
  readonly externalData?: ExternalData;
  /** Called when everything but the tensors is encoded. */
  readonly onEncoded?: () => void;
  /** Called between tensors and every few megabytes: reports progress, throws to stop. */
  readonly pause?: (written: number, total: number) => Promise<void> | undefined;
}

export interface Emitted {
  /** Of the model, without its external data. */
  readonly bytes: number;
  readonly externalData?: { readonly location: string; readonly bytes: number };
  readonly irVersion: number;
  readonly nodes: number;
}

/** Elements of a chunk: 256 KiB of float32. */
const CHUNK = 1 << 16;
/** Bytes that a file must stay below: readers of protobuf stop at 2 GiB. Leaves room for what is appended (twins, inferred shapes). */
const LIMIT = 2 ** 31 - 2 ** 24;
/** How many bytes may pass between two pauses. */
const STRETCH = 8 << 20;

export async function emit(graph: Graph, sink: ModelSink, options: EmitOptions): Promise<Emitted> {
  const functions = new FunctionWriter(options.opset);
  const scope = writeGraph(graph, options.opset, functions);
  const irVersion = Math.max(irVersions[options.opset]!, functions.protos.length > 0 ? FUNCTIONS_IR : 0);
  const opsetImport = [{ domain: '', version: options.opset }, ...domainsOf(graph).map((domain) => ({ domain, version: 1 }))];
  const frame: Frame = {
    head: encode('ModelProto', { irVersion, producerName: 'yolonnx', producerVersion: options.producerVersion }),
    ...graphParts(graph, scope, options.graphName),
    tail: encode('ModelProto', { opsetImport, metadataProps: options.metadata.map(([key, value]) => ({ key, value })), functions: functions.protos }),
  };
  const whole = laidOut(frame, scope.initializers.map((tensor) => tensorParts(tensor)));
  const data = openData(scope.initializers, whole.bytes, sink, options.externalData ?? 'auto');
  const { tensors, graphHeader, bytes } = data ? laidOut(frame, scope.initializers.map((tensor, i) => tensorParts(tensor, data.places[i]))) : whole;
  if (bytes >= LIMIT) throw tooLarge(bytes);
  const total = bytes + (data?.bytes ?? 0);
  options.onEncoded?.();

  for (const part of [frame.head, graphHeader, frame.before]) sink.write(part);
  await streamTensors(tensors, sink, data?.sink ?? sink, (written) => options.pause?.(written, total));
  for (const part of [frame.after, frame.tail]) sink.write(part);
  await options.pause?.(total, total);
  return { bytes, irVersion, nodes: scope.nodes.length, ...(data ? { externalData: { location: data.location, bytes: data.bytes } } : {}) };
}

/** The parts of the file around its tensors. */
interface Frame {
  readonly head: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly tail: Uint8Array;
}

function laidOut({ head, before, after, tail }: Frame, tensors: readonly TensorParts[]): { readonly tensors: readonly TensorParts[]; readonly graphHeader: Uint8Array; readonly bytes: number } {
  const graphLength = tensors.reduce((sum, { header, bytes, offset }) => sum + header.length + (offset === undefined ? bytes : 0), before.length + after.length);
  const graphHeader = blockHeader(fieldIds.model.graph, graphLength);
  return { tensors, graphHeader, bytes: head.length + graphHeader.length + graphLength + tail.length };
}

/** Where a tensor lies outside of the model. */
interface Place {
  readonly location: string;
  readonly offset: number;
}

interface OpenedData {
  readonly location: string;
  readonly bytes: number;
  readonly sink: ByteSink;
  /** Of every initializer in order; undefined where it stays in the model. */
  readonly places: readonly (Place | undefined)[];
}

/** The file of the external data, where the model needs one: `bytes` is its length with all tensors in it. */
function openData(initializers: readonly Initializer[], bytes: number, sink: ModelSink, when: ExternalData): OpenedData | undefined {
  if (when === 'auto' && bytes < LIMIT) return undefined;
  const { offsets, bytes: length } = placesFor(initializers.map(({ value }) => bytesOf(value)));
  if (length === 0) return undefined;
  if (!sink.external) {
    if (bytes >= LIMIT) throw tooLarge(bytes);
    throw new Problem('bad-option', 'external data goes to a file beside the model, but the model goes to no file', { help: 'Name a file to write to, no device or pipe; or leave external data to be used where it is needed.' });
  }
  const { location, sink: data } = sink.external(length);
  return { location, bytes: length, sink: data, places: offsets.map((offset) => (offset === undefined ? undefined : { location, offset })) };
}

const tooLarge = (bytes: number): Problem =>
  new Problem('too-large', `the model would take ${(bytes / 2 ** 30).toFixed(1)} GiB; an ONNX file holds less than 2 GiB, what is more goes to a file beside it`, {
    help: 'Name a file to write to, no device or pipe; or use a smaller scale or fewer channels, or --half where that is enough.',
  });

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
  /** Everything of the initializer field before its raw data; all of it where the data is external. */
  readonly header: Uint8Array;
  readonly bytes: number;
  /** In the external data. */
  readonly offset: number | undefined;
  readonly value: Param | Constant;
}

const itemSizes = { float32: 4, int64: 8, bool: 1, float16: 2 } as const;

const bytesOf = ({ dtype, shape }: Initializer['value']): number => (shape as readonly number[]).reduce((n, size) => n * size, itemSizes[dtype]);

function tensorParts({ name, value }: Initializer, place?: Place): TensorParts {
  const bytes = bytesOf(value);
  const about: Message<'TensorProto'> = { dims: value.shape as readonly number[], dataType: elemTypes[value.dtype], name };
  if (place) {
    const { location, offset } = place;
    const externalData = Object.entries({ location, offset, length: bytes }).map(([key, item]) => ({ key, value: String(item) }));
    const tensor = encode('TensorProto', { ...about, externalData, dataLocation: EXTERNAL });
    return { header: concatenated([blockHeader(fieldIds.graph.initializer, tensor.length), tensor]), bytes, offset, value };
  }
  const start = encode('TensorProto', about);
  const raw = blockHeader(fieldIds.tensor.rawData, bytes);
  const outer = blockHeader(fieldIds.graph.initializer, start.length + raw.length + bytes);
  return { header: concatenated([outer, start, raw]), bytes, offset: undefined, value };
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

/** Every tensor once, in order: those with an offset to `data`, the others to the model. */
async function streamTensors(tensors: readonly TensorParts[], model: ByteSink, data: ByteSink, pause: (written: number) => Promise<void> | undefined): Promise<void> {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw internal('this machine is big-endian; ONNX files hold little-endian numbers');
  const chunk = new Float32Array(CHUNK);
  const bytes = new Uint8Array(chunk.buffer);
  const padding = new Uint8Array(MOST_PADDING);
  let end = 0;
  let written = 0;
  let rested = 0;
  for (const { header, value, bytes: size, offset } of tensors) {
    model.write(header);
    const sink = offset === undefined ? model : data;
    if (offset !== undefined) {
      sink.write(padding.subarray(0, offset - end));
      end = offset + size;
    }
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
