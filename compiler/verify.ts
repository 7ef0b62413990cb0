/** Runs a model on a golden's inputs and compares what comes out with the golden's outputs. */
import { compareOutput, type OutputResult } from './compare.js';
import { Problem, type ErrorCode } from './errors.js';
import { divide, type Arithmetic, type Bounds, type Tolerance } from './golden-bounds.js';
import { parseGolden, type Golden } from './golden.js';
import type { Origin } from './inspect/origin.js';
import type { ByteSource } from './io.js';
import { matchRows } from './match-rows.js';
import { ProviderTally, missedProvider, type ProviderReport } from './provider-report.js';
import type { Feeds, Loadable, Port, Provider, Ran, Runner, Session, Tensor } from './runner.js';

export interface CaseResult {
  readonly case: string;
  /** The golden's file. */
  readonly golden: string;
  readonly ok: boolean;
  /** Loading and running the model, without compiling it. */
  readonly seconds: number;
  readonly timings?: Timings;
  readonly outputs: readonly OutputResult[];
  /** Where the numbers that are NaN or infinite come from. */
  readonly origin?: Origin;
  /** Why the case could not be run; its outputs are then empty. */
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly help?: string };
}

/** In seconds. */
export interface Timings {
  /** Where the case was compiled. */
  readonly compile?: number;
  /** Reading the file, the runtime's own optimizer. */
  readonly load: number;
  /** The first run, which also makes what later ones reuse. */
  readonly run: number;
  /** The median of further runs, where there were any. */
  readonly again?: number;
}

/** What `verify --json` prints. */
export interface VerifyReport {
  readonly provider: ProviderReport;
  readonly cases: readonly CaseResult[];
  readonly passed: number;
  readonly failed: number;
  /** Opaque operators (domain::name) in whose place function twins ran; absent when there were none. */
  readonly twins?: readonly string[];
}

export interface VerifyOptions {
  readonly provider: Provider;
  /** In place of the goldens' own bounds: atol + rtol * max|wanted|. */
  readonly tolerance?: Tolerance;
  /** The model computes in float16: its bounds are float16's. */
  readonly half?: boolean;
  /** How often to run again, for the time alone; default 0. */
  readonly runs?: number;
}

/** A case once its session is closed, for those who look closer. */
export interface Examined {
  readonly golden: Golden;
  readonly file: Loadable;
  readonly feeds: Feeds;
  /** The model's outputs. */
  readonly ports: readonly Port[];
  readonly got: ReadonlyMap<string, Tensor>;
  readonly arithmetic: Arithmetic;
  /** What is compared: each output of the golden with the model's. */
  readonly pairs: readonly Pair[];
  readonly ran: Ran;
  readonly result: CaseResult;
}

export interface VerifyRequest extends VerifyOptions {
  /** The goldens' files; each is closed (where it can be) once its case is done. */
  readonly goldens: Iterable<() => ByteSource & { close?(): void }>;
  /** The model for a golden: compiled from what it names, or always the same file. */
  readonly model: (golden: Golden, source: ByteSource) => Promise<Loadable>;
  readonly runner: Runner;
  /** Whether the report fails when a node ran elsewhere than asked for. */
  readonly requireProvider?: boolean;
  /** Looks closer at a case, and gives its result, to which it may add. */
  readonly examine?: (examined: Examined) => Promise<CaseResult>;
  readonly onCase?: (result: CaseResult) => void;
  /** Called once for each thing that the user should know. */
  readonly onNote?: (note: string) => void;
}

/**
 * Verifies every golden. A golden or model at fault fails its own case alone; a missing provider, a stop and faults of
 * our own (Problems 'missing-provider', 'aborted' and 'internal', other errors) are thrown.
 */
export async function verifyGoldens(request: VerifyRequest): Promise<VerifyReport> {
  const cases: CaseResult[] = [];
  const tally = new ProviderTally();
  for (const open of request.goldens) {
    const { result, ran } = await verifyFile(open, request);
    cases.push(result);
    if (ran) for (const note of tally.add(result.case, ran)) request.onNote?.(note);
    request.onCase?.(result);
  }
  const passed = cases.filter(({ ok }) => ok).length;
  return { provider: tally.report(request.provider, request.requireProvider ?? false), cases, passed, failed: cases.length - passed };
}

/** The exit code of a report: 1 when numbers differ or nodes ran elsewhere than they must, else that of what kept cases from running, else 0. */
export function reportExitCode({ cases, provider }: Pick<VerifyReport, 'cases' | 'provider'>): number {
  if (cases.some(({ ok, error }) => !ok && !error) || missedProvider(provider)) return 1;
  const error = cases.find((result) => result.error)?.error;
  return error ? new Problem(error.code, error.message).exitCode : 0;
}

const THROWN: ReadonlySet<ErrorCode> = new Set(['missing-provider', 'aborted', 'internal'] as const);

async function verifyFile(open: () => ByteSource & { close?(): void }, request: VerifyRequest): Promise<{ result: CaseResult; ran?: Ran }> {
  let file: string | undefined;
  let golden: Golden | undefined;
  let source: (ByteSource & { close?(): void }) | undefined;
  try {
    source = open();
    file = source.name;
    golden = parseGolden(source);
    const model = await request.model(golden, source);
    const examined = await verifyGolden(golden, model, request.runner, request);
    return { result: request.examine ? await request.examine(examined) : examined.result, ran: examined.ran };
  } catch (error) {
    if (!(error instanceof Problem) || THROWN.has(error.code)) throw error;
    const { code, message, help } = error;
    const name = golden?.case ?? file ?? '';
    return { result: { case: name, golden: file ?? '', ok: false, seconds: 0, outputs: [], error: { code, message, ...(help === undefined ? {} : { help }) } } };
  } finally {
    source?.close?.();
  }
}

/**
 * Verifies one golden on one model. Throws Problem('bad-golden') when the two do not belong together, and what
 * `Runner.open` and `Session.run` throw.
 */
export async function verifyGolden(golden: Golden, file: Loadable, runner: Runner, options: VerifyOptions): Promise<Examined> {
  const watch = stopwatch();
  const session = await runner.open(file, options.provider);
  try {
    const load = watch();
    const feeds = feedsFor(golden, session.inputs);
    const got = await session.run(feeds);
    const run = watch();
    const again = await timed(session, feeds, options.runs ?? 0);
    const ran = await session.finish();
    const arithmetic = arithmeticOf(ran, options);
    const pairs = pairsOf(golden, session.outputs, got, arithmetic, options.tolerance ?? {});
    const outputs = pairs.map((pair) => compareOutput(pair.name, pair.want, pair.got, pair.bounds));
    const timings = { load, run, ...(again === undefined ? {} : { again }) };
    const result = { case: golden.case, golden: golden.file, ok: outputs.every(({ ok }) => ok), seconds: load + run, timings, outputs };
    return { golden, file, feeds, ports: session.outputs, got, arithmetic, pairs, ran, result };
  } finally {
    await session.close();
  }
}

/** Seconds since it was asked last. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return seconds;
  };
}

/** Runs for the time alone take no longer than this in all. */
const TIMED_SECONDS = 2;

async function timed(session: Session, feeds: Feeds, runs: number): Promise<number | undefined> {
  const watch = stopwatch();
  const times: number[] = [];
  for (let sum = 0; times.length < runs && sum < TIMED_SECONDS; ) {
    await session.run(feeds);
    const seconds = watch();
    times.push(seconds);
    sum += seconds;
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

/** What computed a session's results, whose bounds they are held against. */
export function arithmeticOf(ran: Ran, { half }: Pick<VerifyOptions, 'half'>): Arithmetic {
  if (half) return 'float16';
  if (!ran.nodes.CUDAExecutionProvider && !ran.nodes.WebGpuExecutionProvider) return 'float32';
  return ran.tf32 ? 'cuda-tf32' : 'gpu-float32';
}

/** The golden's inputs under the graph's names: they correspond by order. */
function feedsFor(golden: Golden, ports: readonly Port[]): Map<string, Tensor> {
  const names = golden.inputs.map(({ name }) => name).join(', ');
  if (golden.inputs.length !== ports.length) {
    throw misfit(golden, `has ${golden.inputs.length} inputs (${names}), the model ${ports.length} (${ports.map(({ name }) => name).join(', ')})`);
  }
  return new Map(
    golden.inputs.map(({ name, shape, read }, i) => {
      const port = ports[i]!;
      const fits = port.shape.length === shape.length && port.shape.every((size, axis) => typeof size === 'string' || size === shape[axis]);
      if (!fits) throw misfit(golden, `has ${name} as [${shape.join(', ')}], the model takes ${port.name} as [${port.shape.join(', ')}]`);
      return [port.name, { data: read(), shape }];
    }),
  );
}

export interface Pair {
  /** The golden's name of the output. */
  readonly name: string;
  readonly want: Tensor;
  /** Its rows are in the golden's order where the model orders them by score. */
  readonly got: Tensor;
  readonly bounds: Bounds;
}

function pairsOf(golden: Golden, ports: readonly Port[], results: ReadonlyMap<string, Tensor>, arithmetic: Arithmetic, tolerance: Tolerance): Pair[] {
  if (golden.outputs.length > ports.length) {
    throw misfit(golden, `has ${golden.outputs.length} outputs (${golden.outputs.map(({ name }) => name).join(', ')}), the model ${ports.length}`);
  }
  return golden.outputs.map((output, i) => {
    const bounds = { division: divide(golden, output), arithmetic, tolerance };
    const want = { data: output.read(), shape: output.shape };
    const got = results.get(ports[i]!.name)!;
    return { name: output.name, want, got: golden.ordered ? matchRows(want, got, bounds) : got, bounds };
  });
}

function misfit(golden: Golden, what: string): Problem {
  const size = golden.kind === 'module' ? '' : ` with --imgsz ${golden.imgsz.join(' ')} --batch ${golden.batch}`;
  return new Problem('bad-golden', `golden ${golden.file} ${what}`, { help: `Compile the model for the golden${size}, or leave the model out: verify then compiles what the golden names.` });
}
