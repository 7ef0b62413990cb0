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

/**
 * Where they are read to, and widened. Reading and converting are one step, so one place serves all. As constants of the
 * module, V8 knows where they lie: the loops run twice as fast as over arrays that are passed.
 * Typed arrays are little-endian, as the formats are, on every machine that Node and onnxruntime run on.
 */
const scratch = new Uint8Array(CHUNK);
const halves = new Uint16Array(scratch.buffer);
const doubles = new Float64Array(scratch.buffer);
const floats = new Float32Array(CHUNK / 2);
const words = new Uint32Array(floats.buffer);

/** Widens the first `count` elements in `scratch` to `floats`. */
const WIDEN: Partial<Readonly<Record<DType, (count: number) => void>>> = {
  F64(count) {
    for (let i = 0; i < count; i++) floats[i] = doubles[i]!;
  },
  F16(count) {
    const table = halfTable();
    for (let i = 0; i < count; i++) floats[i] = table[halves[i]!]!;
  },
  // bfloat16 is the upper half of a float32.
  BF16(count) {
    for (let i = 0; i < count; i++) words[i] = halves[i]! << 16;
  },
};

/** Fills `into` with a tensor's bytes from offset `at` on, in row-major order. */
export type ReadBytes = (into: Uint8Array, at: number) => void;

/** A reader that gives float32, in chunks; undefined where the type holds no weights (integers, booleans, float8). */
export function floatReader(dtype: DType, read: ReadBytes): Read | undefined {
  if (dtype === 'F32') return (into, at) => read(new Uint8Array(into.buffer, into.byteOffset, into.byteLength), 4 * at);
  const widen = WIDEN[dtype];
  if (!widen) return undefined;
  const size = itemSize(dtype);
  const perChunk = CHUNK / size;
  return (into, at) => {
    for (let done = 0; done < into.length; done += perChunk) {
      const count = Math.min(perChunk, into.length - done);
      read(scratch.subarray(0, count * size), (at + done) * size);
      widen(count);
      into.set(floats.subarray(0, count), done);
    }
  };
}

/** The bytes of a source from `start` on. */
export const bytesAt = (source: ByteSource, start: number): ReadBytes => (into, at) => source.read(into, start + at);
