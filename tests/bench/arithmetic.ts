/**
 * How far other arithmetics are from PyTorch on the goldens: what the bounds of compiler/golden-bounds.ts are chosen
 * from. There is no CUDA in it: WebGPU stands for another implementation of float32, TF32 is computed on the CPU.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { OutputResult, PartResult } from '../../compiler/compare.js';
import { boundOf, divide, type Arithmetic, type Meaning } from '../../compiler/golden-bounds.js';
import { parseGolden, type Golden } from '../../compiler/golden.js';
import { fileSource } from '../../compiler/node/files.js';
import { findGoldens } from '../../compiler/node/goldens.js';
import { compileGolden, type GoldenOptions } from '../../compiler/node/compile-golden.js';
import { findOnnxruntime } from '../../compiler/node/onnxruntime.js';
import { probeProvider } from '../../compiler/node/providers.js';
import { nodeRunner } from '../../compiler/node/runner.js';
import type { Runner } from '../../compiler/runner.js';
import { verifyGolden } from '../../compiler/verify.js';
import type { ByteSource } from '../../compiler/io.js';
import { machine, median, tableOf } from './measure.js';
import { roundedToTf32 } from './tf32.js';

const GOLDENS = ['fixtures/goldens'];
const RECORD = resolve('fixtures/reports/arithmetic.json');

/** More times its bound than this, and it is no rounding: a kernel computes something else. */
const WRONG = 100;

type Measured = 'float32' | 'webgpu-float32' | 'tf32-simulated' | 'float16';
type Numbers = Exclude<Meaning, 'class'>;

interface Way {
  /** For the record. */
  readonly how: string;
  /** Whose bounds it is held against. */
  readonly arithmetic: Arithmetic;
  readonly provider: 'cpu' | 'webgpu';
  readonly graphOptimizationLevel: 'disabled' | 'all';
  readonly model: (golden: Golden, source: ByteSource) => Promise<Uint8Array>;
}

const ways: Readonly<Record<Measured, Way>> = {
  'float32': { how: 'on the CPU', arithmetic: 'float32', provider: 'cpu', graphOptimizationLevel: 'all', model: (golden, source) => compiled(golden, source) },
  'webgpu-float32': { how: "onnxruntime's WebGPU provider, nodes without a kernel there on the CPU", arithmetic: 'gpu-float32', provider: 'webgpu', graphOptimizationLevel: 'all', model: (golden, source) => compiled(golden, source) },
  'tf32-simulated': {
    how: 'on the CPU: the factors of every convolution and matrix product rounded to 11 significant bits, products summed in float32; without the optimizer of onnxruntime',
    arithmetic: 'cuda-tf32',
    provider: 'cpu',
    graphOptimizationLevel: 'disabled',
    model: async (golden, source) => roundedToTf32(await compiled(golden, source)),
  },
  'float16': { how: 'compiled with --half, on the CPU', arithmetic: 'float16', provider: 'cpu', graphOptimizationLevel: 'all', model: (golden, source) => compiled(golden, source, { half: 'compute' }) },
};

/** One part of one output of one golden. */
interface Row {
  readonly case: string;
  readonly meaning: Numbers;
  /** As the bounds are stated: absolute for pixels and probabilities, else relative to max(1, max|wanted|). */
  readonly error: number;
  /** Its share of the bound it is held against, and how many times float32's bound it is. */
  readonly share: number;
  readonly times: number;
}

interface Measurement {
  readonly rows: readonly Row[];
  /** Cases out of their bounds or without a result, and how many times the bound. */
  readonly failures: readonly { readonly case: string; readonly why: string }[];
  /** Nodes that the CPU ran in the provider's place, by operator. */
  readonly onCpu: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly slowest: { readonly case: string; readonly seconds: number };
}

interface Summary {
  readonly cases: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** The case of the largest error. */
  readonly worst: string;
  readonly shareOfBound: number;
  readonly timesFloat32Bound: number;
}

/** What a way measured, and on what. */
interface RecordedWay extends Omit<Measurement, 'rows'> {
  readonly how: string;
  readonly machine: string;
  readonly onnxruntime: string;
  readonly vulkan?: string;
  /** Whose bounds it is held against. */
  readonly bounds: Arithmetic;
  readonly parts: Readonly<Partial<Record<Numbers, Summary>>>;
}

interface Recorded {
  readonly what: string;
  readonly arithmetics: Readonly<Partial<Record<Measured, RecordedWay>>>;
}

/** A table of every arithmetic: measured here, or as recorded where there is no WebGPU. */
export async function arithmetic(record: boolean): Promise<string> {
  const webgpu = await probeProvider('webgpu');
  const found: Partial<Record<Measured, RecordedWay>> = {};
  for (const [name, way] of Object.entries(ways) as [Measured, Way][]) {
    if (way.provider !== 'webgpu' || webgpu.usable) found[name] = await recordOf(way);
    else if (recordedNow()?.arithmetics[name]) found[name] = recordedNow()!.arithmetics[name]!;
  }
  const what = `the largest error of each golden against PyTorch's float64: pixels and probabilities absolute, features and coefficients relative to max(1, max|wanted|). Errors of more than ${WRONG} bounds are faults of a kernel: they are among the failures, and not in the parts`;
  const recorded: Recorded = { what, arithmetics: found };
  if (record) writeFileSync(RECORD, `${JSON.stringify(recorded, null, 1)}\n`);
  const note = webgpu.usable ? '' : `WebGPU is not usable here (${webgpu.reason ?? 'unknown reason'}): its figures are the recorded ones.\n`;
  return note + printed(recorded);
}

async function recordOf(way: Way): Promise<RecordedWay> {
  const { rows, ...rest } = await measureGoldens(way, GOLDENS);
  const vulkan = way.provider === 'webgpu' ? { vulkan: vulkanDevice() ?? 'unknown' } : {};
  return { how: way.how, machine: machine(), onnxruntime: findOnnxruntime()!.version, ...vulkan, bounds: way.arithmetic, ...rest, seconds: rounded(rest.seconds), parts: summarize(rows) };
}

const recordedNow = (): Recorded | undefined => (existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Recorded) : undefined);

/** Runs every golden in one arithmetic. */
async function measureGoldens(way: Way, goldens: readonly string[]): Promise<Measurement> {
  const rows: Row[] = [];
  const failures: { case: string; why: string }[] = [];
  const onCpu: Record<string, number> = {};
  let [total, slowest] = [0, { case: '', seconds: 0 }];
  const runner = nodeRunner({ graphOptimizationLevel: way.graphOptimizationLevel });
  for (const file of findGoldens(goldens)) {
    const source = fileSource(file);
    const golden = parseGolden(source);
    try {
      const { outputs, seconds } = await run(runner, way, golden, await way.model(golden, source), onCpu);
      const made = outputs.flatMap((output) => rowsOf(golden, output, way.arithmetic));
      rows.push(...made);
      const share = Math.max(...made.map((row) => row.share));
      if (!(share <= 1)) failures.push({ case: golden.case, why: `${share.toPrecision(3)} times its bound` });
      total += seconds;
      if (seconds > slowest.seconds) slowest = { case: golden.case, seconds: rounded(seconds) };
    } catch (error) {
      failures.push({ case: golden.case, why: (error as Error).message });
    } finally {
      source.close();
    }
  }
  runner.close();
  return { rows, failures, onCpu, seconds: total, slowest };
}

async function run(runner: Runner, { provider }: Way, golden: Golden, model: Uint8Array, onCpu: Record<string, number>): Promise<{ outputs: readonly OutputResult[]; seconds: number }> {
  const { result, ran } = await verifyGolden(golden, model, runner, { provider });
  for (const { op } of ran.fellBack) onCpu[op] = (onCpu[op] ?? 0) + 1;
  return result;
}

async function compiled(golden: Golden, source: ByteSource, options: GoldenOptions = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await compileGolden(golden, source, { write: (bytes) => void parts.push(bytes.slice()) }, options);
  return Buffer.concat(parts);
}

function rowsOf(golden: Golden, output: OutputResult, arithmetic: Arithmetic): Row[] {
  const { parts } = divide(golden, golden.outputs.find(({ name }) => name === output.name)!);
  const results: readonly Pick<PartResult, 'maxAbs' | 'maxRel'>[] = output.parts ?? [output];
  return parts.flatMap((part, i) => {
    const { maxAbs, maxRel } = results[i]!;
    const meaning = part.meaning;
    if (meaning === 'class') return [];
    const largest = maxRel === 0 ? 0 : maxAbs / maxRel;
    const scale = meaning === 'features' || meaning === 'coefficients' ? Math.max(1, largest) : 1;
    const against = (whose: Arithmetic): number => maxAbs / boundOf(part, largest, whose, {});
    return [{ case: golden.case, meaning, error: maxAbs / scale, share: against(arithmetic), times: against('float32') }];
  });
}

function summarize(rows: readonly Row[]): Partial<Record<Numbers, Summary>> {
  const meanings: readonly Numbers[] = ['pixels', 'probability', 'features', 'coefficients'];
  return Object.fromEntries(
    meanings.flatMap((meaning) => {
      const sorted = rows.filter(({ meaning: of, share }) => of === meaning && share <= WRONG).sort((a, b) => a.error - b.error);
      const worst = sorted.at(-1);
      if (!worst) return [];
      const most = (what: 'share' | 'times'): number => rounded(Math.max(...sorted.map((row) => row[what])));
      const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
      return [[meaning, { cases: sorted.length, median: rounded(median(sorted.map(({ error }) => error))), p99: rounded(p99.error), max: rounded(worst.error), worst: worst.case, shareOfBound: most('share'), timesFloat32Bound: most('times') }]];
    }),
  );
}

const rounded = (value: number): number => Number(value.toPrecision(3));

/** The GPU, or the software in its place, where the tool that tells it is there. */
function vulkanDevice(): string | undefined {
  const { stdout } = spawnSync('vulkaninfo', ['--summary'], { encoding: 'utf8' });
  const about = (key: string): string | undefined => new RegExp(`^\\s*${key}\\s*= (.+)$`, 'm').exec(stdout)?.[1];
  const name = about('deviceName');
  return name === undefined ? undefined : `${name}, Vulkan ${about('apiVersion') ?? 'unknown'}`;
}

function printed({ arithmetics }: Recorded): string {
  const head = ['arithmetic, part', 'cases', 'median', 'p99', 'max', 'of its bound', 'of float32’s', 'worst case'];
  const rows = Object.entries(arithmetics).flatMap(([name, { parts }]) =>
    Object.entries(parts).map(([meaning, { cases, median: middle, p99, max, shareOfBound, timesFloat32Bound, worst }]) => [`${name} ${meaning}`, cases, ...[middle, p99, max].map((value) => value.toExponential(1)), `${(100 * shareOfBound).toFixed(0)} %`, `${timesFloat32Bound.toPrecision(2)} x`, worst]),
  );
  const failures = Object.entries(arithmetics).flatMap(([name, way]) => way.failures.map((failure) => `${name} ${failure.case}: ${failure.why}`));
  return [tableOf(head, rows), ...failures].join('\n');
}
