/** The other tools: their files and costs, made now where a Python with them is named, otherwise as they were recorded. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
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

  /** The version of a package there. */
  version(name: string): string {
    const script = `import importlib.metadata,sys;print(importlib.metadata.version(sys.argv[1]))`;
    return spawnSync(this.interpreter, ['-c', script, name], { encoding: 'utf8' }).stdout.trim();
  }

  /** A process that runs a model in PyTorch, on the device, whenever it is told to. */
  async timing(model: string, folder: string, weights: string, device: string, imgsz: number, threads: number): Promise<TorchTiming> {
    const args = [SCRIPT, 'time', model, '-o', folder, '--weights-from', weights, '--device', device, '--imgsz', String(imgsz), '--threads', String(threads)];
    const child = spawn(this.interpreter, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    return TorchTiming.started(child, join(folder, `${model}.${device}.f32`));
  }
}

/** A running `peers.py time`: a line to it is a run, a line back the milliseconds it took. */
export class TorchTiming {
  private said = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: AsyncIterator<string>,
    private readonly file: string,
  ) {
    child.stderr!.on('data', (chunk: Buffer) => (this.said = (this.said + chunk.toString()).slice(-2000)));
  }

  /** Resolves once the model is loaded and has run. */
  static async started(child: ChildProcess, file: string): Promise<TorchTiming> {
    const timing = new TorchTiming(child, createInterface({ input: child.stdout! })[Symbol.asyncIterator](), file);
    await timing.next();
    return timing;
  }

  async run(): Promise<number> {
    this.child.stdin!.write('\n');
    return Number(await this.next());
  }

  /** What its first run computed. */
  output(): Float32Array {
    const bytes = readFileSync(this.file);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  }

  close(): Promise<void> {
    return new Promise((done) => {
      this.child.once('exit', () => done());
      this.child.stdin!.end();
      if (this.child.exitCode !== null) done();
    });
  }

  private async next(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error(`PyTorch ended: ${this.said}`);
    return value;
  }
}
