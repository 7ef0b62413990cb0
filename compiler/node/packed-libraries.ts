/** Libraries in a Python wheel or a NuGet package; both are zip files. One has 270 MB: it is unpacked as a stream. */
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { Problem, quoted } from '../errors.js';
import type { ByteSink } from '../io.js';
import { fileSource } from './files.js';

/** One file to be installed. */
export interface Piece {
  readonly name: string;
  /** Where it comes from, for messages. */
  readonly origin: string;
  readonly size: number;
  copy(sink: ByteSink): Promise<void> | void;
}

export interface Package {
  /** onnxruntime's version, as the package says. */
  readonly version: string;
  readonly pieces: readonly Piece[];
  close(): void;
}

/** Where the two kinds of packages have their libraries for Linux on x64. */
const FOLDERS = ['onnxruntime/capi/', 'runtimes/linux-x64/native/'];
const MAX_ENTRIES = 100_000;
const MAX_LIBRARY = 2 ** 31;
const MAX_TEXT = 2 ** 20;

/** Opens a package and finds the named libraries in it; messages call it `title`. Throws Problem('unreadable') for any other file. */
export async function openPackage(path: string, libraries: readonly string[], title = path): Promise<Package> {
  fileSource(path).close();
  const zip = await openZip(path, title);
  try {
    const entries = await entriesOf(zip, title);
    const version = await versionOf(zip, entries, title);
    const pieces = libraries.map((name): Piece => {
      const entry = FOLDERS.flatMap((folder) => entries.get(folder + name) ?? [])[0];
      if (!entry) throw new Problem('unreadable', `${title} has no ${name} for Linux on x64`, { help: 'Take onnxruntime-gpu for linux x86_64 from PyPI, or Microsoft.ML.OnnxRuntime.Gpu.Linux from NuGet.' });
      if (entry.uncompressedSize > MAX_LIBRARY) throw damaged(title, `${name} would have ${entry.uncompressedSize} bytes`);
      return { name, origin: `${name} in ${title}`, size: entry.uncompressedSize, copy: (sink) => unpack(zip, entry, title, sink) };
    });
    return { version, pieces, close: () => zip.close() };
  } catch (error) {
    zip.close();
    throw error;
  }
}

const damaged = (title: string, what: string, cause?: unknown): Problem => new Problem('unreadable', `${title} is a damaged zip file: ${what}`, { help: 'Download or copy the file again.', cause });

async function openZip(path: string, title: string): Promise<ZipFile> {
  const { default: yauzl } = await import('yauzl');
  return new Promise((resolve, reject) => {
    yauzl.open(path, { lazyEntries: true, autoClose: false, strictFileNames: true }, (error, zip) => (error ? reject(damaged(title, plainly(error), error)) : resolve(zip)));
  });
}

function entriesOf(zip: ZipFile, title: string): Promise<Map<string, Entry>> {
  return new Promise((resolve, reject) => {
    const entries = new Map<string, Entry>();
    zip.on('error', (error: Error) => reject(damaged(title, plainly(error), error)));
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    if (zip.entryCount > MAX_ENTRIES) reject(damaged(title, `it would have ${zip.entryCount} entries`));
    else zip.readEntry();
  });
}

/** `Version: 1.30.0` in a wheel's METADATA, `<version>1.30.0</version>` in a NuGet package's .nuspec. */
async function versionOf(zip: ZipFile, entries: ReadonlyMap<string, Entry>, title: string): Promise<string> {
  for (const [pattern, field] of [
    [/^[^/]+\.dist-info\/METADATA$/, /^Version: *(\S+) *$/m],
    [/^[^/]+\.nuspec$/, /<version>\s*([^<\s]+)\s*<\/version>/],
  ] as const) {
    const entry = [...entries.values()].find(({ fileName }) => pattern.test(fileName));
    if (!entry) continue;
    if (entry.uncompressedSize > MAX_TEXT) throw damaged(title, `its ${quoted(entry.fileName)} would have ${entry.uncompressedSize} bytes`);
    const parts: Uint8Array[] = [];
    await unpack(zip, entry, title, { write: (bytes) => parts.push(bytes) });
    const version = field.exec(Buffer.concat(parts).toString('utf8'))?.[1];
    if (version !== undefined) return quoted(version);
  }
  throw new Problem('unreadable', `${title} is neither a Python wheel nor a NuGet package`, { help: 'Unpack other archives first, and give the folder that has the libraries.' });
}

async function unpack(zip: ZipFile, entry: Entry, title: string, sink: ByteSink): Promise<void> {
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, readable) => (error ? reject(damaged(title, plainly(error), error)) : resolve(readable)));
  });
  let sum = 0;
  for await (const bytes of readable(stream, title)) {
    sum = crc32(bytes, sum);
    sink.write(bytes);
  }
  if (sum !== entry.crc32) throw damaged(title, `${quoted(entry.fileName)} does not have the checksum that its directory gives`);
}

/** The bytes; what is wrong with them is a Problem, unlike what is wrong with where they go. */
async function* readable(stream: Readable, title: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw damaged(title, plainly(error as Error), error);
  }
}

/** yauzl's words; for a file that is none in ours. */
const plainly = ({ message }: Error): string => (message.startsWith("End of central directory record signature not found") ? 'its end is missing, or it is no zip file at all' : message).replace(/[^\x20-\x7e]/g, '?').slice(0, 160);
