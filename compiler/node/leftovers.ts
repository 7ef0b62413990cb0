/** Temporary files and folders, removed when the process ends before their owner has removed them. */
import { rmSync } from 'node:fs';

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
