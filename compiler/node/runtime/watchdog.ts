/**
 * A thread beside the model's: native code does not let its own thread look around. It ends the process when that takes
 * more memory than it may, or when whoever started it is gone.
 */
import { workerData } from 'node:worker_threads';
import { endOverMemory } from './memory.js';

const INTERVAL_MS = 40;

const { bytes, parent } = workerData as { readonly bytes: number; readonly parent: number };

setInterval(() => {
  endOverMemory(bytes);
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, INTERVAL_MS);
