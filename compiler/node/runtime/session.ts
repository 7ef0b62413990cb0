/** A session of onnxruntime-node, in the process that runs models. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { Problem } from '../../errors.js';
import { LARGEST, type Port, type Statistics, type Tensor } from '../../runner.js';
import { halfTable, toHalf } from '../../weights/float16.js';
import { loadOnnxruntime, type Ort } from '../onnxruntime.js';
import { readProfile } from '../profile.js';
import { shortMessage } from '../short-message.js';
import { PROBE_MODEL } from '../probe-model.js';
import type { OpenRequest, Requests, RunRequest } from './protocol.js';

export class OrtSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private readonly types: ReadonlyMap<string, string>;

  private constructor(
    private readonly ort: Ort,
    private readonly session: InferenceSession,
    private readonly profile: string,
  ) {
    this.inputs = session.inputMetadata.map(portOf);
    this.outputs = session.outputMetadata.map(portOf);
    this.types = new Map(session.inputMetadata.map((metadata) => [metadata.name, metadata.isTensor ? metadata.type : 'none']));
  }

  static async open({ model, append, provider, optimization, profile }: OpenRequest): Promise<OrtSession> {
    const ort = await loadOnnxruntime();
    if (provider === 'webgpu') await holdDevice(ort, provider);
    const options: InferenceSession.SessionOptions = {
      executionProviders: [provider],
      graphOptimizationLevel: optimization,
      logSeverityLevel: 4,
      enableProfiling: true,
      profileFilePrefix: profile,
      ...(append ? { extra: { session: { model_external_initializers_file_folder_path: dirname(resolve(model)) } } } : {}),
    };
    try {
      const session = await (append ? ort.InferenceSession.create(fileWith(model, append), options) : ort.InferenceSession.create(model, options));
      return new OrtSession(ort, session, profile);
    } catch (error) {
      removeProfile(profile);
      throw modelProblem('load', error);
    }
  }

  async run({ feeds, outputs, statistics }: RunRequest): Promise<Requests['run']['gives']> {
    const wanted = outputs ?? this.outputs.map(({ name }) => name);
    try {
      const results = await this.session.run(Object.fromEntries(feeds.map(([name, tensor]) => [name, this.toOrt(name, tensor)])), [...wanted]);
      const made = wanted.map((name) => [name, results[name]!] as const);
      if (!statistics) checkSize(made);
      return statistics
        ? { tensors: [], statistics: made.map(([name, tensor]) => [name, statisticsOf(tensor)] as const) }
        : { tensors: made.map(([name, tensor]) => [name, { data: toFloat32(tensor), shape: tensor.dims }] as const), statistics: [] };
    } catch (error) {
      throw error instanceof Problem ? error : modelProblem('run', error);
    }
  }

  finish(): Requests['finish']['gives'] {
    this.session.endProfiling();
    return readProfile(profilesOf(this.profile).map((file) => readFileSync(file, 'utf8')));
  }

  async close(): Promise<void> {
    await this.session.release();
    removeProfile(this.profile);
  }

  private toOrt(name: string, { data, shape }: Tensor): OrtTensor {
    const type = this.types.get(name);
    if (type === 'float32') return new this.ort.Tensor('float32', data, shape);
    if (type === 'float16') return new this.ort.Tensor('float16', Uint16Array.from(data, toHalf), shape);
    throw new Problem('bad-model', `the model's input ${name} is ${type ?? 'unknown'}; goldens have float32`);
  }
}

let held: Promise<unknown> | undefined;

/**
 * Compiled shaders belong to the GPU's device, and that lives as long as a session on it: with one that stays open the
 * models that follow share theirs.
 */
async function holdDevice(ort: Ort, provider: string): Promise<void> {
  // A device that fails says so to the model's own session too.
  held ??= ort.InferenceSession.create(new Uint8Array(Buffer.from(PROBE_MODEL, 'base64')), { executionProviders: [provider], logSeverityLevel: 4 }).catch(() => undefined);
  await held;
}

/** The file's bytes and more, in one piece without a copy in between. */
function fileWith(file: string, append: Uint8Array): Uint8Array {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = new Uint8Array(size + append.length);
    let done = 0;
    for (let count = -1; done < size && count !== 0; done += count) count = readSync(fd, bytes, done, Math.min(size - done, 2 ** 30), done);
    bytes.set(append, done);
    return bytes.subarray(0, done + append.length);
  } finally {
    closeSync(fd);
  }
}

function profilesOf(prefix: string): string[] {
  const folder = dirname(prefix);
  return readdirSync(folder).filter((name) => name.startsWith(basename(prefix))).map((name) => join(folder, name));
}

function removeProfile(prefix: string): void {
  for (const file of profilesOf(prefix)) rmSync(file, { force: true });
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  return { name: metadata.name, shape: metadata.isTensor ? metadata.shape : [], type: metadata.isTensor ? metadata.type : 'none' };
}

function toFloat32({ type, data }: OrtTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type === 'float16') {
    const table = halfTable();
    return Float32Array.from(data as Uint16Array, (half) => table[half]!);
  }
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** Node cannot take apart a message of 2 GiB, and ends with that. */
function checkSize(outputs: readonly (readonly [name: string, tensor: OrtTensor])[]): void {
  const bytes = outputs.reduce((sum, [, { size }]) => sum + 4 * size, 0);
  if (bytes > LARGEST) throw new Problem('bad-model', `the model's outputs take ${(bytes / 2 ** 30).toFixed(1)} GiB, more than ${LARGEST / 2 ** 30} GiB that can be compared`, { help: 'Run a smaller size or batch.' });
}

function statisticsOf(tensor: OrtTensor): Statistics {
  let [least, most, nan, infinite] = [Infinity, -Infinity, 0, 0];
  for (const value of tensor.type === 'string' ? [] : toFloat32(tensor)) {
    if (!Number.isFinite(value)) {
      if (Number.isNaN(value)) nan++;
      else infinite++;
      continue;
    }
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { type: tensor.type, shape: tensor.dims, range: least <= most ? [least, most] : null, nan, infinite };
}

function modelProblem(verb: 'load' | 'run', error: unknown): Problem {
  // Which file, the caller knows; it may be a temporary one.
  const message = shortMessage((error as Error).message).replace(/^Load model from .*? failed:\s*/, '');
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
