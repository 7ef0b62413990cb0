/** What a report page needs before any of its cases is opened: all but the cases' outputs and models. */
import type { CaseResult } from './verify.js';
import type { ReportCase, ReportDocument } from './report.js';

export interface ReportIndex extends Omit<ReportDocument, 'cases'> {
  readonly cases: readonly CaseSummary[];
}

/** A case's row in the table of cases. */
export interface CaseSummary extends Pick<CaseResult, 'case' | 'golden' | 'ok' | 'seconds' | 'timings'> {
  readonly outputs: number;
  /** The part that is nearest to its bound, or furthest beyond it; absent where nothing was compared. */
  readonly worst?: WorstPart;
  /** The error's code and message, where the case could not be run. */
  readonly error?: { readonly code: string; readonly message: string };
}

export interface WorstPart {
  readonly name: string;
  /** maxAbs / bound; null where numbers are not finite, or differ although the bound is 0. */
  readonly ratio: number | null;
}

/** Takes what is there: a document may come from another version. */
export function indexOf(document: ReportDocument): ReportIndex {
  return { ...document, cases: document.cases.map(summaryOf) };
}

function summaryOf(result: ReportCase): CaseSummary {
  const worst = worstOf(result);
  return {
    case: result.case,
    golden: result.golden,
    ok: result.ok,
    seconds: result.seconds,
    ...(result.timings ? { timings: result.timings } : {}),
    outputs: result.outputs.length,
    ...(worst ? { worst } : {}),
    ...(result.error ? { error: { code: result.error.code, message: result.error.message } } : {}),
  };
}

function worstOf({ outputs }: ReportCase): WorstPart | undefined {
  const parts = outputs.flatMap((output) => output.parts ?? [output]).map(({ name, maxAbs, bound }) => ({ name, ratio: ratioOf(maxAbs, bound) }));
  return parts.reduce<WorstPart | undefined>((worst, part) => (worst && (worst.ratio ?? Infinity) >= (part.ratio ?? Infinity) ? worst : part), undefined);
}

function ratioOf(maxAbs: number | null, bound: number): number | null {
  if (maxAbs === 0) return 0;
  const ratio = (maxAbs ?? Infinity) / bound;
  return Number.isFinite(ratio) ? ratio : null;
}
