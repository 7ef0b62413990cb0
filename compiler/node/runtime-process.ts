/**
 * The process that runs models, seen from the one that asks. Native code may crash, hang or take all memory: that ends
 * the process, and becomes a Problem here.
 */
import type { ChildProcess } from 'node:child_process';
import { totalmem } from 'node:os';
import { Problem, internal } from '../errors.js';
import { lastWords } from './last-words.js';
import { MEMORY_VARIABLE, OVER_MEMORY, type Answer, type RequestName, type Requests } from './runtime/protocol.js';

export interface Limits {
  /** For loading a model, and for each run; default 600. */
  readonly seconds?: number;
  /** Resident memory of the process that runs models; default: nine tenths of what the machine, or the container, has. */
  readonly bytes?: number;
}

const SECONDS = 600;

export function defaultMemory(): number {
  const constrained = process.constrainedMemory();
  const all = totalmem();
  return Math.floor(0.9 * (constrained > 0 && constrained < all ? constrained : all));
}

const WORKER = new URL('./runtime/worker.js', import.meta.url);

/** As much of stderr as is kept for last words. */
const KEPT = 1 << 14;

interface Pending {
  readonly doing: string;
  readonly resolve: (gives: never) => void;
  readonly reject: (problem: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class RuntimeProcess {
  private readonly child: ChildProcess;
  private readonly seconds: number;
  private readonly bytes: number;
  private pending: Pending | undefined;
  private said = '';
  private ended: Problem | undefined;

  constructor({ seconds = SECONDS, bytes = defaultMemory() }: Limits, environment: NodeJS.ProcessEnv) {
    this.seconds = seconds;
    this.bytes = bytes;
    // Loaded when a model is run: it takes Node some milliseconds.
    const { fork } = process.getBuiltinModule('node:child_process');
    this.child = fork(WORKER, [], {
      env: { ...environment, [MEMORY_VARIABLE]: String(bytes) },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    // Without a free descriptor there is neither a process nor its streams; 'error' tells.
    (this.child.stderr as ChildProcess['stderr'] | undefined)?.setEncoding('utf8').on('data', (text: string) => {
      this.said = (this.said + text).slice(-KEPT);
    });
    this.child.on('message', (answer: Answer) => this.answered(answer));
    this.child.on('error', (error) => this.end(new Problem('runtime-crash', `the process that runs models cannot be started: ${error.message}`, { cause: error })));
    // 'close' comes after the last of stderr.
    this.child.on('close', (code, signal) => this.end(this.crash(code, signal)));
    this.rest();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get alive(): boolean {
    return this.ended === undefined;
  }

  /** One request at a time. `doing` says in errors what was going on: `loading`. Throws Problem. */
  ask<N extends RequestName>(name: N, takes: Requests[N]['takes'], doing: string): Promise<Requests[N]['gives']> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(this.ended);
      if (this.pending) return reject(internal(`${doing} the model while it is still busy`));
      const timer = setTimeout(() => this.stop(this.overTime(doing)), this.seconds * 1000);
      this.pending = { doing, resolve, reject, timer };
      this.said = '';
      if (this.child.pid === undefined) return;
      this.child.ref();
      this.child.channel?.ref();
      this.child.send({ name, takes }, (error) => {
        // What became of it, 'close' tells.
        if (error && !this.child.connected) this.child.kill('SIGKILL');
      });
    });
  }

  /** Ends the process now; what is pending is rejected with `problem`. */
  stop(problem: Problem): void {
    this.end(problem);
    this.child.kill('SIGKILL');
  }

  private answered(answer: Answer): void {
    const pending = this.settle();
    if (!pending) return;
    if ('gives' in answer) return pending.resolve(answer.gives as never);
    const { code, message, help } = answer.problem;
    pending.reject(new Problem(code, message, { help }));
  }

  private end(problem: Problem): void {
    this.ended ??= problem;
    this.settle()?.reject(this.ended);
    this.rest();
  }

  private settle(): Pending | undefined {
    const { pending } = this;
    this.pending = undefined;
    if (pending) clearTimeout(pending.timer);
    this.rest();
    return pending;
  }

  /** An idle process does not keep this one alive; it ends when this one does. */
  private rest(): void {
    this.child.unref();
    this.child.channel?.unref();
    (this.child.stderr as { unref?(): void } | null)?.unref?.();
  }

  private overTime(doing: string): Problem {
    return new Problem('over-limit', `${doing} the model took more than ${this.seconds} seconds`, { help: 'Allow it more with --time-limit, or run a smaller size.' });
  }

  private crash(code: number | null, signal: NodeJS.Signals | null): Problem {
    const doing = this.pending?.doing ?? 'after running';
    if (this.said.includes(OVER_MEMORY)) return new Problem('over-limit', `${doing} the model took more than ${memorySize(this.bytes)} of memory`, { help: 'Allow it more with --memory-limit, or run a smaller size or batch.' });
    const how = signal ?? `exit code ${code}`;
    const words = lastWords(this.said);
    const help = signal === 'SIGKILL' && words === '' ? 'Something ended the process, most often the system when memory runs out. Run a smaller size or batch.' : 'This is a fault of the runtime or of a driver. Try --provider cpu, another --opset, or another version of onnxruntime-node.';
    return new Problem('runtime-crash', `onnxruntime crashed ${doing} the model (${how})${words === '' ? '' : `; its last words: ${words}`}`, { help });
  }
}

const memorySize = (bytes: number): string => (bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`);
