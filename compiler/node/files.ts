/** Files as the compiler sees them: ranges to read from, a sink that becomes the target whole or not at all. */
import { accessSync, closeSync, constants, existsSync, fchmodSync, fstatSync, lstatSync, openSync, readSync, readlinkSync, realpathSync, renameSync, rmSync, statSync, writeSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Problem } from '../errors.js';
import type { ByteSink, ByteSource } from '../io.js';
import { kept, removeAtExit } from './leftovers.js';

export interface FileSource extends ByteSource {
  close(): void;
}

/** Opens a regular file for reading by ranges. Throws Problem('unreadable'); `close` frees the file. */
export function fileSource(path: string): FileSource {
  const fd = attempt('unreadable', path, () => {
    // Opening a pipe nobody writes to would wait for ever, so look first.
    const stats = statSync(path);
    if (!stats.isFile()) throw new Problem('unreadable', `cannot read ${path}: it is ${stats.isDirectory() ? 'a folder' : 'no regular file'}`);
    return openSync(path, 'r');
  });
  let open = true;
  return {
    name: path,
    size: fstatSync(fd).size,
    read(into, at) {
      attempt('unreadable', path, () => readFully(fd, into, at, path));
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function readFully(fd: number, into: Uint8Array, at: number, path: string): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(fd, into, done, into.length - done, at + done);
    if (count === 0) throw new Problem('unreadable', `cannot read ${path}: it ends at byte ${at + done}, ${into.length - done} bytes too early`, { help: 'The file is cut off, or was changed while it was read.' });
    done += count;
  }
}

/** A text file, UTF-8. Throws Problem('unreadable'), also above `limit` bytes. */
export function readText(path: string, limit = 16 * 2 ** 20): string {
  const source = fileSource(path);
  try {
    if (source.size > limit) throw new Problem('unreadable', `${path} is ${source.size} bytes long, more than the ${limit} that such a file can have`);
    const bytes = new Uint8Array(source.size);
    source.read(bytes, 0);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('unreadable', `${path} is no text in UTF-8`, { cause: error });
  } finally {
    source.close();
  }
}

export interface AtomicFile extends ByteSink {
  /** Where the bytes are until `commit`: `verify` may load the model from here. Call `flush` first. */
  readonly temporary: string;
  /** Bytes written so far. */
  readonly size: number;
  /** Hands buffered bytes to the system. */
  flush(): void;
  /** Gives the file its name. Nothing may be written afterwards. */
  commit(): void;
  /** Removes what was written. Does nothing after `commit`. */
  abort(): void;
}

const BUFFER = 1 << 18;

/** A name beside `target` that nothing has. */
export const temporaryBeside = (target: string): string => join(dirname(target), `.yolonnx-${process.pid}-${Math.random().toString(36).slice(2, 12)}.tmp`);

/**
 * A file that takes its name when it is whole: bytes go to a new file beside the target, or to one of the target's name
 * in `folder`, which must be on the same file system; `commit` renames it. Exit and
 * signals remove it. A target that is a device or a pipe (/dev/null, /dev/stdout) is written to directly. A symbolic
 * link keeps pointing to the file it names, and the target's permissions stay. Throws Problem('unwritable').
 */
export function atomicFile(path: string, folder?: string): AtomicFile {
  if (path === '') throw new Problem('unwritable', 'the name of the output file is empty', { help: 'Give a name with -o.' });
  return attempt('unwritable', path, () => {
    const before = statOf(path);
    if (before?.isDirectory() || /[/\\]$/.test(path)) throw new Problem('unwritable', `cannot write ${path}: it is a folder`, { help: `Name a file in it, such as ${join(path, 'model.onnx')}.` });
    if (before && !before.isFile()) return new Writer(path, path, openSync(path, 'w'));
    if (before) accessSync(path, constants.W_OK);
    const target = before ? realpathSync(path) : linkTarget(path);
    const temporary = folder === undefined ? temporaryBeside(target) : join(folder, basename(target));
    // Registered first: a signal may come at any time.
    removeAtExit(temporary);
    const fd = opened(temporary);
    if (before) fchmodSync(fd, before.mode & 0o777);
    return new Writer(target, temporary, fd);
  });
}

function opened(temporary: string): number {
  try {
    return openSync(temporary, 'wx');
  } catch (error) {
    kept(temporary);
    throw error;
  }
}

/** Where a link leads whose file is not there yet; any other path as it is. */
function linkTarget(path: string): string {
  const link = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return link ? resolve(dirname(path), readlinkSync(path)) : path;
}

function isSameFile(path: string, { dev, ino }: Stats): boolean {
  try {
    const other = statOf(path);
    return other?.dev === dev && other.ino === ino;
  } catch {
    return false; // what is wrong with it, reading it tells
  }
}

/** Whether two paths lead to one file, there or not. Devices may be written to twice. */
export function isSamePlace(a: string, b: string): boolean {
  const place = (path: string): string => {
    const target = linkTarget(path);
    const folder = dirname(resolve(target));
    return join(existsSync(folder) ? realpathSync(folder) : folder, basename(target));
  };
  return attempt('unwritable', b, () => {
    const there = statOf(a);
    if (there && !there.isFile()) return false;
    return place(a) === place(b) || (there !== undefined && isSameFile(b, there));
  });
}

/** Refuses a target that is one of the files it is made from. Throws Problem('bad-option'). */
export function refuseOverwriting(target: string, inputs: readonly string[]): void {
  const written = attempt('unwritable', target, () => statOf(target));
  if (!written?.isFile()) return;
  for (const input of inputs) {
    if (isSameFile(input, written)) {
      throw new Problem('bad-option', `${target} would be overwritten, but it is read as ${input}`, { help: 'Name another file.' });
    }
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

class Writer implements AtomicFile {
  size = 0;
  private readonly buffer = new Uint8Array(BUFFER);
  private filled = 0;
  private state: 'open' | 'committed' | 'aborted' = 'open';

  constructor(
    private readonly target: string,
    readonly temporary: string,
    private readonly fd: number,
  ) {}

  write(bytes: Uint8Array): void {
    this.size += bytes.length;
    if (this.filled + bytes.length > BUFFER) this.flush();
    if (bytes.length >= BUFFER) return this.writeFully(bytes);
    this.buffer.set(bytes, this.filled);
    this.filled += bytes.length;
  }

  flush(): void {
    const bytes = this.buffer.subarray(0, this.filled);
    this.filled = 0;
    this.writeFully(bytes);
  }

  commit(): void {
    try {
      this.flush();
      this.close();
      if (this.temporary !== this.target) attempt('unwritable', this.target, () => renameSync(this.temporary, this.target));
      this.state = 'committed';
      kept(this.temporary);
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  abort(): void {
    if (this.state !== 'open') return;
    this.close();
    this.state = 'aborted';
    if (this.temporary === this.target) return;
    rmSync(this.temporary, { force: true });
    kept(this.temporary);
  }

  private closed = false;

  private close(): void {
    if (!this.closed) closeSync(this.fd);
    this.closed = true;
  }

  private writeFully(bytes: Uint8Array): void {
    attempt('unwritable', this.target, () => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done, bytes.length - done);
    });
  }
}

/** Runs a step on a file and tells the system's errors in plain words. */
export function attempt<T>(code: 'unreadable' | 'unwritable', path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const system = (error as NodeJS.ErrnoException).code;
    if (error instanceof Problem || typeof system !== 'string') throw error;
    throw fileProblem(code, path, system, error);
  }
}

function fileProblem(code: 'unreadable' | 'unwritable', path: string, system: string, cause: unknown): Problem {
  const verb = code === 'unreadable' ? 'read' : 'write';
  const [reason, help] = explain(code, path, system);
  return new Problem(code, `cannot ${verb} ${path}: ${reason}`, { help, cause });
}

function explain(code: 'unreadable' | 'unwritable', path: string, system: string): [reason: string, help?: string] {
  switch (system) {
    case 'ENOENT':
      return code === 'unreadable' ? ['there is no such file', 'Check the name and the folder.'] : [`there is no folder ${dirname(path)}`, 'Create it first, or write to another folder.'];
    case 'EACCES':
    case 'EPERM':
      return code === 'unreadable' ? ['you may not read it', 'Change its permissions.'] : ['you may not write there', 'Change the permissions of the file or its folder, or write to another folder.'];
    case 'EROFS':
      return ['its file system is read-only', 'Write to another folder.'];
    case 'ENOSPC':
      return ['no space is left on the device', 'Free some space, or write to another disk.'];
    case 'EDQUOT':
      return ['your disk quota is used up', 'Free some space, or write to another disk.'];
    case 'EFBIG':
      return ['it would be larger than the file system or a limit allows', 'Write to another disk, or raise the limit (ulimit -f).'];
    case 'EISDIR':
      return ['it is a folder', 'Name a file in it.'];
    case 'ENOTDIR':
      return [`a part of ${dirname(path)} is a file, no folder`, 'Check the path.'];
    case 'ENAMETOOLONG':
      return [`its name is too long (${basename(path).length} characters)`, 'Choose a shorter one.'];
    case 'ELOOP':
      return ['its symbolic links lead in a circle', 'Check the links.'];
    case 'EMFILE':
    case 'ENFILE':
      return ['too many files are open', 'Raise the limit (ulimit -n), or give fewer files at once.'];
    case 'EPIPE':
      return ['the reader of the pipe has gone'];
    case 'EBUSY':
    case 'ETXTBSY':
      return ['another program is using it', 'Close that program, or choose another name.'];
    default:
      return [`the system reports ${system}`];
  }
}
