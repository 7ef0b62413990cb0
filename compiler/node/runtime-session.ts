/** Sessions of the process that runs models, and what becomes of one that CUDA fails. */
import { Problem } from '../errors.js';
import { LARGEST, type Feeds, type Kernel, type Port, type Provider, type Ran, type Session, type Statistics, type Tensor } from '../runner.js';
import { tf32Allowed } from './onnxruntime.js';
import { nodesByProvider } from './profile.js';
import type { RuntimeProcess } from './runtime-process.js';

/** A process that has grown beyond this is not used for another model. */
const WORN = 2 ** 30;

export interface Settings {
  /** As onnxruntime is told. */
  readonly name: string;
  readonly asked: Provider;
  readonly notes: readonly string[];
}

const EXECUTION_PROVIDERS: Readonly<Record<string, string>> = { cpu: 'CPUExecutionProvider', cuda: 'CUDAExecutionProvider', webgpu: 'WebGpuExecutionProvider' };

export class RuntimeSession implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private ran: Ran | undefined;
  private closed = false;

  constructor(
    private readonly runtime: RuntimeProcess,
    { inputs, outputs }: Pick<Session, 'inputs' | 'outputs'>,
    private readonly settings: Settings,
    private readonly release: () => void,
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
      this.release();
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
export class FallingBack implements Session {
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
