/** Element types of weight files: what each takes, and how its numbers become float32. */
import type { ByteSource } from '../io.js';
import type { Read } from '../ir/graph.js';
import { halfTable } from './float16.js';

/** By the names of safetensors. */
export type DType = keyof typeof ITEM_SIZES;

const ITEM_SIZES = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8, C64: 8,
} as const;

export const isDType = (name: unknown): name is DType => typeof name === 'string' && Object.hasOwn(ITEM_SIZES, name);

/** Bytes of one element. */
export const itemSize = (dtype: DType): number => ITEM_SIZES[dtype];

/** Bytes that a converting reader takes at a time. */
const CHUNK = 1 << 16;

type Convert = (bytes: Uint8Array, into: Float32Array) => void;

/** Typed arrays are little-endian, as the formats are, on every machine that Node and onnxruntime run on. */
const CONVERT: Partial<Readonly<Record<DType, Convert>>> = {
  F64: (bytes, into) => into.set(new Float64Array(bytes.buffer, 0, into.length)),
  F16: (bytes, into) => {
    const halves = new Uint16Array(bytes.buffer, 0, into.length);
    const table = halfTable();
    for (let i = 0; i < into.length; i++) into[i] = table[halves[i]!]!;
  },
  // bfloat16 is the upper half of a float32.
  BF16: (bytes, into) => {
    const upper = new Uint16Array(bytes.buffer, 0, into.length);
    const whole = new Uint32Array(into.buffer, into.byteOffset, into.length);
    for (let i = 0; i < into.length; i++) whole[i] = upper[i]! << 16;
  },
};

/** Fills `into` with a tensor's bytes from offset `at` on, in row-major order. */
export type ReadBytes = (into: Uint8Array, at: number) => void;

/** A reader that gives float32, in chunks; undefined where the type holds no weights (integers, booleans, float8). */
export function floatReader(dtype: DType, read: ReadBytes): Read | undefined {
  if (dtype === 'F32') return (into, at) => read(new Uint8Array(into.buffer, into.byteOffset, into.byteLength), 4 * at);
  const convert = CONVERT[dtype];
  if (!convert) return undefined;
  const size = itemSize(dtype);
  const perChunk = CHUNK / size;
  return (into, at) => {
    const bytes = new Uint8Array(Math.min(CHUNK, into.length * size));
    for (let done = 0; done < into.length; done += perChunk) {
      const part = into.subarray(done, done + perChunk);
      const raw = bytes.subarray(0, part.length * size);
      read(raw, (at + done) * size);
      convert(raw, part);
    }
  };
}

/** The bytes of a source from `start` on. */
export const bytesAt = (source: ByteSource, start: number): ReadBytes => (into, at) => source.read(into, start + at);
