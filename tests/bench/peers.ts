/** The other tools: their files and costs, made now where a Python with them is named, otherwise as they were recorded. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { python, type Command } from './measure.js';

export interface Form {
  readonly nodes?: number;
  readonly bytes?: number;
  /** Why there is no file, or that it computes something else. */
  readonly fails?: string;
  readonly wrong?: boolean;
}

export interface RecordedPeers {
  readonly machine: string;
  readonly models: Readonly<Record<string, { readonly forms: Readonly<Record<string, Form>> }>>;
  /** Whole processes: export and simplification. */
  readonly process?: Readonly<Record<string, { readonly wall: number; readonly cpu: number; readonly peak: number }>>;
}

export const RECORD = resolve('fixtures/reports/peers.json');
const SCRIPT = resolve('tests/bench/peers.py');

export const recorded = (): RecordedPeers => JSON.parse(readFileSync(RECORD, 'utf8')) as RecordedPeers;

/** The best of what the simplifiers make that computes the right numbers. */
export function best({ forms }: RecordedPeers['models'][string], what: 'nodes' | 'bytes'): number | undefined {
  const values = Object.entries(forms).flatMap(([form, { fails, wrong = false, [what]: value }]) => (form === 'raw' || fails !== undefined || wrong || value === undefined ? [] : [value]));
  return values.length === 0 ? undefined : Math.min(...values);
}

/** A Python with the packages (`pip install torch ultralytics yolov5 onnx onnxslim …`). */
export class LivePeers {
  constructor(private readonly interpreter: string) {
    if (!existsSync(interpreter)) throw new Error(`there is no ${interpreter}: name the Python of a venv, such as venv/bin/python`);
  }

  /** What a user's process does: import, build, fuse, export, simplify, write. */
  exporting(model: string, folder: string): Command {
    return python(this.interpreter, SCRIPT, 'export', model, '-o', folder, '--form', 'onnxslim');
  }

  /** A slimmed export with given weights: its path. */
  export(model: string, folder: string, weights: string): string {
    const args = [SCRIPT, 'export', model, '-o', folder, '--form', 'onnxslim', '--weights-from', weights];
    const child = spawnSync(this.interpreter, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    if (child.status !== 0) throw new Error(`${args.join(' ')} failed: ${child.stderr.toString().slice(-2000)}`);
    return join(folder, `${model}.onnxslim.onnx`);
  }
}
