/** Small shared libraries for Linux on x64, written field by field: two segments, a dynamic section, constants. */

export interface MadeElf {
  readonly needed?: readonly string[];
  readonly soname?: string;
  /** Texts among its constants. */
  readonly constants?: readonly string[];
  /** Whether it has section headers. */
  readonly sections?: boolean;
}

/** What is at an offset in memory lies at that much less in the file. */
const BASE = 0x10000;

export function elfOf({ needed = [], soname, constants = [], sections = true }: MadeElf = {}): Buffer {
  const strings = Buffer.from(`\0${[...needed, ...(soname === undefined ? [] : [soname])].map((name) => `${name}\0`).join('')}`);
  const data = Buffer.from(`\0${constants.map((text) => `${text}\0`).join('')}`);
  const names = Buffer.from('\0.rodata\0.shstrtab\0');
  const dynamicAt = 64 + 2 * 56;
  const dynamicLength = (needed.length + (soname === undefined ? 3 : 4)) * 16;
  const stringsAt = dynamicAt + dynamicLength;
  const dataAt = stringsAt + strings.length;
  const namesAt = dataAt + data.length;
  const sectionsAt = namesAt + names.length;
  const file = Buffer.alloc(sectionsAt + (sections ? 3 * 64 : 0));
  Buffer.from('\x7fELF\x02\x01\x01').copy(file);
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(64n, 32);
  if (sections) file.writeBigUInt64LE(BigInt(sectionsAt), 40);
  [56, 2, 64, sections ? 3 : 0, sections ? 2 : 0].forEach((value, i) => file.writeUInt16LE(value, 54 + 2 * i));
  const segment = (at: number, type: number, offset: number, length: number): void => {
    file.writeUInt32LE(type, at);
    for (const [field, value] of [[8, offset], [16, offset + BASE], [32, length], [40, length]] as const) file.writeBigUInt64LE(BigInt(value), at + field);
  };
  segment(64, 1, 0, file.length);
  segment(64 + 56, 2, dynamicAt, dynamicLength);
  const entries = [...needed.map((name) => [1, strings.indexOf(`\0${name}\0`) + 1] as const), ...(soname === undefined ? [] : [[14, strings.indexOf(`\0${soname}\0`) + 1] as const]), [5, stringsAt + BASE] as const, [10, strings.length] as const];
  entries.forEach(([tag, value], i) => {
    file.writeBigInt64LE(BigInt(tag), dynamicAt + 16 * i);
    file.writeBigUInt64LE(BigInt(value), dynamicAt + 16 * i + 8);
  });
  strings.copy(file, stringsAt);
  data.copy(file, dataAt);
  names.copy(file, namesAt);
  if (sections) {
    for (const [i, name, offset, length] of [[1, 1, dataAt, data.length], [2, 9, namesAt, names.length]] as const) {
      file.writeUInt32LE(name, sectionsAt + 64 * i);
      file.writeBigUInt64LE(BigInt(offset), sectionsAt + 64 * i + 24);
      file.writeBigUInt64LE(BigInt(length), sectionsAt + 64 * i + 32);
    }
  }
  return file;
}
