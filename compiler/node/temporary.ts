/** Folders in the system's temporary folder, removed by whoever made them, or when the process ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import { attempt } from './files.js';
import { kept, removeAtExit } from './leftovers.js';

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** `yolonnx-run-1234-abcdef`. Throws Problem('unwritable'). */
export function temporaryFolder(kind: 'run' | 'verify' | 'profile'): TemporaryFolder {
  const folder = tmpdir();
  const path = made(join(folder, `yolonnx-${kind}-${process.pid}-`));
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
    return attempt('unwritable', prefix, () => mkdtempSync(prefix));
  } catch (error) {
    throw error instanceof Problem ? new Problem('unwritable', error.message, { help: 'Models are run with files in the temporary folder: TMPDIR names another.', cause: error }) : error;
  }
}
