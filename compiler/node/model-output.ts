/** An ONNX file on its way to its name, with the file of its external data where it has one: both appear, or neither. */
import { chmodSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Problem } from '../errors.js';
import type { DataSink, ModelSink } from '../io.js';
import { atomicFile, attempt, temporaryBeside, type AtomicFile } from './files.js';
import { kept, removeAtExit } from './leftovers.js';

export interface ModelOutput extends AtomicFile, ModelSink {}

/** The name of a model's external data. */
export const dataFileOf = (model: string): string => `${model}.data`;

/**
 * Writes a model as `atomicFile` does. When it opens external data, both files go to a temporary folder beside the
 * target, under their names, so that the model finds its data before they are moved. Throws Problem('unwritable').
 */
export function modelOutput(path: string): ModelOutput {
  const model = atomicFile(path);
  // Nothing can lie beside a device or a pipe.
  return model.temporary === path ? model : new ModelFile(path, model);
}

class ModelFile implements ModelOutput {
  private folder: string | undefined;
  private data: AtomicFile | undefined;

  constructor(
    private readonly path: string,
    private model: AtomicFile,
  ) {}

  get temporary(): string {
    return this.model.temporary;
  }

  get size(): number {
    return this.model.size;
  }

  write(bytes: Uint8Array): void {
    this.model.write(bytes);
  }

  external(bytes: number): DataSink {
    const target = dataFileOf(this.path);
    checkPlace(this.path, target, bytes);
    // Nothing is written yet: the model begins anew in the folder.
    this.model.abort();
    this.folder = madeBeside(this.path);
    this.model = atomicFile(this.path, this.folder);
    this.data = atomicFile(target, this.folder);
    // New data is for those who may read the model that it replaces.
    if (existsSync(this.path) && !existsSync(target)) chmodSync(this.data.temporary, statSync(this.path).mode & 0o777);
    return { location: basename(target), sink: this.data };
  }

  flush(): void {
    this.model.flush();
    this.data?.flush();
  }

  commit(): void {
    try {
      if (this.data) this.commitBoth(this.data, dataFileOf(this.path));
      else this.model.commit();
    } catch (error) {
      this.abort();
      throw error;
    }
    this.removeFolder();
  }

  abort(): void {
    this.model.abort();
    this.data?.abort();
    this.removeFolder();
  }

  /** The data first: a model never stands without it. What was there comes back should the model not get its name. */
  private commitBoth(data: AtomicFile, target: string): void {
    this.flush();
    const before = join(this.folder!, '.before');
    const replaces = existsSync(target);
    if (replaces) attempt('unwritable', target, () => renameSync(target, before));
    try {
      data.commit();
      this.model.commit();
    } catch (error) {
      rmSync(target, { force: true });
      if (replaces) renameSync(before, target);
      throw error;
    }
  }

  private removeFolder(): void {
    if (this.folder === undefined) return;
    rmSync(this.folder, { recursive: true, force: true });
    kept(this.folder);
    this.folder = undefined;
  }
}

/** A new folder beside a file, for this user alone; removed at exit. */
function madeBeside(path: string): string {
  const folder = temporaryBeside(path);
  removeAtExit(folder);
  try {
    attempt('unwritable', path, () => mkdirSync(folder, { mode: 0o700 }));
  } catch (error) {
    kept(folder);
    throw error;
  }
  return folder;
}

/** Refuses places where runtimes would not find the data or not take it, and disks that are too small for it. */
function checkPlace(path: string, target: string, bytes: number): void {
  if (isLink(path)) {
    throw new Problem('unwritable', `cannot write ${path} with external data: it is a symbolic link, and runtimes look for the data beside the link`, { help: 'Write to the file that it leads to.' });
  }
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (there && !there.isFile()) {
    const what = there.isSymbolicLink() ? 'a symbolic link, which runtimes refuse' : there.isDirectory() ? 'a folder' : 'no regular file';
    throw new Problem('unwritable', `cannot write the external data ${target}: it is ${what}`, { help: 'Remove it, or give the model another name.' });
  }
  const { bavail, bsize } = attempt('unwritable', target, () => statfsSync(dirname(path)));
  // Some file systems tell nothing: 0.
  if (bavail > 0 && bavail * bsize < bytes) {
    throw new Problem('unwritable', `cannot write ${target}: it takes ${gigabytes(bytes)} GB, ${gigabytes(bavail * bsize)} GB are free`, { help: 'Free some space, or write to another disk.' });
  }
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
