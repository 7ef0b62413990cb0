/** `diff`: what two ONNX files differ in, and how far their numbers are apart on the same inputs. */
import { Problem } from '../errors.js';
import { divide, type Arithmetic } from '../golden-bounds.js';
import { parseGolden, type Golden } from '../golden.js';
import { structureDiff, type StructureDiff } from '../inspect/diff.js';
import { inputShapes, madeFeeds } from '../inspect/diff-inputs.js';
import { divisionOf, tensorDiff, type DiffBounds, type TensorDiff } from '../inspect/diff-numbers.js';
import type { LayersDiff } from '../inspect/diff-layers.js';
import { originOf, type Origin } from '../inspect/origin.js';
import { matchRows } from '../match-rows.js';
import type { Feeds, Provider, Ran, Runner, Tensor } from '../runner.js';
import { arithmeticOf, verifyGolden, type CaseResult } from '../verify.js';
import { stopIfAborted } from './abort.js';
import { layersDiff } from './diff-layers.js';
import { fileSource, type FileSource } from './files.js';
import { runnable, twinNote, type Runnable } from './runnable.js';
import { nodeRunner, type RunnerOptions } from './runner.js';

export interface DiffOptions extends RunnerOptions {
  /** Paths of the files, or their bytes. */
  readonly a: string | Uint8Array;
  readonly b: string | Uint8Array;
  /** A golden's inputs are run, and each side is compared with its outputs too. Default: made numbers from 0 to 1. */
  readonly golden?: string;
  /** Shapes of the inputs by order, where the files leave sizes open. */
  readonly inputs?: readonly (readonly number[])[];
  /** Whether to run them; default true. */
  readonly run?: boolean;
  readonly provider?: Provider;
  /** Whether it counts as a difference when a node ran elsewhere than on the provider asked for. */
  readonly requireProvider?: boolean;
  /** In place of the usual bounds: atol + rtol · max|a|. */
  readonly atol?: number;
  readonly rtol?: number;
  readonly onNote?: (note: string) => void;
}

/** What `diff --json` prints. */
export interface DiffReport {
  readonly a: string;
  readonly b: string;
  /** Whether the numbers agree; true where nothing was run. */
  readonly ok: boolean;
  readonly structure: StructureDiff;
  /** Absent where nothing was to be run. */
  readonly numbers?: NumbersDiff;
}

export interface NumbersDiff {
  readonly ok: boolean;
  /** Why nothing could be compared: the two cannot be fed the same. */
  readonly reason?: string;
  /** By a's names. */
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly provider?: { readonly requested: Provider; readonly a: Ran['nodes']; readonly b: Ran['nodes']; readonly fellBack?: { readonly a: number; readonly b: number }; readonly required?: boolean };
  /** By order. */
  readonly outputs: readonly OutputDiff[];
  /** What each side is next to the golden. */
  readonly golden?: { readonly a: CaseResult; readonly b: CaseResult };
  readonly layers?: LayersDiff | { readonly reason: string };
  /** Where NaN or infinities in outputs come from. */
  readonly origins?: { readonly a?: Origin; readonly b?: Origin };
}

export interface OutputDiff {
  /** Names in both files; undefined where one has no such output. */
  readonly a?: string;
  readonly b?: string;
  readonly ok: boolean;
  readonly difference?: TensorDiff;
  /** Why it could not be compared. */
  readonly message?: string;
}

/** A side with what it is run on, for those who run it again. */
export interface Side extends Runnable {
  readonly feeds: Feeds;
  readonly arithmetic: Arithmetic;
}

interface RanSide extends Side {
  readonly ran: Ran;
  /** By order. */
  readonly outputs: readonly (Tensor & { readonly name: string })[];
  readonly result?: CaseResult;
}

/**
 * Compares two files. Throws Problem('unreadable', 'bad-model', 'bad-golden', 'bad-option') for a side that cannot be read or
 * run, 'missing-provider' when the provider cannot run here; sides that cannot be fed the same are in the report.
 */
export async function diff(options: DiffOptions): Promise<DiffReport> {
  for (const name of ['atol', 'rtol'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) throw new Problem('bad-option', `${name} must be a number from 0 on, got ${value}`);
  }
  if (options.golden !== undefined && options.inputs !== undefined && options.inputs.length > 0) throw new Problem('bad-option', 'a golden brings its inputs: --golden and --input exclude each other');
  const names = { a: nameOf(options.a, 'a'), b: nameOf(options.b, 'b') };
  const a = await runnable(options.a);
  const b = await runnable(options.b);
  const structure = structureDiff(a.model, b.model);
  if (options.run === false) return { ...names, ok: true, structure };
  for (const twins of new Set([a.twins, b.twins].filter(({ length }) => length > 0).map(twinNote))) options.onNote?.(twins);
  const { graphOptimizationLevel, limits, signal } = options;
  const runner = nodeRunner({ ...(graphOptimizationLevel ? { graphOptimizationLevel } : {}), ...(limits ? { limits } : {}), ...(signal ? { signal } : {}) });
  try {
    const numbers = await new Numbers(options, names, runner).of(a, b);
    return { ...names, ok: numbers.ok, structure, numbers };
  } finally {
    runner.close();
  }
}

const nameOf = (place: string | Uint8Array, side: string): string => (typeof place === 'string' ? place : side);

/** The numbers of both sides. Never are two sessions open at once. */
class Numbers {
  private readonly provider: Provider;
  private readonly tolerance: DiffBounds['tolerance'];

  constructor(
    private readonly options: DiffOptions,
    private readonly names: { readonly a: string; readonly b: string },
    private readonly runner: Runner,
  ) {
    const { provider = 'auto', atol, rtol } = options;
    this.provider = provider;
    this.tolerance = { atol, rtol };
  }

  async of(a: Runnable, b: Runnable): Promise<NumbersDiff> {
    if (this.options.golden !== undefined) return this.withGolden(a, b, this.options.golden);
    const shapes = inputShapes(a.model, b.model, this.options.inputs ?? []);
    if ('reason' in shapes) return { ok: false, reason: `the two cannot be run on the same inputs: ${shapes.reason}`, inputs: [], outputs: [] };
    const feeds = madeFeeds(a.model, b.model, shapes);
    return this.compared(await this.ran('a', a, feeds.a), await this.ran('b', b, feeds.b));
  }

  private async withGolden(a: Runnable, b: Runnable, file: string): Promise<NumbersDiff> {
    const source: FileSource = fileSource(file);
    try {
      const golden = parseGolden(source);
      return await this.compared(await this.verified('a', a, golden), await this.verified('b', b, golden), golden);
    } finally {
      source.close();
    }
  }

  private async ran(side: 'a' | 'b', subject: Runnable, feeds: Feeds): Promise<RanSide> {
    return this.about(side, async () => {
      const session = await this.runner.open(subject.file, this.provider);
      try {
        const got = await session.run(feeds);
        const ran = await session.finish();
        return { ...subject, feeds, ran, arithmetic: arithmeticOf(ran, subject), outputs: session.outputs.map(({ name }) => ({ name, ...got.get(name)! })) };
      } finally {
        await session.close();
      }
    });
  }

  private async verified(side: 'a' | 'b', subject: Runnable, golden: Golden): Promise<RanSide> {
    return this.about(side, async () => {
      const { feeds, ran, arithmetic, ports, got, result } = await verifyGolden(golden, subject.file, this.runner, { provider: this.provider, half: subject.half, tolerance: this.tolerance });
      return { ...subject, feeds, ran, arithmetic, outputs: ports.map(({ name }) => ({ name, ...got.get(name)! })), result };
    });
  }

  private async compared(a: RanSide, b: RanSide, golden?: Golden): Promise<NumbersDiff> {
    for (const note of new Set([...a.ran.notes, ...b.ran.notes])) this.options.onNote?.(note);
    const bounds: DiffBounds = { a: a.arithmetic, b: b.arithmetic, tolerance: this.tolerance };
    const outputs = Array.from({ length: Math.max(a.outputs.length, b.outputs.length) }, (_, i) => outputDiff(a.outputs[i], b.outputs[i], bounds, golden, i));
    stopIfAborted(this.options.signal);
    const layers = await layersDiff(a, b, bounds, this.runner, this.provider);
    const origins = { ...(await this.origin('a', a)), ...(await this.origin('b', b)) };
    const fellBack = { a: a.ran.fellBack.length, b: b.ran.fellBack.length };
    const elsewhere = fellBack.a + fellBack.b > 0;
    const required = this.options.requireProvider ?? false;
    return {
      ok: outputs.every(({ ok }) => ok) && [a, b].every(({ result }) => result?.ok ?? true) && !(required && elsewhere),
      inputs: [...a.feeds].map(([name, { shape }]) => ({ name, shape })),
      provider: { requested: this.provider, a: a.ran.nodes, b: b.ran.nodes, ...(elsewhere ? { fellBack } : {}), ...(required ? { required } : {}) },
      outputs,
      ...(a.result && b.result ? { golden: { a: a.result, b: b.result } } : {}),
      layers,
      ...(Object.keys(origins).length > 0 ? { origins } : {}),
    };
  }

  private async origin(side: 'a' | 'b', { model, file, feeds, outputs }: RanSide): Promise<{ a?: Origin; b?: Origin }> {
    const nan = outputs.some(({ data }) => data.some(Number.isNaN));
    if (!nan && outputs.every(({ data }) => data.every(Number.isFinite))) return {};
    try {
      const origin = await originOf({ model, file, feeds, runner: this.runner, provider: this.provider }, nan ? 'NaN' : 'infinite');
      return origin ? { [side]: origin } : {};
    } catch (error) {
      // A model that can run, but not with more outputs, has been compared all the same.
      if (!(error instanceof Problem) || error.code === 'aborted') throw error;
      return {};
    }
  }

  /** What the runtime says of a model does not name it. */
  private async about<T>(side: 'a' | 'b', step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof Problem) || !['bad-model', 'runtime-crash', 'over-limit', 'bad-golden'].includes(error.code)) throw error;
      const help = error.help ?? 'Compare the structure alone: --no-run.';
      throw new Problem(error.code, `${this.names[side]}: ${error.message}`, { help, cause: error });
    }
  }
}

type NamedTensor = Tensor & { readonly name: string };

function outputDiff(a: NamedTensor | undefined, b: NamedTensor | undefined, bounds: DiffBounds, golden: Golden | undefined, at: number): OutputDiff {
  const names = { ...(a ? { a: a.name } : {}), ...(b ? { b: b.name } : {}) };
  if (!a || !b) return { ...names, ok: false, message: `only ${a ? 'a' : 'b'} has this output` };
  if (a.shape.join() !== b.shape.join()) return { ...names, ok: false, message: `the shape is [${a.shape.join(', ')}] in a, [${b.shape.join(', ')}] in b` };
  const wanted = golden?.outputs[at];
  const division = golden && wanted?.shape.join() === a.shape.join() ? divide(golden, wanted) : divisionOf(a.shape);
  const other = golden?.ordered ? matchRows(a, b, { division, arithmetic: bounds.b, tolerance: bounds.tolerance }) : b;
  const difference = tensorDiff(a, other, bounds, division);
  return { ...names, ok: difference.ok, difference };
}
