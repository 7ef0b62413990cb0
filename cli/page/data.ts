/** Reads the JSON that stands in the page. What is missing becomes empty: a page shows what it was given. */
import type { CaseSummary, ReportIndex } from '../../compiler/report-index.js';
import type { ReportCase, ReportModel, ReportOutput, ReportPass } from '../../compiler/report.js';

export type { CaseSummary, ReportIndex, WorstPart } from '../../compiler/report-index.js';
export type * from '../../compiler/report.js';

/** Numbers that JSON cannot hold come as null. */
export type Num = number | null | undefined;

export function readIndex(): ReportIndex {
  const index = (parsed('index') ?? {}) as Partial<ReportIndex>;
  const cases: readonly CaseSummary[] = index.cases ?? [];
  const { title = 'Report', made, provider, notes = [], passed = cases.filter(({ ok }) => ok).length } = index;
  return {
    title,
    made: { version: '', node: '', onnxruntime: '', machine: '', date: '', ...made },
    provider: { requested: 'cpu', ran: [], nodes: {}, ...provider },
    notes,
    passed,
    failed: index.failed ?? cases.length - passed,
    cases,
  };
}

/** The case at an index, parsed once; undefined where the page has none. Cases follow the script: await `whole` first. */
export function readCase(index: number): ReportCase | undefined {
  const result = known.get(index) ?? normalCase(parsed(`case-${index}`));
  if (result) known.set(index, result);
  return result;
}

const known = new Map<number, ReportCase>();

/** Fulfilled when all of the file was read. */
export const whole = new Promise<void>((resolve) => {
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', () => resolve());
  else resolve();
});

function parsed(id: string): unknown {
  try {
    return JSON.parse(document.getElementById(id)?.textContent ?? 'null') as unknown;
  } catch {
    return undefined;
  }
}

function normalCase(value: unknown): ReportCase | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const result = value as Partial<ReportCase>;
  return {
    case: '',
    golden: '',
    ok: false,
    seconds: 0,
    ...result,
    outputs: (result.outputs ?? []).map(normalOutput),
    ...(result.model ? { model: normalModel(result.model) } : {}),
  };
}

const normalOutput = (output: Partial<ReportOutput>): ReportOutput =>
  ({ ...output, shape: output.shape ?? [], worst: output.worst ?? [], histograms: output.histograms ?? [], worstElements: output.worstElements ?? [] }) as ReportOutput;

const normalModel = (model: Partial<ReportModel>): ReportModel =>
  ({
    ...model,
    inputs: model.inputs ?? [],
    outputs: model.outputs ?? [],
    layers: (model.layers ?? []).map((layer) => ({ ...layer, shapes: (layer.shapes as typeof layer.shapes | undefined) ?? [] })),
    nodes: (model.nodes ?? []).map((node) => ({ ...node, inputs: arrayOr(node.inputs), outputs: arrayOr(node.outputs), attributes: arrayOr(node.attributes) })),
    values: model.values ?? {},
    producer: model.producer ?? '–',
    ...(model.passes ? { passes: model.passes.map((pass: Partial<ReportPass>) => ({ ...pass, operators: pass.operators ?? {}, doc: pass.doc ?? '–' })) } : {}),
  }) as ReportModel;

const arrayOr = <Item>(items: readonly Item[] | undefined): readonly Item[] => items ?? [];
