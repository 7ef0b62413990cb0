/** `compile`: a yaml or one module → an ONNX file, or its bytes. */
import type { Hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { checkComparable } from '../choose-passes.js';
import { customOpsOf, gflopsOf, writeModule, writeNetwork, type GraphOptions, type ModuleOptions, type NetworkOptions, type Written } from '../compile.js';
import { Problem, formatProblem } from '../errors.js';
import { show } from '../ir/extent.js';
import type { ByteSink, ModelSink } from '../io.js';
import type { ExternalData } from '../onnx/emit.js';
import type { Provider } from '../runner.js';
import { missedProvider } from '../provider-report.js';
import type { VerifyReport } from '../verify.js';
import { DEFAULT_SEED, seededWeights } from '../weights/seeded.js';
import { library } from '../../ops/index.js';
import { stopIfAborted } from './abort.js';
import { isSamePlace, refuseOverwriting, type AtomicFile } from './files.js';
import { findGoldens } from './goldens.js';
import { keyMapAlone, openInput, openWeights, type InputOptions, type OpenedWeights } from './inputs.js';
import { locateModel } from './model-file.js';
import { dataFileOf, modelOutput } from './model-output.js';
import { checkOptions } from './options.js';
import type { Limits } from './runtime-process.js';
import { Stages, type Stage } from './stages.js';
import { targetNamed } from './targets.js';
import { forTarget, type Target } from '../target.js';
import { today, version } from './version.js';
import { advised, prepareFitting } from './fit.js';

export interface Progress {
  readonly stage: 'prepare' | 'write' | 'verify';
  /** Bytes written, of `total`. */
  readonly done: number;
  readonly total: number;
}

/** One module alone, as a yaml row names it. */
export type ModuleRequest = Pick<ModuleOptions, 'module' | 'args' | 'inputs' | 'repeats' | 'family'>;

export interface CompileOptions extends Omit<NetworkOptions, 'weights' | 'warn' | 'fallback' | 'target'>, InputOptions {
  /** A runtime: one of `listTargets()` by name, a file of that form, or such an object. */
  readonly target?: string | Target;
  /** In place of `model`: one module alone. */
  readonly module?: ModuleRequest;
  /** Where the file goes; without it the result holds the bytes. It appears whole or not at all. */
  readonly output?: string;
  /** Whether tensors go to a second file, `<output>.data`: where one file cannot hold them (2 GiB; default), or always. */
  readonly externalData?: ExternalData;
  /** Seeded weights: any integer (0) and the gain (5) of the goldens' recipe. */
  readonly seed?: number;
  readonly gain?: number;
  /** Goldens that must pass before the file takes its name. */
  readonly verify?: readonly string[];
  readonly provider?: Provider;
  /** Whether verification fails when a node ran elsewhere than on the provider. */
  readonly requireProvider?: boolean;
  /** With `verify`: an HTML page of what was found, written even when verification fails. */
  readonly report?: string;
  /** Of time and memory for running the model. */
  readonly limits?: Limits;
  /** Whether to compute the SHA-256 of what is written; default true. */
  readonly hash?: boolean;
  /** Whether to measure time and memory by stage. */
  readonly profile?: boolean;
  readonly onWarning?: (warning: Problem) => void;
  readonly onProgress?: (progress: Progress) => void;
  /** Stops the compilation; nothing is left behind. */
  readonly signal?: AbortSignal;
}

export interface CompileResult {
  readonly output?: string;
  /** The bytes, where no output was named. */
  readonly model?: Uint8Array;
  /** Of the model's own file, as `sha256` is. */
  readonly bytes: number;
  readonly sha256?: string;
  /** The second file, where tensors are in one: it must stay beside the model, under its name. */
  readonly externalData?: { readonly file: string; readonly bytes: number; readonly sha256?: string };
  readonly opset: number;
  readonly irVersion: number;
  /** Open sizes are given by name. */
  readonly inputs: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly (number | string)[] }[];
  readonly outputs: CompileResult['inputs'];
  readonly nodes: number;
  readonly parameters: number;
  /** Of a model, at its image size; null for a module alone. Computed when read. */
  readonly gflops: number | null;
  readonly seconds: number;
  readonly warnings: readonly string[];
  /** The file that the weights come from, and the tensors in it that the graph does not read. */
  readonly weights?: { readonly file: string; readonly holds: string; readonly unused: readonly string[] };
  readonly verification?: VerifyReport;
  /** Where time and memory went, where that was asked for. */
  readonly profile?: readonly Stage[];
}

/** Options with the target found, and what its users leave to it filled in. */
type Resolved = Omit<CompileOptions, 'target'> & Pick<NetworkOptions, 'target' | 'onStage'>;

/** Throws Problem for everything that is the input's, the options' or the environment's fault. */
export async function compile(given: CompileOptions): Promise<CompileResult> {
  const started = process.hrtime();
  const checked = checkOptions(given);
  const warnings: string[] = [];
  const warn = (warning: Problem): void => {
    warnings.push(formatProblem(warning, 'warning'));
    checked.onWarning?.(warning);
  };
  const stages = checked.profile ? new Stages() : undefined;
  const { target: wanted, ...rest } = checked;
  const options: Resolved = forTarget({ ...rest, ...targetNamed(wanted), warn, ...(stages ? { onStage: (stage: string) => stages.end(stage) } : {}) });
  stopIfAborted(options.signal);
  await checkOperators(options);
  if (options.verify && options.verify.length > 0) checkComparable(options);
  else if (options.report !== undefined) throw new Problem('bad-option', 'a report needs goldens to verify with', { help: 'Name them with --verify.' });
  refuseInputs(options, inputFiles(options));
  const target = options.output === undefined ? new MemoryFile() : modelOutput(options.output);
  try {
    const hashes = options.hash === false ? undefined : { model: sha256(), data: sha256() };
    const made = await write(options, warn, hashes ? hashing(target, hashes) : target);
    target.flush();
    const verification = options.verify && options.verify.length > 0 ? await verified(target, options.verify, options, warn) : undefined;
    stopIfAborted(options.signal);
    if (verification) stages?.end('verify');
    const outcome = { ...made, warnings, started, hashes: hashes && { model: hashes.model.digest('hex'), data: hashes.data.digest('hex') }, verification };
    if (verification && (verification.failed > 0 || missedProvider(verification.provider))) {
      target.abort();
      return result(outcome);
    }
    target.commit();
    stages?.end('commit');
    return result({ ...outcome, ...(stages ? { profile: stages.all } : {}), output: options.output, model: target instanceof MemoryFile ? target.bytes() : undefined });
  } catch (error) {
    target.abort();
    throw error;
  }
}

/** Only custom operators can be given other names, and each its own. Throws Problem('bad-option'). */
export async function checkOperators(options: Pick<GraphOptions, 'customOps'>): Promise<void> {
  const { names } = customOpsOf(options);
  if (Object.keys(names).length === 0) return;
  const operators: string[] = [];
  for (const name of library.names) if ((await library.load(name)).operator?.custom) operators.push(name);
  for (const name of Object.keys(names)) {
    if (!operators.includes(name)) throw new Problem('bad-option', `${name} is not a custom operator`, { help: `Custom operators are ${operators.join(', ')}.` });
  }
  const called = operators.map((name) => names[name] ?? name);
  const taken = called.find((name, i) => called.indexOf(name) !== i);
  if (taken !== undefined) throw new Problem('bad-option', `two custom operators would be called ${taken}`);
}

/** Every file that the options name for reading. */
function inputFiles({ model, weights, verify = [] }: Resolved): readonly string[] {
  const yaml = typeof model === 'string' ? [locateModel(model).file] : [];
  return [...yaml, ...(weights === undefined ? [] : [weights]), ...(verify.length > 0 ? findGoldens(verify) : [])];
}

/** Refuses names that would overwrite what is read. */
function refuseInputs({ output, report }: Resolved, inputs: readonly string[]): void {
  if (output === undefined) return;
  if (report !== undefined && [output, dataFileOf(output)].some((file) => isSamePlace(file, report))) throw new Problem('bad-option', `${report} cannot be both the model and its report`, { help: 'Name another file with --report.' });
  refuseOverwriting(output, inputs);
  const data = dataFileOf(output);
  if (existsSync(data)) refuseOverwriting(data, inputs);
}

type Made = Pick<Outcome, 'written' | 'gflops' | 'checkpoint'>;

async function write(given: Resolved, warn: (warning: Problem) => void, sink: ModelSink): Promise<Made> {
  const { weights: file, keyMap, externalData, seed = DEFAULT_SEED.seed, gain = DEFAULT_SEED.gain, ...options } = given;
  const hooks = {
    sink,
    externalData,
    producerVersion: version(),
    date: today(),
    pause: async (done: number, total: number): Promise<void> => {
      options.onProgress?.({ stage: 'write', done, total });
      // Lets timers, signals and the caller's own work run between stretches of writing.
      await new Promise((resume) => setImmediate(resume));
      stopIfAborted(options.signal);
    },
  };
  if (options.module) {
    if (options.model !== undefined) throw new Problem('bad-option', 'give a model or a module, not both');
    if (file === undefined && keyMap && keyMap.length > 0) throw keyMapAlone();
    const weights = file === undefined ? undefined : await openWeights(file, { keyMap, yamlGiven: true, lone: true });
    try {
      const request = { ...options, ...options.module, warn, weights: weights?.source() ?? seededWeights({ seed, gain }) };
      return { written: await writeModule(request, library, hooks), gflops: () => null, checkpoint: weights?.checkpoint };
    } finally {
      weights?.close();
    }
  }
  if (options.model === undefined) throw new Problem('bad-option', 'nothing to compile', { help: 'Name a yaml, or a module with --module.' });
  const input = await openInput({ ...given, model: options.model }, warn);
  try {
    refuseInputs(given, input.found);
    const request = { ...options, ...input.settings, warn, weights: input.weights?.source() ?? seededWeights({ seed, gain }) };
    const prepared = await prepareFitting(input, request);
    stopIfAborted(options.signal);
    const written = await writeNetwork(prepared, request, hooks).catch(async (error: unknown) => {
      throw await advised(error, input, request, prepared);
    });
    return { written, gflops: () => rounded(gflopsOf(prepared)), checkpoint: input.weights?.checkpoint };
  } finally {
    input.close();
  }
}

function secondsSince(started: readonly [number, number]): number {
  const [seconds, nanoseconds] = process.hrtime([...started]);
  return seconds + Math.round(nanoseconds / 1e6) / 1000;
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

interface Outcome {
  readonly written: Written;
  readonly gflops: () => number | null;
  readonly checkpoint: OpenedWeights['checkpoint'] | undefined;
  readonly warnings: readonly string[];
  readonly started: readonly [number, number];
  readonly hashes: { readonly model: string; readonly data: string } | undefined;
  readonly verification: VerifyReport | undefined;
  readonly profile?: readonly Stage[];
  readonly output?: string | undefined;
  readonly model?: Uint8Array | undefined;
}

function result({ profile, written, gflops, checkpoint, warnings, started, hashes, verification, output, model }: Outcome): CompileResult {
  const named = ({ name, dtype, shape }: Written['inputs'][number]): CompileResult['inputs'][number] => ({ name, dtype, shape: shape.map((extent) => (typeof extent === 'number' ? extent : show(extent))) });
  return {
    ...(output === undefined ? {} : { output }),
    ...(model === undefined ? {} : { model }),
    bytes: written.bytes,
    ...(hashes === undefined ? {} : { sha256: hashes.model }),
    ...(output === undefined || !written.externalData ? {} : { externalData: { file: dataFileOf(output), bytes: written.externalData.bytes, ...(hashes === undefined ? {} : { sha256: hashes.data }) } }),
    opset: written.opset,
    irVersion: written.irVersion,
    inputs: written.inputs.map(named),
    outputs: written.outputs.map(named),
    nodes: written.nodes,
    parameters: written.parameters,
    get gflops() {
      return gflops();
    },
    seconds: secondsSince(started),
    warnings,
    ...(checkpoint ? { weights: { file: checkpoint.name, holds: checkpoint.holds, unused: written.unused } } : {}),
    ...(verification ? { verification } : {}),
    ...(profile ? { profile } : {}),
  };
}

async function verified(target: AtomicFile | MemoryFile, goldens: readonly string[], options: Resolved, warn: (warning: Problem) => void): Promise<VerifyReport> {
  options.onProgress?.({ stage: 'verify', done: 0, total: goldens.length });
  const { verify } = await import('./verify.js');
  const model = target instanceof MemoryFile ? target.bytes() : target.temporary;
  return verify({ goldens, model, ...(options.provider ? { provider: options.provider } : {}), ...(options.requireProvider ? { requireProvider: true } : {}), ...(options.limits ? { limits: options.limits } : {}), ...(options.report === undefined ? {} : { report: options.report }), ...(options.signal ? { signal: options.signal } : {}), half: options.half ?? 'none', customOps: options.customOps ?? {}, onNote: (note) => warn(new Problem('missing-provider', note)) });
}

/** Loaded when asked for: it takes Node some milliseconds. */
const sha256 = (): Hash => process.getBuiltinModule('node:crypto').createHash('sha256');

const hashed = (sink: ByteSink, hash: Hash): ByteSink => ({
  write(bytes) {
    hash.update(bytes);
    sink.write(bytes);
  },
});

function hashing(target: ModelSink, hashes: { readonly model: Hash; readonly data: Hash }): ModelSink {
  const model = hashed(target, hashes.model);
  if (!target.external) return model;
  const external: ModelSink['external'] = (bytes) => {
    const { location, sink } = target.external!(bytes);
    return { location, sink: hashed(sink, hashes.data) };
  };
  return { ...model, external };
}

/** A file that stays in memory. */
class MemoryFile implements ByteSink {
  private readonly parts: Uint8Array[] = [];
  write(bytes: Uint8Array): void {
    this.parts.push(bytes.slice());
  }
  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }
  flush(): void {
    // Nothing is buffered.
  }
  commit(): void {
    // It has no name to take.
  }
  abort(): void {
    this.parts.length = 0;
  }
}
