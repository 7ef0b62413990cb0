/** Folders in the system's temporary folder, removed by whoever made them, or when the process ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import { kept, removeAtExit } from './leftovers.js';

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** `yolonnx-run-1234-abcdef`. Throws Problem('unwritable'). */
export function temporaryFolder(kind: 'run' | 'verify' | 'profile'): TemporaryFolder {
  const path = made(join(tmpdir(), `yolonnx-${kind}-${process.pid}-`));
  removeAtExit(path);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true });
      kept(path);
    },
  };
}

function made(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    throw new Problem('unwritable', `cannot make a folder in ${tmpdir()}, where temporary files go: the system reports ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { help: 'Name a folder that can be written to with TMPDIR.', cause: error });
  }
}
