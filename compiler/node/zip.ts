/** Zip files as sources of bytes: yauzl reads the directory, entries are read by ranges. */
import { crc32, inflateRawSync } from 'node:zlib';
import type { Entry } from 'yauzl';
import { Problem } from '../errors.js';
import type { ByteSource } from '../io.js';
import type { Archive } from '../weights/torch/read.js';

const MAX_ENTRIES = 200_000;
/** A compressed entry is unpacked in memory, one at a time; torch.save compresses nothing. */
const MAX_UNPACKED = 48 * 2 ** 20;
const STORED = 0;
const DEFLATED = 8;

const damaged = (name: string, what: string): Problem => new Problem('bad-weights', `${name} is a damaged zip file: ${what}`, { help: 'Download or copy the file again.' });

/** Reads the directory and checks it; entries are read when asked for. Throws Problem('bad-weights'). */
export async function openZip(source: ByteSource): Promise<Archive> {
  const entries = await directory(source);
  checkOverlaps(source.name, entries);
  const unpacked = new Unpacked();
  const archive = new Map<string, ZipEntry>();
  for (const entry of entries) {
    if (entry.fileName.endsWith('/')) continue;
    if (archive.has(entry.fileName)) throw damaged(source.name, `it has two entries ${JSON.stringify(entry.fileName.slice(0, 100))}`);
    archive.set(entry.fileName, new ZipEntry(source, entry, unpacked));
  }
  // PyTorch can be told to leave checksums out: then those of all entries are wrong, the shortest too.
  const short = [...archive.values()].filter(({ size }) => size > 0 && size <= 64).slice(0, 4);
  if (short.length >= 2 && short.every((entry) => !entry.matches())) for (const entry of archive.values()) entry.trust();
  return archive;
}

async function directory(source: ByteSource): Promise<Entry[]> {
  const { default: yauzl } = await import('yauzl');
  class Reader extends yauzl.RandomAccessReader {
    // The stream that yauzl would make for each of thousands of small reads is spared.
    override read(buffer: Buffer, offset: number, length: number, position: number, done: (error: Error | null) => void): void {
      try {
        if (position + length > source.size) throw new Error('it is cut off');
        source.read(buffer.subarray(offset, offset + length), position);
        process.nextTick(done, null);
      } catch (error) {
        process.nextTick(done, error);
      }
    }
  }
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(error instanceof Problem ? error : damaged(source.name, plainly(error)));
    yauzl.fromRandomAccessReader(new Reader(), source.size, { strictFileNames: true, lazyEntries: true }, (error, zip) => {
      if (error) return fail(error);
      const entries: Entry[] = [];
      zip.on('error', fail);
      zip.on('end', () => {
        try {
          checkEnd(source, entries, zip.comment.length);
          resolve(entries);
        } catch (fault) {
          fail(fault);
        }
      });
      zip.on('entry', (entry: Entry) => {
        entries.push(entry);
        zip.readEntry();
      });
      if (zip.entryCount > MAX_ENTRIES || zip.entryCount * DIRECTORY_ENTRY > source.size) fail(new Error(`it would have ${zip.entryCount} entries`));
      else zip.readEntry();
    });
  });
}

const DIRECTORY_ENTRY = 46;
const END = 22;
const LOCATOR = 20;
const END64 = 56;

/** The directory must be as long as the end record says, and end where that begins: nothing is left out, nothing hidden. */
function checkEnd(source: ByteSource, entries: readonly Entry[], commentLength: number): void {
  const read = (at: number, length: number): DataView => {
    if (!(at >= 0 && at + length <= source.size)) throw damaged(source.name, 'its end record lies outside the file');
    const bytes = new Uint8Array(length);
    source.read(bytes, at);
    return new DataView(bytes.buffer);
  };
  const endAt = source.size - END - commentLength;
  const end = read(endAt, END);
  let [size, start, next] = [end.getUint32(12, true), end.getUint32(16, true), endAt];
  if (endAt >= LOCATOR && read(endAt - LOCATOR, LOCATOR).getUint32(0, true) === 0x07064b50) {
    next = Number(read(endAt - LOCATOR, LOCATOR).getBigUint64(8, true));
    const end64 = read(next, END64);
    [size, start] = [Number(end64.getBigUint64(40, true)), Number(end64.getBigUint64(48, true))];
  }
  const length = entries.reduce((sum, entry) => sum + DIRECTORY_ENTRY + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength, 0);
  if (size !== length || start + size !== next) throw damaged(source.name, 'its directory is not as long as its end record says');
  if (entries.some(({ fileName }) => /[\u0000-\u001f]/.test(fileName))) throw damaged(source.name, 'an entry has a name with control characters');
}

/** yauzl's reasons, without the names and numbers that a file may put there. */
const plainly = (error: unknown): string => (error instanceof Error ? error.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 160) : 'its directory cannot be read');

/** Entries that share bytes are how a small file claims to be large. */
function checkOverlaps(name: string, entries: readonly Entry[]): void {
  const sorted = [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  sorted.forEach((entry, i) => {
    const next = sorted[i + 1];
    if (next && entry.relativeOffsetOfLocalHeader + LOCAL_HEADER + entry.compressedSize > next.relativeOffsetOfLocalHeader) throw damaged(name, 'its entries overlap');
  });
}

/** The entry that was unpacked last, and how much was unpacked in all: entries that are read in turn are unpacked anew. */
class Unpacked {
  entry: ZipEntry | undefined;
  bytes = new Uint8Array(0);
  total = 0;
}

/** Some ten times the largest of these models. */
const MAX_UNPACKED_IN_ALL = 4 * 2 ** 30;

const LOCAL_HEADER = 30;
const CHUNK = 1 << 20;

/** One file of the zip. Its checksum is held against its bytes as they pass, and at once where they are not read in order. */
class ZipEntry implements ByteSource {
  readonly name: string;
  readonly size: number;
  private start: number | undefined;
  private checked = false;
  private passed = 0;
  private sum = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly entry: Entry,
    private readonly unpacked: Unpacked,
  ) {
    this.name = source.name;
    this.size = entry.uncompressedSize;
  }

  read(into: Uint8Array, at: number): void {
    if (at + into.length > this.size) throw this.fault('is read beyond its end');
    if (!this.checked && at === 0) this.restart();
    if (!this.checked && at !== this.passed) this.checkAll();
    this.readRaw(into, at);
    if (this.checked) return;
    this.sum = crc32(into, this.sum);
    this.passed += into.length;
    if (this.passed === this.size) this.compare();
  }

  /** A look at the first bytes is not out of order: the checksum begins anew. */
  private restart(): void {
    this.sum = 0;
    this.passed = 0;
  }

  /** Takes the bytes without a checksum. */
  trust(): void {
    this.checked = true;
  }

  matches(): boolean {
    const bytes = new Uint8Array(this.size);
    this.readRaw(bytes, 0);
    return crc32(bytes) === this.entry.crc32;
  }

  private checkAll(): void {
    this.sum = 0;
    const chunk = new Uint8Array(Math.min(CHUNK, this.size));
    for (let at = 0; at < this.size; at += chunk.length) {
      const part = chunk.subarray(0, this.size - at);
      this.readRaw(part, at);
      this.sum = crc32(part, this.sum);
    }
    this.compare();
  }

  private compare(): void {
    if (this.sum !== this.entry.crc32) throw this.fault('does not have the checksum that the zip’s directory gives');
    this.checked = true;
  }

  private readRaw(into: Uint8Array, at: number): void {
    if (this.entry.compressionMethod === STORED) this.source.read(into, this.dataStart() + at);
    else into.set(this.unpack().subarray(at, at + into.length));
  }

  /** Behind the local header, whose name and extra field have lengths of their own. */
  private dataStart(): number {
    if (this.start !== undefined) return this.start;
    const { relativeOffsetOfLocalHeader: at, fileNameRaw, compressedSize } = this.entry;
    if (at + LOCAL_HEADER > this.source.size) throw this.fault('lies outside the file');
    const header = new Uint8Array(LOCAL_HEADER);
    this.source.read(header, at);
    const view = new DataView(header.buffer);
    const nameLength = view.getUint16(26, true);
    const start = at + LOCAL_HEADER + nameLength + view.getUint16(28, true);
    if (view.getUint32(0, true) !== 0x04034b50 || nameLength !== fileNameRaw.length) throw this.fault('is not where the directory says');
    if (start + compressedSize > this.source.size) throw this.fault('lies outside the file');
    const name = new Uint8Array(nameLength);
    this.source.read(name, at + LOCAL_HEADER);
    if (Buffer.compare(name, fileNameRaw) !== 0) throw this.fault('has another name where it lies');
    return (this.start = start);
  }

  private unpack(): Uint8Array {
    const { entry, unpacked } = this;
    if (unpacked.entry === this) return unpacked.bytes;
    if (entry.compressionMethod !== DEFLATED || entry.isEncrypted()) throw this.fault('is packed or encrypted in a way that is not read');
    if (entry.uncompressedSize > MAX_UNPACKED || entry.compressedSize > MAX_UNPACKED) throw this.fault(`is compressed and ${entry.uncompressedSize} bytes long; at most ${MAX_UNPACKED} are unpacked`);
    unpacked.total += entry.uncompressedSize;
    if (unpacked.total > MAX_UNPACKED_IN_ALL) throw this.fault('is unpacked over and over: tensors of several entries are mixed');
    const packed = new Uint8Array(entry.compressedSize);
    this.source.read(packed, this.dataStart());
    unpacked.entry = undefined;
    try {
      unpacked.bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, this.size) });
    } catch (error) {
      throw this.fault('cannot be unpacked', error);
    }
    if (unpacked.bytes.length !== this.size) throw this.fault('is not as long as the directory says');
    unpacked.entry = this;
    return unpacked.bytes;
  }

  private fault(what: string, cause?: unknown): Problem {
    return new Problem('bad-weights', `${this.name} is a damaged zip file: ${JSON.stringify(this.entry.fileName.slice(0, 100))} ${what}`, { help: 'Download or copy the file again.', cause });
  }
}
