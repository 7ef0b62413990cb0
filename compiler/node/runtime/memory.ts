import { writeSync } from 'node:fs';
import { OVER_MEMORY } from './protocol.js';

const STDERR = 2;

/** Ends this process, with the word that tells why, when it takes more memory than `bytes`. */
export function endOverMemory(bytes: number): void {
  if (process.memoryUsage.rss() <= bytes) return;
  writeSync(STDERR, `\n${OVER_MEMORY}\n`);
  process.kill(process.pid, 'SIGKILL');
}
