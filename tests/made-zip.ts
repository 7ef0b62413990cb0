/** Zip files written field by field, right or wrong (APPNOTE.TXT, 4.3). */
import { crc32, deflateRawSync } from 'node:zlib';

interface Fields {
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
}

export interface MadeEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflated?: boolean;
  /** Sizes and checksum stand behind the data, as PyTorch and streaming packers write them. */
  readonly streamed?: boolean;
  /** Sizes and place of the directory in 64 bits. */
  readonly wide?: boolean;
  /** Bytes of an extra field in front of the data. */
  readonly padding?: number;
  /** What the directory says instead of the truth. */
  readonly central?: Partial<Fields & { readonly offset: number; readonly name: string }>;
  /** What the header in front of the data says instead. */
  readonly local?: Partial<Fields & { readonly name: string }>;
}

export interface MadeZip {
  readonly comment?: string;
  /** The directory's own place and counts in 64 bits. */
  readonly wide?: boolean;
}

const FULL = 0xffffffff;

function header(signature: number, ...values: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const buffer = Buffer.alloc(4 + values.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = buffer.writeUInt32LE(signature);
  for (const [bytes, value] of values) at = bytes === 8 ? buffer.writeBigUInt64LE(BigInt(value), at) : buffer.writeUIntLE(value, at, bytes);
  return buffer;
}

function extra(id: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([id & 255, id >> 8, data.length & 255, data.length >> 8]), data]);
}

const wideOf = (...values: readonly number[]): Buffer => extra(1, header(0, ...values.map((value) => [8, value] as const)).subarray(4));

export function zipOf(entries: readonly MadeEntry[], { comment = '', wide = false }: MadeZip = {}): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const add = (...buffers: readonly Buffer[]): void => {
    for (const buffer of buffers) at += buffer.length;
    parts.push(...buffers);
  };
  for (const entry of entries) {
    const { name, bytes, deflated = false, streamed = false, padding = 0 } = entry;
    const data = deflated ? deflateRawSync(bytes) : Buffer.from(bytes);
    const truth: Fields = { flags: 0x800 | (streamed ? 8 : 0), method: deflated ? 8 : 0, crc: crc32(bytes), packed: data.length, size: bytes.length };
    const offset = entry.central?.offset ?? at;
    const said = { ...truth, ...(streamed ? { crc: 0, packed: 0, size: 0 } : {}), ...entry.local };
    const localName = Buffer.from(entry.local?.name ?? name);
    const pad = padding === 0 ? Buffer.alloc(0) : extra(0x4246, Buffer.alloc(padding, 'Z'));
    add(header(0x04034b50, [2, 20], [2, said.flags], [2, said.method], [2, 0], [2, 0], [4, said.crc], [4, said.packed], [4, said.size], [2, localName.length], [2, pad.length]), localName, pad, data);
    if (streamed) add(header(0x08074b50, [4, truth.crc], [4, truth.packed], [4, truth.size]));
    const told = { ...truth, ...entry.central };
    const listed = Buffer.from(entry.central?.name ?? name);
    const [packed, size, place] = entry.wide ? [FULL, FULL, FULL] : [told.packed, told.size, offset];
    const more = entry.wide ? wideOf(told.size, told.packed, offset) : Buffer.alloc(0);
    directory.push(header(0x02014b50, [2, 45], [2, 45], [2, told.flags], [2, told.method], [2, 0], [2, 0], [4, told.crc], [4, packed], [4, size], [2, listed.length], [2, more.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, place]), listed, more);
  }
  const start = at;
  add(...directory);
  const [count, length] = [entries.length, at - start];
  if (wide) {
    const record = at;
    add(header(0x06064b50, [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, length], [8, start]), header(0x07064b50, [4, 0], [8, record], [4, 1]));
  }
  const [short, long, place] = wide ? [0xffff, FULL, FULL] : [count, length, start];
  add(header(0x06054b50, [2, 0], [2, 0], [2, short], [2, short], [4, long], [4, place], [2, comment.length]), Buffer.from(comment));
  return Buffer.concat(parts);
}
