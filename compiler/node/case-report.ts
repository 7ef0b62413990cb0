/** Looks closer at a case for the report page: runs its model once more, without the runtime's own optimizer. */
import { prepare } from '../compile.js';
import { Problem } from '../errors.js';
import type { Golden } from '../golden.js';
import { describeModel, type Row } from '../inspect/describe.js';
import { distribution } from '../inspect/distribution.js';
import { layersOf } from '../inspect/layers.js';
import type { FileModel } from '../inspect/model.js';
import { tappable, withTaps } from '../inspect/taps.js';
import type { Literal } from '../ir/network.js';
import type { Kernel, Provider, Runner, Statistics } from '../runner.js';
import type { ReportCase, ReportModel, ReportPass } from '../report.js';
import type { CaseResult, Examined } from '../verify.js';
import { library } from '../../ops/index.js';

export interface Inspected {
  readonly model: FileModel;
  /** Its path, where it was given. */
  readonly path?: string;
  readonly bytes: number;
  readonly passes?: readonly ReportPass[];
}

/** A case that could not run. */
export const failedCase = (result: CaseResult): ReportCase => ({ ...result, outputs: [] });

/** `result`: the case's own, to which others may have added. */
export async function caseReport(examined: Examined, result: CaseResult, inspected: Inspected, runner: Runner, provider: Provider): Promise<ReportCase> {
  const outputs = result.outputs.map((output, i) => ({ ...output, ...distribution(examined.pairs[i]!) }));
  const model = await modelReport(examined, inspected, runner, provider);
  return { ...result, outputs, ...(model ? { model } : {}) };
}

/** undefined where the model does not run with more outputs. */
async function modelReport({ golden, file, feeds, ran }: Examined, { model, path, bytes, passes }: Inspected, runner: Runner, provider: Provider): Promise<ReportModel | undefined> {
  const taps = new Set(tappable(model));
  const results = layersOf(model).flatMap((layer) => layer.results);
  try {
    const { statistics, kernels } = await surveyed(() => runner.open(withTaps(file, results.filter((name) => taps.has(name))), provider, { optimization: 'disabled' }), feeds, results);
    const rows = await rowsOf(golden);
    return {
      ...(path === undefined ? {} : { file: path }),
      bytes,
      ...describeModel({ model, ran, plain: kernels, statistics, rows, inputs: new Map([...feeds].map(([name, { shape }]) => [name, shape])) }),
      ...(passes ? { passes } : {}),
    };
  } catch (error) {
    if (!(error instanceof Problem) || error.code === 'aborted' || error.code === 'internal') throw error;
    return undefined;
  }
}

async function surveyed(open: () => ReturnType<Runner['open']>, feeds: Examined['feeds'], names: readonly string[]): Promise<{ statistics: ReadonlyMap<string, Statistics>; kernels: readonly Kernel[] }> {
  const session = await open();
  try {
    const statistics = await session.survey(feeds, names);
    return { statistics, kernels: (await session.finish()).kernels };
  } finally {
    await session.close();
  }
}

/** The rows of the golden's yaml, where it is one that this compiler knows. */
async function rowsOf(golden: Golden): Promise<readonly Row[]> {
  if (golden.kind === 'module') return [{ index: 0, from: -1, module: golden.module, args: argsText(golden.args) }];
  try {
    const { network } = await prepare({ file: golden.yamlFile, text: golden.yaml }, { imgsz: golden.imgsz, batch: golden.batch, ...(golden.scale === undefined ? {} : { scale: golden.scale }) }, library);
    return network.layers.map(({ index, fromList, from, module, printed }) => ({ index, from: fromList ? from : from[0]!, module, args: argsText(printed) }));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [];
  }
}

/** As Python prints a list. */
const argsText = (args: readonly Literal[]): string => `[${args.map(argText).join(', ')}]`;

function argText(value: Literal): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'number' ? String(value) : argsText(value);
}
