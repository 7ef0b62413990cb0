/** `verify`: goldens against a model file, or against what each golden names, compiled on the spot. */
import { dirname, join, resolve } from 'node:path';
import { Problem } from '../errors.js';
import { goldenWeights, type Golden, type ModuleGolden } from '../golden.js';
import type { ByteSource } from '../io.js';
import type { Loadable, Provider } from '../runner.js';
import { forTarget, type Target } from '../target.js';
import { verifyGoldens, type CaseResult, type VerifyReport } from '../verify.js';
import { checkComparable } from '../choose-passes.js';
import { prepare, writeModule, writeNetwork, type GraphOptions } from '../compile.js';
import { library } from '../../ops/index.js';
import { stopIfAborted } from './abort.js';
import { checkOperators } from './compile.js';
import { fileSource } from './files.js';
import { findGoldens } from './goldens.js';
import { readFacts } from './onnx-file.js';
import { nodeRunner, type RunnerOptions } from './runner.js';
import { targetNamed } from './targets.js';
import { today, version } from './version.js';
import { openWeights, type InputOptions } from './inputs.js';

export interface VerifyFilesOptions extends Omit<GraphOptions, 'weights' | 'warn' | 'onPass' | 'onStage' | 'target'>, Pick<InputOptions, 'keyMap'>, RunnerOptions {
  /** Without a model: compile for this runtime. */
  readonly target?: string | Target;
  /** Golden files and folders of them. */
  readonly goldens: readonly string[];
  /** A model's path or bytes; without it every golden is compiled from what it names. */
  readonly model?: string | Uint8Array;
  readonly provider?: Provider;
  /** In place of the goldens' own bounds: atol + rtol · max|wanted|. */
  readonly atol?: number;
  readonly rtol?: number;
  readonly onCase?: (result: CaseResult) => void;
  readonly onNote?: (note: string) => void;
  readonly signal?: AbortSignal;
}

/** Throws Problem('missing-provider') when the provider cannot run here; failing cases are in the report. */
export async function verify({ target, ...rest }: VerifyFilesOptions): Promise<VerifyReport> {
  const options = forTarget({ ...rest, ...targetNamed(target) });
  const files = findGoldens(options.goldens);
  const { model, atol, rtol, provider = 'auto' } = options;
  for (const [name, value] of Object.entries({ atol, rtol })) {
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) throw new Problem('bad-option', `${name} must be a number from 0 on, got ${value}`);
  }
  await checkOperators(options);
  if (model === undefined) checkComparable(options);
  const note = onceEach(options.onNote);
  const twins = new Set<string>();
  const opaque = options.customOps?.form === 'opaque';
  // A model at fault fails its cases, one by one. What the caller tells need not be read from the file.
  const known = options.half !== undefined && options.customOps !== undefined && !opaque;
  const given = model === undefined ? undefined : known ? Promise.resolve({ model, half: false }) : runnable(model, twins, note);
  const half = await given?.then((facts) => facts.half).catch(() => false);
  const report = await verifyGoldens({
    goldens: files.map((file) => () => {
      stopIfAborted(options.signal);
      return fileSource(file);
    }),
    model: async (golden, source) => {
      if (given) return (await given).model;
      const compiled = await compileGolden(golden, source, options);
      return opaque ? (await runnable(compiled, twins, note)).model : compiled;
    },
    runner: nodeRunner(options.graphOptimizationLevel ? { graphOptimizationLevel: options.graphOptimizationLevel } : {}),
    provider,
    half: options.half === undefined ? (half ?? false) : options.half !== 'none',
    ...(atol === undefined && rtol === undefined ? {} : { tolerance: { ...(atol === undefined ? {} : { atol }), ...(rtol === undefined ? {} : { rtol }) } }),
    ...(options.onCase ? { onCase: options.onCase } : {}),
    ...(options.onNote ? { onNote: options.onNote } : {}),
  });
  return twins.size === 0 ? report : { ...report, twins: [...twins] };
}

/** The model, or where it has opaque operators its twin with functions, which is said. */
async function runnable(model: string | Uint8Array, twins: Set<string>, note: (text: string) => void): Promise<{ model: Loadable; half: boolean }> {
  const { half, twin } = await readFacts(model);
  if (!twin) return { model, half };
  for (const name of twin.names) twins.add(name);
  note(`onnxruntime has no kernels for ${twin.names.join(', ')}: the function twins of these opaque operators are run`);
  return { model: typeof model === 'string' ? { bytes: twin.bytes, folder: dirname(resolve(model)) } : twin.bytes, half };
}

function onceEach(say: ((text: string) => void) | undefined): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say?.(text);
    said.add(text);
  };
}

/** Compiles what a golden names: its yaml or module, arguments, seed or weights. */
export async function compileGolden(golden: Golden, source: ByteSource, { keyMap, ...options }: GraphOptions & Pick<InputOptions, 'keyMap'> = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const hooks = { sink: { write: (bytes: Uint8Array): void => void parts.push(bytes.slice()) }, producerVersion: version(), date: today() };
  const opened = golden.weights.from === 'checkpoint' ? await openWeights(join(dirname(golden.file), golden.weights.file), { keyMap, yamlGiven: true, lone: golden.kind === 'module' }) : undefined;
  const common = { ...options, weights: opened?.source() ?? goldenWeights(golden, source) };
  try {
    if (golden.kind === 'module') {
      const inputs = golden.inputs.map(({ shape }) => mapShape(golden, shape));
      await writeModule({ ...common, module: golden.module, args: golden.args, inputs, repeats: golden.n, ...(golden.family ? { family: golden.family } : {}) }, library, hooks);
    } else {
      const request = { ...common, imgsz: golden.imgsz, batch: golden.batch, ...(golden.scale === undefined ? {} : { scale: golden.scale }) };
      const prepared = await prepare({ file: golden.yamlFile, text: golden.yaml }, request, library);
      await writeNetwork(prepared, request, hooks);
    }
  } finally {
    opened?.close();
  }
  return Buffer.concat(parts);
}

function mapShape(golden: ModuleGolden, shape: readonly number[]): readonly number[] {
  if (golden.op || shape.length === 4) return shape;
  throw new Problem('bad-golden', `golden ${golden.file} has an input of shape [${shape.join(', ')}]; modules read [batch, channels, height, width]`);
}
