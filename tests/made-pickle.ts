/** Pickles put together opcode by opcode, as CPython's pickletools.py lists them. */

/** Text is Latin-1, one byte for each character; a number is one byte. */
export type Part = string | number | Uint8Array | readonly Part[];

export function bytesOf(part: Part): Uint8Array {
  if (part instanceof Uint8Array) return part;
  if (typeof part === 'number') return Uint8Array.of(part);
  return typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.concat(part.map(bytesOf));
}

const little = (bytes: number, write: (buffer: Buffer) => unknown): Uint8Array => {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
};
export const u16 = (value: number): Uint8Array => little(2, (buffer) => buffer.writeUInt16LE(value));
export const u32 = (value: number): Uint8Array => little(4, (buffer) => buffer.writeUInt32LE(value));
export const i32 = (value: number): Uint8Array => little(4, (buffer) => buffer.writeInt32LE(value));
export const u64 = (value: number | bigint): Uint8Array => little(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
/** Big-endian, unlike all else. */
export const f64 = (value: number): Uint8Array => little(8, (buffer) => buffer.writeDoubleBE(value));

/** Two's complement, in so many bytes. */
export function bigInteger(value: bigint, length: number): Uint8Array {
  const bits = BigInt.asUintN(8 * length, value);
  return Uint8Array.from({ length }, (_, i) => Number((bits >> BigInt(8 * i)) & 255n));
}

export const NONE = 'N';
export const TRUE = '\x88';
export const FALSE = '\x89';
export const MARK = '(';
export const STOP = '.';

export const int = (value: number): Part => (Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? ['J', i32(value)] : ['\x8a', 8, bigInteger(BigInt(value), 8)]);
export const float = (value: number): Part => ['G', f64(value)];
export const text = (value: string): Part => ['X', u32(Buffer.byteLength(value)), Buffer.from(value)];
export const blob = (bytes: Uint8Array): Part => ['B', u32(bytes.length), bytes];
export const list = (...items: readonly Part[]): Part => [']', MARK, items, 'e'];
export const tuple = (...items: readonly Part[]): Part => [MARK, items, 't'];
export const ints = (values: readonly number[]): Part => tuple(...values.map(int));
export const dict = (...entries: readonly (readonly [key: Part, value: Part])[]): Part => ['}', MARK, entries, 'u'];
/** A dict whose keys are text. */
export const fields = (entries: Readonly<Record<string, Part>>): Part => dict(...Object.entries(entries).map(([key, value]) => [text(key), value] as const));
export const named = (module: string, name: string): Part => ['c', module, '\n', name, '\n'];
export const called = (module: string, name: string, ...args: readonly Part[]): Part => [named(module, name), tuple(...args), 'R'];
export const persistent = (id: Part): Part => [id, 'Q'];
/** An object without a constructor's arguments, and its `__dict__`. */
export const object = (module: string, name: string, state: Part): Part => [named(module, name), ')', '\x81', state, 'b'];

/** Protocol 2, up to the STOP. */
export const pickle = (...parts: readonly Part[]): Uint8Array => bytesOf(['\x80', 2, parts, STOP]);
