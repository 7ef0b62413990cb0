/** Temporary files and folders, removed when the process ends before their owner has removed them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../errors.js';

const paths = new Set<string>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let watching = false;

/** Removes `path` should the process exit or be told to stop (SIGINT, SIGTERM, SIGHUP). Ends with `kept`. */
export function removeAtExit(path: string): void {
  paths.add(path);
  if (watching) return;
  watching = true;
  process.on('exit', removeAll);
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

/** A new folder among the system's temporary ones, removed at exit. Throws Problem('unwritable'). */
export function temporaryFolder(purpose: string): string {
  try {
    const folder = mkdtempSync(join(tmpdir(), `yolonnx-${purpose}-${process.pid}-`));
    removeAtExit(folder);
    return folder;
  } catch (error) {
    throw new Problem('unwritable', `cannot make a folder in ${tmpdir()}, where temporary files go: the system reports ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { help: 'Name a folder that can be written to with TMPDIR.', cause: error });
  }
}

/** `path` is gone, or is to stay. */
export function kept(path: string): void {
  paths.delete(path);
  if (paths.size > 0 || !watching) return;
  watching = false;
  process.off('exit', removeAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function removeAll(): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  paths.clear();
}

function onSignal(signal: NodeJS.Signals): void {
  removeAll();
  for (const each of SIGNALS) process.off(each, onSignal);
  // With nobody else listening the signal does what it always does: the process ends, and its parent sees why.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
