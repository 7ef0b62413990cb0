/**
 * A thread beside the model's: native code does not let its own thread look around. It ends the process when that takes
 * more memory than it may, or when whoever started it is gone.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { OVER_MEMORY } from './protocol.js';

const INTERVAL_MS = 40;
const STDERR = 2;

const { bytes, parent } = workerData as { readonly bytes: number; readonly parent: number };

setInterval(() => {
  const resident = process.memoryUsage.rss();
  if (resident > bytes) writeSync(STDERR, `\n${OVER_MEMORY}\n`);
  else if (process.ppid === parent) return;
  process.kill(process.pid, 'SIGKILL');
}, INTERVAL_MS);
