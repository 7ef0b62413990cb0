/** Shared libraries of Linux on x64, read by ranges: a provider library has 272 MB, and what it links stands in a few kB. */
import { Problem } from '../errors.js';
import type { ByteSource } from '../io.js';

export interface ElfLibrary {
  /** The libraries that it links (DT_NEEDED), in the loader's order. */
  readonly needed: readonly string[];
  /** What it calls itself (DT_SONAME), where it does. */
  readonly soname: string | undefined;
  /** Where its constants are (.rodata), unless it does not say so. */
  readonly constants: Range | undefined;
}

export interface Range {
  readonly at: number;
  readonly length: number;
}

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const [LOAD, DYNAMIC] = [1, 2];
const [NEEDED, STRING_TABLE, STRING_SIZE, SONAME] = [1, 5, 10, 14];
const [SHARED_OBJECT, X86_64] = [3, 62];
const MAX_HEADERS = 4096;
/** Of a dynamic section or a table of names; real ones have some kB. */
const MAX_TABLE = 16 * 2 ** 20;
const MAX_NAME = 255;

const machines: Readonly<Record<number, string>> = { 3: '32-bit x86', 40: '32-bit ARM', 183: 'arm64', 243: 'RISC-V' };

const refused = (name: string, what: string, help = 'Download or copy the file again.'): Problem => new Problem('unreadable', `${name} is no shared library for Linux on x64: ${what}`, { help });

interface Segment extends Range {
  readonly type: number;
  /** Where it lies in memory. */
  readonly address: number;
}

/** Reads what a library links. Throws Problem('unreadable') for anything but a whole shared library for Linux on x64. */
export function readElf(source: ByteSource): ElfLibrary {
  const header = head(source);
  const segments = segmentsOf(source, header);
  return { ...namesIn(source, segments), constants: constantsOf(source, header) };
}

function head(source: ByteSource): DataView {
  const { name, size } = source;
  const bytes = new Uint8Array(Math.min(HEADER, size));
  source.read(bytes, 0);
  if (Buffer.compare(bytes.subarray(0, 4), Buffer.from('\x7fELF')) !== 0) throw refused(name, beginning(bytes));
  if (size < HEADER) throw refused(name, 'it is cut off in its header');
  const header = new DataView(bytes.buffer);
  const machine = header.getUint16(18, true);
  const other = 'Take the one for Linux on x64 (linux-x64, x86_64).';
  if (bytes[4] !== 2 || bytes[5] !== 1) throw refused(name, `it is for ${machines[machine] ?? 'a 32-bit or big-endian machine'}`, other);
  if (machine !== X86_64) throw refused(name, `it is for ${machines[machine] ?? `machine ${machine}`}`, other);
  if (header.getUint16(16, true) !== SHARED_OBJECT) throw refused(name, 'it is an object file or a program');
  return header;
}

function beginning(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty';
  const start = Buffer.from(bytes).toString('latin1');
  if (start.startsWith('MZ')) return 'it is a library of Windows';
  if (start.startsWith('PK')) return 'it is a zip file';
  if (start.startsWith('version https://git-lfs')) return 'it is a pointer of Git LFS, not the file itself';
  return /^[\t\n\r\x20-\x7e]+$/.test(start) ? 'it is a text file' : 'it does not begin like one';
}

function segmentsOf(source: ByteSource, header: DataView): Segment[] {
  const { name, size } = source;
  const [at, width, count] = [Number(header.getBigUint64(32, true)), header.getUint16(54, true), header.getUint16(56, true)];
  if (width !== PROGRAM_HEADER || count === 0 || count > MAX_HEADERS) throw refused(name, 'its program headers are damaged');
  const table = view(source, { at, length: count * PROGRAM_HEADER });
  const segments = Array.from({ length: count }, (_, i): Segment => {
    const from = i * PROGRAM_HEADER;
    const [offset, address, length] = [8, 16, 32].map((field) => Number(table.getBigUint64(from + field, true))) as [number, number, number];
    return { type: table.getUint32(from, true), at: offset, address, length };
  });
  // The loader maps such a file all the same, and the process ends with SIGBUS.
  const end = Math.max(...segments.map((segment) => segment.at + segment.length));
  if (end > size) throw refused(name, `it is cut off: it has ${size} bytes, and its segments reach to byte ${end}`);
  return segments;
}

function namesIn(source: ByteSource, segments: readonly Segment[]): Pick<ElfLibrary, 'needed' | 'soname'> {
  const { name } = source;
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  if (!dynamic) throw refused(name, 'it links nothing dynamically');
  const table = view(source, dynamic);
  const offsets: number[] = [];
  let [strings, length] = [0, 0];
  let own: number | undefined;
  for (let at = 0; at + 16 <= table.byteLength; at += 16) {
    const [tag, value] = [Number(table.getBigInt64(at, true)), Number(table.getBigUint64(at + 8, true))];
    if (tag === 0) break;
    if (tag === NEEDED) offsets.push(value);
    if (tag === SONAME) own = value;
    if (tag === STRING_TABLE) strings = value;
    if (tag === STRING_SIZE) length = value;
  }
  const load = segments.find((segment) => segment.type === LOAD && segment.address <= strings && strings + length <= segment.address + segment.length);
  if (!load || offsets.length > MAX_HEADERS) throw refused(name, 'its dynamic section is damaged');
  const names = Buffer.from(view(source, { at: load.at + strings - load.address, length }).buffer);
  const nameAt = (offset: number): string => {
    const end = offset < names.length ? names.indexOf(0, offset) : -1;
    const text = names.toString('latin1', offset, Math.max(offset, end));
    if (end < 0 || text.length > MAX_NAME || !/^[\x21-\x7e]+$/.test(text)) throw refused(name, 'a name in its dynamic section is damaged');
    return text;
  };
  return { needed: offsets.map(nameAt), soname: own === undefined ? undefined : nameAt(own) };
}

/** Sections may be left out of a library, and nothing but the search for its version needs them: no fault is told. */
function constantsOf(source: ByteSource, header: DataView): Range | undefined {
  const [at, width, count, names] = [Number(header.getBigUint64(40, true)), header.getUint16(58, true), header.getUint16(60, true), header.getUint16(62, true)];
  if (at === 0 || width !== SECTION_HEADER || count > MAX_HEADERS || names >= count || at + count * SECTION_HEADER > source.size) return undefined;
  const table = view(source, { at, length: count * SECTION_HEADER });
  const range = (i: number): Range => ({ at: Number(table.getBigUint64(i * SECTION_HEADER + 24, true)), length: Number(table.getBigUint64(i * SECTION_HEADER + 32, true)) });
  const within = ({ at: from, length }: Range): boolean => from + length <= source.size;
  if (!within(range(names)) || range(names).length > MAX_TABLE) return undefined;
  const texts = Buffer.from(view(source, range(names)).buffer);
  for (let i = 0; i < count; i++) {
    const from = table.getUint32(i * SECTION_HEADER, true);
    if (texts.toString('latin1', from, from + 8) === '.rodata\0' && within(range(i))) return range(i);
  }
  return undefined;
}

function view(source: ByteSource, { at, length }: Range): DataView {
  if (length > MAX_TABLE || at + length > source.size) throw refused(source.name, 'its tables are damaged or cut off');
  const bytes = new Uint8Array(length);
  source.read(bytes, at);
  return new DataView(bytes.buffer);
}
