/** Runs a model on a golden's inputs and compares what comes out with the golden's outputs. */
import { compareOutput, type OutputResult } from './compare.js';
import { Problem, type ErrorCode } from './errors.js';
import { divide, type Arithmetic, type Tolerance } from './golden-bounds.js';
import { parseGolden, type Golden } from './golden.js';
import type { ByteSource } from './io.js';
import { matchRows } from './match-rows.js';
import type { Loadable, Port, Provider, Ran, Runner, Tensor } from './runner.js';

export interface CaseResult {
  readonly case: string;
  /** The golden's file. */
  readonly golden: string;
  readonly ok: boolean;
  /** Loading and running the model, without compiling it. */
  readonly seconds: number;
  readonly outputs: readonly OutputResult[];
  /** Why the case could not be run; its outputs are then empty. */
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly help?: string };
}

/** What `verify --json` prints. */
export interface VerifyReport {
  readonly provider: {
    readonly requested: Provider;
    /** Execution providers that really ran nodes, the one with most nodes first. */
    readonly ran: readonly string[];
    /** Whether CUDA may have used TF32; absent when CUDA ran nothing. */
    readonly tf32?: boolean;
  };
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
}

export interface VerifyRequest extends VerifyOptions {
  /** The goldens' files; each is closed (where it can be) once its case is done. */
  readonly goldens: Iterable<() => ByteSource & { close?(): void }>;
  /** The model for a golden: compiled from what it names, or always the same file. */
  readonly model: (golden: Golden, source: ByteSource) => Promise<Loadable>;
  readonly runner: Runner;
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
  const nodes = new Map<string, number>();
  const notes = new Set<string>();
  let tf32: boolean | undefined;
  for (const open of request.goldens) {
    const { result, ran } = await verifyFile(open, request);
    cases.push(result);
    for (const [provider, count] of Object.entries(ran?.nodes ?? {})) nodes.set(provider, (nodes.get(provider) ?? 0) + count);
    if (ran?.tf32 !== undefined) tf32 = ran.tf32 || tf32 === true;
    for (const note of ran?.notes ?? []) {
      if (!notes.has(note)) request.onNote?.(note);
      notes.add(note);
    }
    request.onCase?.(result);
  }
  const ran = [...nodes].sort(([, a], [, b]) => b - a).map(([provider]) => provider);
  const passed = cases.filter(({ ok }) => ok).length;
  return {
    provider: { requested: request.provider, ran, ...(tf32 === undefined ? {} : { tf32 }) },
    cases,
    passed,
    failed: cases.length - passed,
  };
}

/** The exit code of a report: 1 when numbers differ, else that of what kept cases from running, else 0. */
export function reportExitCode({ cases }: VerifyReport): number {
  if (cases.some(({ ok, error }) => !ok && !error)) return 1;
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
    return await verifyGolden(golden, await request.model(golden, source), request.runner, request);
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
export async function verifyGolden(golden: Golden, model: Loadable, runner: Runner, options: VerifyOptions): Promise<{ result: CaseResult; ran: Ran }> {
  const started = performance.now();
  const session = await runner.open(model, options.provider);
  try {
    const got = await session.run(feedsFor(golden, session.inputs));
    const ran = await session.finish();
    const seconds = (performance.now() - started) / 1000;
    const outputs = compareOutputs(golden, session.outputs, got, arithmeticOf(ran, options), options.tolerance ?? {});
    return { result: { case: golden.case, golden: golden.file, ok: outputs.every(({ ok }) => ok), seconds, outputs }, ran };
  } finally {
    await session.close();
  }
}

function arithmeticOf(ran: Ran, { half }: VerifyOptions): Arithmetic {
  if (half) return 'float16';
  if (!ran.nodes.CUDAExecutionProvider && !ran.nodes.WebGpuExecutionProvider) return 'float32';
  return ran.tf32 ? 'cuda-tf32' : 'cuda-float32';
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

function compareOutputs(golden: Golden, ports: readonly Port[], got: ReadonlyMap<string, Tensor>, arithmetic: Arithmetic, tolerance: Tolerance): OutputResult[] {
  if (golden.outputs.length > ports.length) {
    throw misfit(golden, `has ${golden.outputs.length} outputs (${golden.outputs.map(({ name }) => name).join(', ')}), the model ${ports.length}`);
  }
  return golden.outputs.map((output, i) => {
    const bounds = { division: divide(golden, output), arithmetic, tolerance };
    const want = { data: output.read(), shape: output.shape };
    const result = got.get(ports[i]!.name)!;
    return compareOutput(output.name, want, golden.ordered ? matchRows(want, result, bounds) : result, bounds);
  });
}

function misfit(golden: Golden, what: string): Problem {
  const size = golden.kind === 'module' ? '' : ` with --imgsz ${golden.imgsz.join(' ')} --batch ${golden.batch}`;
  return new Problem('bad-golden', `golden ${golden.file} ${what}`, { help: `Compile the model for the golden${size}, or leave the model out: verify then compiles what the golden names.` });
}
