/**
 * The safetensors format, read by ranges: 8 bytes of length (little-endian), a JSON header, then the tensors' bytes.
 *
 *     { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, "__metadata__": { "key": "text" } }
 *
 * Everything in the header is checked before it is used: files come from strangers.
 */
import { Problem } from '../errors.js';
import type { ByteSource } from '../io.js';
import type { Read } from '../ir/graph.js';
import { halfTable } from './float16.js';
import type { WeightSource } from './source.js';
import { stateDictWeights, type StoredTensor } from './state-dict.js';

/** The format's own limit. */
const MAX_HEADER = 100_000_000;
/** Bytes that a converting reader takes at a time. */
const CHUNK = 1 << 16;

const ITEM_SIZES: ReadonlyMap<unknown, number> = new Map(
  Object.entries({
    BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1,
    U16: 2, I16: 2, F16: 2, BF16: 2,
    U32: 4, I32: 4, F32: 4,
    U64: 8, I64: 8, F64: 8, C64: 8,
  }),
);

export interface SafetensorsTensor extends StoredTensor {
  /** Number of elements. */
  readonly size: number;
}

export interface SafetensorsFile {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** In the header's order. F32, F64, F16 and BF16 have readers, which widen (or round, F64) to float32. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** A whole tensor. Throws when there is none of that name or its dtype has no reader. */
  readTensor(name: string): Float32Array;
}

/** Opens a safetensors file: reads and checks the header alone. Faults are Problems of the given code. */
export function openSafetensors(source: ByteSource, code: 'bad-weights' | 'bad-golden' = 'bad-weights'): SafetensorsFile {
  const fail: Fail = (what) => {
    throw new Problem(code, `${source.name} is not a valid safetensors file: ${what}`, { help: 'Download or export the file again.' });
  };
  const { header, dataAt } = readHeader(source, fail);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') addMetadata(metadata, value, fail);
    else tensors.set(name, tensorOf(name, value, source, dataAt, fail));
  }
  const readTensor = (name: string): Float32Array => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Problem(code, `${source.name} has no tensor ${name}`);
    if (!tensor.read) throw new Problem(code, `${name} in ${source.name} holds ${tensor.dtype}, float numbers are needed`);
    const values = new Float32Array(tensor.size);
    tensor.read(values, 0);
    return values;
  };
  return { name: source.name, metadata, tensors, readTensor };
}

export interface SafetensorsOptions {
  /** Only the tensors whose names begin so, without it: `param.` in goldens with embedded weights. */
  readonly prefix?: string;
}

/** Weights from a safetensors file by state_dict key. Throws Problem('bad-weights') when the file is damaged. */
export function safetensorsWeights(source: ByteSource, { prefix = '' }: SafetensorsOptions = {}): WeightSource {
  const { name, tensors } = openSafetensors(source);
  const named = [...tensors].filter(([key]) => key.startsWith(prefix));
  return stateDictWeights({ name, tensors: new Map(named.map(([key, tensor]) => [key.slice(prefix.length), tensor])) });
}

type Fail = (what: string) => never;
type Fields = Record<string, unknown>;

function readHeader(source: ByteSource, fail: Fail): { header: Fields; dataAt: number } {
  if (source.size < 8) fail(`${source.size} bytes are too few`);
  const head = new Uint8Array(8);
  source.read(head, 0);
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER || length > source.size - 8) fail(`its header would be ${length} bytes long`);
  const bytes = new Uint8Array(length);
  source.read(bytes, 8);
  let text = '';
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    fail('its header is no JSON text');
  }
  if (!isFields(header)) return fail('its header is no JSON object');
  if (countColons(text) !== countKeys(header)) fail('its header names a key twice');
  return { header, dataAt: 8 + length };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Colons outside strings: one for each key as written. JSON.parse keeps only the last of two equal keys. */
function countColons(text: string): number {
  let colons = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString && c === 0x5c) i++;
    else if (c === 0x22) inString = !inString;
    else if (c === 0x3a && !inString) colons++;
  }
  return colons;
}

/** Not recursive: JSON.parse takes texts nested deeper than the stack. */
function countKeys(root: Fields): number {
  let keys = 0;
  const open: object[] = [root];
  for (let value = open.pop(); value; value = open.pop()) {
    if (!Array.isArray(value)) keys += Object.keys(value).length;
    for (const inner of Object.values(value) as unknown[]) if (typeof inner === 'object' && inner !== null) open.push(inner);
  }
  return keys;
}

function addMetadata(metadata: Map<string, string>, value: unknown, fail: Fail): void {
  if (!isFields(value)) return fail('__metadata__ is no object');
  for (const [key, text] of Object.entries(value)) {
    metadata.set(key, typeof text === 'string' ? text : fail(`__metadata__.${key.slice(0, 80)} is no text`));
  }
}

function tensorOf(rawName: string, value: unknown, source: ByteSource, dataAt: number, fail: Fail): SafetensorsTensor {
  const name = rawName.slice(0, 200);
  if (!isFields(value)) return fail(`${name} is no object`);
  // JSON.parse makes `__proto__` an own property like any other, so these are the text's own fields.
  const { dtype, shape, data_offsets: offsets } = value;
  const itemSize = ITEM_SIZES.get(dtype) ?? fail(`${name} has the unknown dtype ${JSON.stringify(dtype ?? null).slice(0, 80)}`);
  if (!isSizes(shape) || shape.length > 64) return fail(`${name} has no valid shape`);
  if (!isSizes(offsets) || offsets.length !== 2) return fail(`${name} has no valid data_offsets`);
  const [start, end] = [offsets[0]!, offsets[1]!];
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (start > end || end > source.size - dataAt) fail(`${name} lies outside the file (bytes ${start} to ${end} of ${source.size - dataAt}); the file may be cut off`);
  if (!Number.isSafeInteger(size) || size * itemSize !== end - start) fail(`${name} takes ${end - start} bytes, its shape [${shape.join(', ').slice(0, 80)}] does not`);
  return { dtype: String(dtype), shape, size, read: readerOf(String(dtype), source, dataAt + start) };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Typed arrays are little-endian, as the format is, on every machine that Node and onnxruntime run on. */
function readerOf(dtype: string, source: ByteSource, start: number): Read | undefined {
  if (dtype === 'F32') return (into, at) => source.read(new Uint8Array(into.buffer, into.byteOffset, into.byteLength), start + 4 * at);
  if (dtype === 'F64') return convertingReader(source, start, 8, (bytes, into) => into.set(new Float64Array(bytes.buffer, 0, into.length)));
  if (dtype === 'F16') return convertingReader(source, start, 2, widenHalf);
  if (dtype === 'BF16') return convertingReader(source, start, 2, widenBfloat);
  return undefined;
}

function convertingReader(source: ByteSource, start: number, itemSize: number, convert: (bytes: Uint8Array, into: Float32Array) => void): Read {
  const perChunk = CHUNK / itemSize;
  return (into, at) => {
    const bytes = new Uint8Array(Math.min(CHUNK, into.length * itemSize));
    for (let done = 0; done < into.length; done += perChunk) {
      const part = into.subarray(done, done + perChunk);
      const raw = bytes.subarray(0, part.length * itemSize);
      source.read(raw, start + (at + done) * itemSize);
      convert(raw, part);
    }
  };
}

function widenHalf(bytes: Uint8Array, into: Float32Array): void {
  const halves = new Uint16Array(bytes.buffer, 0, into.length);
  const table = halfTable();
  for (let i = 0; i < into.length; i++) into[i] = table[halves[i]!]!;
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat(bytes: Uint8Array, into: Float32Array): void {
  const upper = new Uint16Array(bytes.buffer, 0, into.length);
  const whole = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < into.length; i++) whole[i] = upper[i]! << 16;
}
