/**
 * stdout and stderr by their descriptors. Node's own streams load its network and terminal modules, which takes as long
 * as a small compilation; they are only used where a pipe is full and has to be waited for.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Problem, formatProblem } from '../compiler/errors.js';
import type { Io } from './io.js';

const [STDOUT, STDERR] = [1, 2];

export const io: Io = {
  out: (text) => say(STDOUT, text),
  err: (text) => say(STDERR, text),
  get isTty() {
    // Only a character device can be a terminal.
    return isCharacterDevice(STDERR) && process.stderr.isTTY;
  },
};

function isCharacterDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    return false;
  }
}

function say(descriptor: number, text: string): void {
  let left = Buffer.from(`${text}\n`);
  try {
    while (left.length > 0) left = left.subarray(writeSync(descriptor, left));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN') waiting(descriptor).write(left);
    else failed(descriptor, error as NodeJS.ErrnoException);
  }
}

const listening = new Set<number>();

/** Node's stream, which waits. Whatever is said later comes after it. */
function waiting(descriptor: number): NodeJS.WriteStream {
  const stream = descriptor === STDOUT ? process.stdout : process.stderr;
  if (!listening.has(descriptor)) stream.on('error', (error: NodeJS.ErrnoException) => failed(descriptor, error));
  listening.add(descriptor);
  return stream;
}

/** A reader that goes away (`| head`) is no fault; a result that cannot be written is told on stderr. What is said may get lost. */
function failed(descriptor: number, { code, message }: NodeJS.ErrnoException): void {
  if (descriptor !== STDOUT) return;
  if (code !== 'EPIPE') io.err(formatProblem(new Problem('unwritable', `cannot write to stdout: the system reports ${code ?? message}`)));
  process.exit(code === 'EPIPE' ? 0 : 2);
}
