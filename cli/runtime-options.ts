/** The options of commands that run models. */
import type { Options } from 'yargs';
import { Problem } from '../compiler/errors.js';
import type { Limits, Provider } from '../compiler/index.js';

export interface RuntimeOptions {
  readonly provider: Provider;
  readonly requireProvider: boolean;
  readonly timeLimit?: number;
  readonly memoryLimit?: string;
}

export const runtimeOptions = {
  provider: { type: 'string', choices: ['auto', 'cuda', 'cpu', 'webgpu'], default: 'auto', describe: 'execution provider of onnxruntime; auto: CUDA where it works, else the CPU' },
  'require-provider': { type: 'boolean', default: false, describe: 'fail (exit code 1) when a node ran on the CPU instead of the provider (auto: CUDA)' },
  'time-limit': { type: 'number', describe: 'seconds for loading a model, and for running it; default: 600' },
  'memory-limit': { type: 'string', describe: 'memory that running a model may take, such as 8GiB; default: nine tenths of the machine’s' },
} as const satisfies Record<string, Options>;

type Given = { readonly [K in keyof RuntimeOptions]?: RuntimeOptions[K] | undefined };

export function runtimeFrom({ provider, requireProvider, timeLimit, memoryLimit }: Given): { provider?: Provider; requireProvider?: boolean; limits: Limits } {
  if (timeLimit !== undefined && !(timeLimit > 0 && timeLimit <= LONGEST)) throw new Problem('bad-option', `--time-limit must be a number of seconds above 0 and up to ${LONGEST}, got ${timeLimit}`);
  return {
    ...(provider === undefined ? {} : { provider }),
    ...(requireProvider === undefined ? {} : { requireProvider }),
    limits: { ...(timeLimit === undefined ? {} : { seconds: timeLimit }), ...(memoryLimit === undefined ? {} : { bytes: memory(memoryLimit) }) },
  };
}

/** Timers of Node end at 2^31 ms. */
const LONGEST = 2_000_000;

const UNITS: Readonly<Record<string, number>> = { '': 1, 'k': 1e3, 'm': 1e6, 'g': 1e9, 'ki': 2 ** 10, 'mi': 2 ** 20, 'gi': 2 ** 30 };

function memory(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*$/i.exec(text);
  const bytes = match ? Number(match[1]) * UNITS[(match[2] ?? '').toLowerCase()]! : 0;
  if (bytes >= 1) return Math.floor(bytes);
  throw new Problem('bad-option', `--memory-limit must be a size, got '${text}'`, { help: 'Write --memory-limit 8GiB, 500MB or a number of bytes.' });
}
