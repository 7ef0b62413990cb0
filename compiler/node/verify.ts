/** `verify`: goldens against a model file, or against what each golden names, compiled on the spot. */
import { Problem } from '../errors.js';
import { originOf } from '../inspect/origin.js';
import type { Provider, Runner } from '../runner.js';
import { forTarget, type Target } from '../target.js';
import { verifyGoldens, type CaseResult, type Examined, type VerifyReport } from '../verify.js';
import { checkComparable } from '../choose-passes.js';
import { stopIfAborted } from './abort.js';
import { caseReport, failedCase } from './case-report.js';
import { checkOperators } from './compile.js';
import { fileSource } from './files.js';
import { findGoldens } from './goldens.js';
import { Page } from './page.js';
import { externalFiles } from './read-model.js';
import { nodeRunner, type RunnerOptions } from './runner.js';
import { Subjects } from './subjects.js';
import { targetNamed } from './targets.js';
import type { GraphOptions } from '../compile.js';
import type { InputOptions } from './inputs.js';

export interface VerifyFilesOptions extends Omit<GraphOptions, 'weights' | 'warn' | 'onPass' | 'onStage' | 'target'>, Pick<InputOptions, 'keyMap'>, RunnerOptions {
  /** Without a model: compile for this runtime. */
  readonly target?: string | Target;
  /** Golden files and folders of them. */
  readonly goldens: readonly string[];
  /** A model's path or bytes; without it every golden is compiled from what it names. */
  readonly model?: string | Uint8Array;
  readonly provider?: Provider;
  /** Whether the report fails when a node ran elsewhere than on the provider asked for. */
  readonly requireProvider?: boolean;
  /** In place of the goldens' own bounds: atol + rtol · max|wanted|. */
  readonly atol?: number;
  readonly rtol?: number;
  /** An HTML page that shows what was found: histograms, layers, passes, the graph. It appears whole or not at all. */
  readonly report?: string;
  readonly onCase?: (result: CaseResult) => void;
  readonly onNote?: (note: string) => void;
  /** Goldens done, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Throws Problem('missing-provider') when the provider cannot run here; failing cases are in the report. */
export async function verify({ target, ...rest }: VerifyFilesOptions): Promise<VerifyReport> {
  const options = forTarget({ ...rest, ...targetNamed(target) });
  const files = findGoldens(options.goldens);
  const { model, atol, rtol, provider = 'auto', graphOptimizationLevel, limits, signal } = options;
  for (const [name, value] of Object.entries({ atol, rtol })) {
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) throw new Problem('bad-option', `${name} must be a number from 0 on, got ${value}`);
  }
  await checkOperators(options);
  if (model === undefined) checkComparable(options);
  const runner = nodeRunner({ ...(graphOptimizationLevel ? { graphOptimizationLevel } : {}), ...(limits ? { limits } : {}), ...(signal ? { signal } : {}) });
  const subjects = new Subjects({ ...options, passChanges: options.report !== undefined });
  const page = options.report === undefined ? undefined : new Page(options.report, [...files, ...(typeof model === 'string' ? [model, ...externalFiles(model)] : [])]);
  let done = 0;
  try {
    runner.start();
    const report = await verifyGoldens({
      goldens: files.map((file) => () => {
        stopIfAborted(signal);
        return fileSource(file);
      }),
      model: (golden, source) => subjects.next(golden, source),
      runner,
      provider,
      half: options.half === undefined ? await subjects.half() : options.half !== 'none',
      ...(atol === undefined && rtol === undefined ? {} : { tolerance: { ...(atol === undefined ? {} : { atol }), ...(rtol === undefined ? {} : { rtol }) } }),
      ...(options.requireProvider === undefined ? {} : { requireProvider: options.requireProvider }),
      ...(page ? { runs: TIMED_RUNS } : {}),
      examine: async (examined) => {
        const result = subjects.told(await explained(examined, subjects, runner, provider));
        page?.add(await caseReport(examined, result, subjects.inspected(), runner, provider));
        return result;
      },
      onCase: (result) => {
        options.onProgress?.(++done, files.length);
        if (result.error) page?.add(failedCase(result));
        options.onCase?.(result);
      },
      onNote: (note) => {
        page?.note(note);
        options.onNote?.(note);
      },
    });
    await page?.write(report, model);
    return subjects.twins.size === 0 ? report : { ...report, twins: [...subjects.twins] };
  } finally {
    page?.abort();
    subjects.remove();
    runner.close();
  }
}

/** For the times that a report page shows. */
const TIMED_RUNS = 5;

/** A result with NaN or infinities is told where they come from. */
async function explained({ file, feeds, result }: Examined, subjects: Subjects, runner: Runner, provider: Provider): Promise<CaseResult> {
  const bad = result.outputs.filter(({ notFinite = 0 }) => notFinite > 0);
  if (bad.length === 0) return result;
  try {
    const origin = await originOf({ model: subjects.model(), file, feeds, runner, provider }, bad.some(({ nan = 0 }) => nan > 0) ? 'NaN' : 'infinite');
    return origin ? { ...result, origin } : result;
  } catch (error) {
    // A model that can run, but not with more outputs, has failed all the same.
    if (!(error instanceof Problem) || error.code === 'aborted') throw error;
    return result;
  }
}
