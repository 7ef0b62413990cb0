/** Runs models in onnxruntime-node. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { Problem } from '../errors.js';
import { providers, type Loadable, type Port, type Provider, type Ran, type Runner, type Session, type Tensor } from '../runner.js';
import { halfTable, toHalf } from '../weights/float16.js';
import { fileSource } from './files.js';
import { loadOnnxruntime, tf32Allowed, type Ort } from './onnxruntime.js';
import { profileFolder, type ProfileFolder } from './profile.js';
import { probeProvider, shortMessage } from './providers.js';

export interface RunnerOptions {
  /** onnxruntime's own optimizer; `all` is its default and what users run. */
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'all';
}

/** A runner on onnxruntime-node, which is loaded when the first model is opened. */
export function nodeRunner({ graphOptimizationLevel = 'all' }: RunnerOptions = {}): Runner {
  return {
    async open(model, provider) {
      const { name, notes } = await choose(provider);
      // onnxruntime's own message about a missing file is a bad one.
      if (typeof model === 'string') fileSource(model).close();
      const ort = await loadOnnxruntime();
      try {
        return await OrtSession.create(ort, model, { provider, name, notes, graphOptimizationLevel });
      } catch (error) {
        if (provider !== 'auto' || name === 'cpu') throw error;
        const reason = (error as Error).message;
        return OrtSession.create(ort, model, { provider, name: 'cpu', notes: [`running on the CPU: CUDA failed (${reason})`], graphOptimizationLevel });
      }
    },
  };
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

interface Settings {
  /** As asked for. */
  readonly provider: Provider;
  /** As onnxruntime is told. */
  readonly name: string;
  readonly notes: readonly string[];
  readonly graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'all';
}

class OrtSession implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private readonly types: ReadonlyMap<string, string>;
  private ran: Ran | undefined;
  private closed = false;

  private constructor(
    private readonly ort: Ort,
    private readonly session: InferenceSession,
    private readonly profile: ProfileFolder,
    private readonly settings: Settings,
  ) {
    this.inputs = session.inputMetadata.map(portOf);
    this.outputs = session.outputMetadata.map(portOf);
    this.types = new Map(session.inputMetadata.map((metadata) => [metadata.name, metadata.isTensor ? metadata.type : 'none']));
  }

  static async create(ort: Ort, model: Loadable, settings: Settings): Promise<Session> {
    const profile = profileFolder();
    const options: InferenceSession.SessionOptions = {
      executionProviders: [settings.name],
      graphOptimizationLevel: settings.graphOptimizationLevel,
      logSeverityLevel: 4,
      enableProfiling: true,
      profileFilePrefix: profile.prefix,
      ...(typeof model === 'object' && 'folder' in model ? { extra: { session: { model_external_initializers_file_folder_path: model.folder } } } : {}),
    };
    try {
      const session = typeof model === 'string' ? await ort.InferenceSession.create(model, options) : await ort.InferenceSession.create('bytes' in model ? model.bytes : model, options);
      return new OrtSession(ort, session, profile, settings);
    } catch (error) {
      profile.remove();
      throw modelProblem('load', error);
    }
  }

  async run(feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    try {
      const results = await this.session.run(Object.fromEntries([...feeds].map(([name, tensor]) => [name, this.toOrt(name, tensor)])));
      return new Map(Object.entries(results).map(([name, tensor]) => [name, { data: toFloat32(tensor), shape: tensor.dims }]));
    } catch (error) {
      throw error instanceof Problem ? error : modelProblem('run', error);
    }
  }

  async finish(): Promise<Ran> {
    return (this.ran ??= await Promise.resolve(this.endProfile()));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.session.release();
    this.profile.remove();
  }

  private endProfile(): Ran {
    this.session.endProfiling();
    const nodes = this.profile.count();
    const { provider, name, notes } = this.settings;
    if (name === 'cpu') return { nodes, notes };
    const own = nodes[name === 'cuda' ? 'CUDAExecutionProvider' : 'WebGpuExecutionProvider'];
    if (!own) return { nodes, notes: [...notes, `${provider === 'auto' ? 'CUDA' : provider} was asked for, but no node ran there: ${Object.keys(nodes).join(', ')} ran them all`] };
    if (name !== 'cuda') return { nodes, notes };
    const tf32 = tf32Allowed();
    return { nodes, tf32, notes: tf32 ? [...notes, 'TF32 is on (NVIDIA_TF32_OVERRIDE is not 0): results are compared within 1e-2 only'] : notes };
  }

  private toOrt(name: string, { data, shape }: Tensor): OrtTensor {
    const type = this.types.get(name);
    if (type === 'float32') return new this.ort.Tensor('float32', data, shape);
    if (type === 'float16') return new this.ort.Tensor('float16', Uint16Array.from(data, toHalf), shape);
    throw new Problem('bad-model', `the model's input ${name} is ${type ?? 'unknown'}; goldens have float32`);
  }
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  return { name: metadata.name, shape: metadata.isTensor ? metadata.shape : [] };
}

function toFloat32({ type, data }: OrtTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type === 'float16') {
    const table = halfTable();
    return Float32Array.from(data as Uint16Array, (half) => table[half]!);
  }
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

function modelProblem(verb: 'load' | 'run', error: unknown): Problem {
  const message = shortMessage((error as Error).message);
  return new Problem('bad-model', `onnxruntime cannot ${verb} the model: ${message}`, { help: helpFor(message), cause: error });
}

function helpFor(message: string): string | undefined {
  if (/external (data|initializer)/i.test(message)) return 'The model keeps tensors in a second file. It must lie beside the model, whole, under the name it was written with; a model in memory does not find it: give its path.';
  if (/protobuf parsing failed/i.test(message)) return 'The file is no ONNX model, or is cut off.';
  if (/yolonnx|not a registered function\/op|custom op/i.test(message)) return 'Opaque custom operators need a runtime with kernels for them; compile with --custom-ops inline or function to run it here.';
  if (/IR version/i.test(message)) return 'Compile with a lower --opset: the IR version follows it.';
  if (/opset|under development/i.test(message)) return 'Compile with --opset 17.';
  return undefined;
}
