/** Runs models in onnxruntime-node, in a process of its own; one session at a time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import { providers, type Loadable, type OpenOptions, type Provider, type Runner, type Session } from '../runner.js';
import { stopIfAborted } from './abort.js';
import { libraryFolders, withLibraryFolders } from './cuda-libraries.js';
import { attempt, fileSource } from './files.js';
import { runtimeEnvironment } from './onnxruntime.js';
import { probeProvider } from './providers.js';
import { giveRuntime, takeRuntime } from './runtime-pool.js';
import type { Limits, RuntimeProcess } from './runtime-process.js';
import { FallingBack, RuntimeSession } from './runtime-session.js';
import type { OpenRequest } from './runtime/protocol.js';
import { temporaryFolder } from './temporary.js';

export interface RunnerOptions {
  /** onnxruntime's own optimizer; `all` is its default and what users run. */
  readonly graphOptimizationLevel?: NonNullable<OpenOptions['optimization']>;
  readonly limits?: Limits;
  readonly signal?: AbortSignal;
}

/** The queue of those that want a session. */
let turn: Promise<void> = Promise.resolve();

/** Waits until no session is open; what it gives ends the turn. */
async function takeTurn(): Promise<() => void> {
  const before = turn;
  let end: () => void = () => undefined;
  turn = new Promise((resolve) => {
    end = resolve;
  });
  await before;
  return end;
}

/** A runner on onnxruntime-node. Its process starts with the first model. */
export function nodeRunner(options: RunnerOptions = {}): Runner {
  return new NodeRunner(options);
}

class NodeRunner implements Runner {
  private used: { readonly runtime: RuntimeProcess; readonly environment: NodeJS.ProcessEnv } | undefined;

  constructor(private readonly options: RunnerOptions) {
    const { seconds = 1, bytes = 1 } = options.limits ?? {};
    // Timers of Node end at 2^31 ms.
    if (!(seconds > 0 && seconds * 1000 < 2 ** 31)) throw new Problem('bad-option', `limits.seconds must be a number above 0 and below ${2 ** 31 / 1000}, got ${seconds}`);
    if (!(bytes >= 1)) throw new Problem('bad-option', `limits.bytes must be a number from 1 on, got ${bytes}`);
  }

  async open(model: Loadable, provider: Provider, { optimization = this.options.graphOptimizationLevel ?? 'all' }: OpenOptions = {}): Promise<Session> {
    const { name, notes } = await choose(provider);
    // onnxruntime's own message about a missing file is a bad one.
    if (!(model instanceof Uint8Array)) fileSource(typeof model === 'string' ? model : model.file).close();
    const endTurn = await takeTurn();
    const place = placeOf(model, endTurn);
    const load = async (chosen: string, told: readonly string[]): Promise<RuntimeSession> => {
      const runtime = this.started();
      const request = { ...place.request, provider: chosen, optimization };
      return new RuntimeSession(runtime, await runtime.ask('open', request, 'loading'), { name: chosen, asked: provider, notes: told }, () => place.remove());
    };
    try {
      // It may have waited long for its turn.
      stopIfAborted(this.options.signal);
      // On the CPU instead, where CUDA was only preferred.
      if (provider === 'auto' && name !== 'cpu') return await FallingBack.open(() => load(name, notes), (reason) => load('cpu', [...notes, `running on the CPU: CUDA failed (${reason})`]));
      return await load(name, notes);
    } catch (error) {
      place.remove();
      throw error;
    }
  }

  start(): void {
    this.started();
  }

  close(): void {
    this.options.signal?.removeEventListener('abort', this.abort);
    if (this.used) giveRuntime(this.used.runtime, this.limits, this.used.environment);
    this.used = undefined;
  }

  private get limits(): Limits {
    return this.options.limits ?? {};
  }

  private started(): RuntimeProcess {
    if (this.used?.runtime.alive) return this.used.runtime;
    const environment = withLibraryFolders(runtimeEnvironment(), libraryFolders());
    this.used = { runtime: takeRuntime(this.limits, environment), environment };
    this.options.signal?.addEventListener('abort', this.abort, { once: true });
    return this.used.runtime;
  }

  private readonly abort = (): void => this.used?.runtime.stop(new Problem('aborted', 'the run was stopped', { cause: this.options.signal?.reason }));
}

/** The provider to ask onnxruntime for. Throws Problem('missing-provider') when it cannot run here, 'bad-option' when there is no such. */
async function choose(provider: Provider): Promise<{ name: string; notes: readonly string[] }> {
  if (!providers.includes(provider)) throw new Problem('bad-option', `unknown provider ${provider as string}`, { help: `Providers are ${providers.join(', ')}.` });
  if (provider === 'cpu') return { name: 'cpu', notes: [] };
  const state = await probeProvider(provider === 'auto' ? 'cuda' : provider);
  if (state.usable) return { name: state.provider, notes: [] };
  if (provider === 'auto') return { name: 'cpu', notes: [`running on the CPU: CUDA is not usable here (${state.reason ?? 'unknown reason'}); yolonnx doctor says what to do`] };
  throw new Problem('missing-provider', `${provider} is not usable here: ${state.reason ?? 'unknown reason'}`, { help: state.help });
}

/** A place for a session. The turn ends with it, also where there is none to be had. */
function placeOf(model: Loadable, endTurn: () => void): Place {
  try {
    return new Place(model, endTurn);
  } catch (error) {
    endTurn();
    throw error;
  }
}

/** Temporary files of one session: a model that was in memory, and profiles. */
class Place {
  private readonly folder = temporaryFolder('run');
  readonly request: Pick<OpenRequest, 'model' | 'append' | 'profile'>;

  constructor(
    model: Loadable,
    private readonly endTurn: () => void,
  ) {
    const profile = join(this.folder.path, 'profile');
    if (typeof model === 'string') {
      this.request = { model, profile };
    } else if (model instanceof Uint8Array) {
      const file = join(this.folder.path, 'model.onnx');
      try {
        attempt('unwritable', file, () => writeFileSync(file, model));
      } catch (error) {
        this.folder.remove();
        throw error;
      }
      this.request = { model: file, profile };
    } else {
      this.request = { model: model.file, append: model.append, profile };
    }
  }

  remove(): void {
    this.folder.remove();
    this.endTurn();
  }
}
