/** Runs the built command line as a process of its own. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const main = resolve('dist/cli/main.js');

export function runIn(folder: string, args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: 'utf8', env: { ...process.env, COLUMNS: '110' } });
  return { code: status, out: stdout, err: stderr };
}
