/** Runs models in onnxruntime-node, in a process of its own; one session at a time. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import { LARGEST, providers, type Feeds, type Kernel, type Loadable, type OpenOptions, type Port, type Provider, type Ran, type Runner, type Session, type Statistics, type Tensor } from '../runner.js';
import { stopIfAborted } from './abort.js';
import { libraryFolders, withLibraryFolders } from './cuda-libraries.js';
import { attempt, fileSource } from './files.js';
import { runtimeEnvironment, tf32Allowed } from './onnxruntime.js';
import { nodesByProvider } from './profile.js';
import { probeProvider } from './providers.js';
import { giveRuntime, takeRuntime } from './runtime-pool.js';
import type { Limits, RuntimeProcess } from './runtime-process.js';
import type { OpenRequest } from './runtime/protocol.js';
import { temporaryFolder } from './temporary.js';

export interface RunnerOptions {
  /** onnxruntime's own optimizer; `all` is its default and what users run. */
  readonly graphOptimizationLevel?: NonNullable<OpenOptions['optimization']>;
  readonly limits?: Limits;
  readonly signal?: AbortSignal;
}

/** A process that has grown beyond this is not used for another model. */
const WORN = 2 ** 30;

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
      return new RuntimeSession(runtime, await runtime.ask('open', request, 'loading'), { name: chosen, asked: provider, notes: told }, place);
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

interface Settings {
  /** As onnxruntime is told. */
  readonly name: string;
  readonly asked: Provider;
  readonly notes: readonly string[];
}

const EXECUTION_PROVIDERS: Readonly<Record<string, string>> = { cpu: 'CPUExecutionProvider', cuda: 'CUDAExecutionProvider', webgpu: 'WebGpuExecutionProvider' };

class RuntimeSession implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private ran: Ran | undefined;
  private closed = false;

  constructor(
    private readonly runtime: RuntimeProcess,
    { inputs, outputs }: Pick<Session, 'inputs' | 'outputs'>,
    private readonly settings: Settings,
    private readonly place: Place,
  ) {
    this.inputs = inputs;
    this.outputs = outputs;
  }

  async run(feeds: Feeds, outputs?: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    checkSize(feeds);
    const { tensors } = await this.runtime.ask('run', { feeds: [...feeds], ...(outputs ? { outputs } : {}), statistics: false }, 'running');
    return new Map(tensors);
  }

  async survey(feeds: Feeds, outputs: readonly string[]): Promise<ReadonlyMap<string, Statistics>> {
    const { statistics } = await this.runtime.ask('run', { feeds: [...feeds], outputs, statistics: true }, 'running');
    return new Map(statistics);
  }

  async finish(): Promise<Ran> {
    return (this.ran ??= this.told(await this.runtime.ask('finish', null, 'profiling')));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    try {
      if (!this.runtime.alive) return;
      const resident = await this.runtime.ask('close', null, 'closing');
      if (resident > WORN) this.runtime.stop(new Problem('aborted', 'the process has grown large'));
    } catch {
      // It has given its results; a process that cannot close its session is not used again.
      this.runtime.stop(new Problem('aborted', 'the session did not close'));
    } finally {
      this.place.remove();
    }
  }

  private told({ kernels, copies }: Pick<Ran, 'kernels' | 'copies'>): Ran {
    const nodes = nodesByProvider(kernels);
    const { asked, name, notes } = this.settings;
    const wanted = EXECUTION_PROVIDERS[asked === 'auto' ? 'cuda' : asked];
    const ran = { nodes, kernels, copies, notes, fellBack: kernels.filter((kernel: Kernel) => kernel.provider !== wanted) };
    if (name === 'cpu') return ran;
    if (!nodes[EXECUTION_PROVIDERS[name]!]) return { ...ran, notes: [...notes, `${asked === 'auto' ? 'CUDA' : asked} was asked for, but no node ran there: ${Object.keys(nodes).join(', ')} ran them all`] };
    if (name !== 'cuda') return ran;
    const tf32 = tf32Allowed();
    return { ...ran, tf32, notes: tf32 ? [...notes, 'TF32 is on (NVIDIA_TF32_OVERRIDE is not 0): results are compared within its bounds only'] : notes };
  }
}

/** Node cannot take apart a message of 2 GiB. */
function checkSize(feeds: Feeds): void {
  const bytes = [...feeds.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes > LARGEST) throw new Problem('over-limit', `the inputs take ${(bytes / 2 ** 30).toFixed(1)} GiB, more than the ${LARGEST / 2 ** 30} GiB that a model can be run on`, { help: 'Run a smaller size or batch.' });
}

/** Problems of one provider that another may not have. */
const RETRIED: ReadonlySet<string> = new Set(['bad-model', 'runtime-crash', 'missing-provider']);

/** A session on CUDA that becomes one on the CPU when CUDA fails it. */
class FallingBack implements Session {
  private fallen = false;

  private constructor(
    private session: Session,
    private readonly instead: (reason: string) => Promise<Session>,
  ) {}

  static async open(preferred: () => Promise<Session>, instead: (reason: string) => Promise<Session>): Promise<Session> {
    try {
      return new FallingBack(await preferred(), instead);
    } catch (error) {
      if (!(error instanceof Problem) || !RETRIED.has(error.code)) throw error;
      return instead(error.message);
    }
  }

  get inputs(): readonly Port[] {
    return this.session.inputs;
  }

  get outputs(): readonly Port[] {
    return this.session.outputs;
  }

  run(feeds: Feeds, outputs?: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    return this.attempt((session) => session.run(feeds, outputs));
  }

  survey(feeds: Feeds, outputs: readonly string[]): Promise<ReadonlyMap<string, Statistics>> {
    return this.attempt((session) => session.survey(feeds, outputs));
  }

  finish(): Promise<Ran> {
    return this.session.finish();
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async attempt<T>(step: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await step(this.session);
    } catch (error) {
      if (this.fallen || !(error instanceof Problem) || !RETRIED.has(error.code)) throw error;
      this.fallen = true;
      this.session = await this.instead(error.message);
      return step(this.session);
    }
  }
}
