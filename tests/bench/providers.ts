/**
 * Latency on an execution provider, in turns with the CPU and, where a Python with it is named, with PyTorch on the same
 * device. Copies of the image to the device and of the results back are part of every time.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { compile } from '../../compiler/index.js';
import { gpu } from '../../compiler/node/machine.js';
import { findOnnxruntime, loadOnnxruntime, tf32Allowed, type Ort } from '../../compiler/node/onnxruntime.js';
import { probeProvider, type ProbedProvider } from '../../compiler/node/providers.js';
import { nodeRunner } from '../../compiler/node/runner.js';
import { machine, median, tableOf } from './measure.js';
import type { LivePeers } from './peers.js';
import { writeWeights } from './seeded-files.js';

const MODELS = ['yolov8n', 'yolov8s', 'yolov5s', 'yolov8x'];
const RECORD = resolve('fixtures/reports/providers.json');

/** Runs before anything is timed: shaders are compiled, convolution algorithms chosen. */
const WARM_UP = 3;

export interface ProviderOptions {
  readonly provider: ProbedProvider;
  readonly rounds: number;
  readonly threads: number;
  /** Height and width. */
  readonly imgsz: number;
  /** All, where none is named. */
  readonly models: readonly string[];
  readonly live: LivePeers | undefined;
  readonly record: boolean;
}

interface Row {
  readonly model: string;
  /** Medians: the provider, the CPU, PyTorch on the provider's device. */
  readonly milliseconds: number;
  readonly cpu: number;
  readonly torch?: number;
  /** The largest difference of the provider's output from the CPU's, and from PyTorch's. */
  readonly difference: number;
  readonly torchDifference?: number;
  /** How many nodes each provider ran. */
  readonly nodes: Readonly<Record<string, number>>;
}

interface RecordedProvider {
  readonly machine: string;
  readonly gpu?: string;
  readonly onnxruntime: string;
  readonly torch?: string;
  /** Of the CPU's sessions. */
  readonly threads: number;
  readonly imgsz: number;
  readonly tf32: boolean;
  readonly rows: readonly Row[];
}

interface Recorded {
  readonly what: string;
  readonly providers: Readonly<Partial<Record<ProbedProvider, RecordedProvider>>>;
}

/** Runs once and tells milliseconds; something whose turn comes in every round. */
interface Contender {
  run(): Promise<number>;
  /** What it computed last; of PyTorch from its first run. */
  output(): Float32Array;
  close(): Promise<void>;
}

export async function providerLatency(folder: string, options: ProviderOptions): Promise<string> {
  const { provider, live, threads, imgsz, record } = options;
  const state = await probeProvider(provider);
  if (!state.usable) throw new Error(`${provider} is not usable here: ${state.reason ?? 'unknown reason'}`);
  const ort = await loadOnnxruntime();
  const rows: Row[] = [];
  for (const model of options.models.length > 0 ? options.models : MODELS) rows.push(await measureModel(ort, model, folder, options));
  if (record) {
    const card = provider === 'cpu' ? undefined : await gpu();
    const torch = rows.some((row) => row.torch !== undefined) ? live?.version('torch') : undefined;
    write(provider, { machine: machine(), ...(card ? { gpu: card } : {}), onnxruntime: findOnnxruntime()!.version, ...(torch ? { torch } : {}), threads, imgsz, tf32: provider === 'cuda' && tf32Allowed(), rows });
  }
  return printed(rows, provider);
}

async function measureModel(ort: Ort, model: string, folder: string, { provider, rounds, threads, imgsz, live }: ProviderOptions): Promise<Row> {
  const yaml = `fixtures/models/${model}.yaml`;
  const [weights, output] = [join(folder, `${model}.safetensors`), join(folder, `${model}.${provider}.onnx`)];
  writeWeights('safetensors', yaml, weights);
  await compile({ model: yaml, weights, output, imgsz: [imgsz, imgsz], hash: false });
  const image = imageOf(ort, imgsz);
  const nodes = await nodesOf(output, provider, image);
  const contenders: Contender[] = [await session(ort, output, provider, threads, image)];
  if (provider !== 'cpu') contenders.push(await session(ort, output, 'cpu', threads, image));
  if (live && provider !== 'webgpu') contenders.push(await live.timing(model, folder, weights, provider, imgsz, threads));
  try {
    const times = await inTurns(contenders, rounds);
    const [own, cpu, torch] = provider === 'cpu' ? [0, 0, 1] : [0, 1, 2];
    const difference = (from: number): number => largestDifference(contenders[own]!.output(), contenders[from]!.output());
    return { model, milliseconds: times[own]!, cpu: times[cpu]!, difference: difference(cpu), nodes, ...(contenders[torch] ? { torch: times[torch]!, torchDifference: difference(torch) } : {}) };
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

const imageOf = (ort: Ort, size: number): InstanceType<Ort['Tensor']> =>
  new ort.Tensor('float32', Float32Array.from({ length: 3 * size * size }, (_, i) => ((i * 2654435761) % 4096) / 4096), [1, 3, size, size]);

async function nodesOf(file: string, provider: ProbedProvider, { data, dims }: InstanceType<Ort['Tensor']>): Promise<Readonly<Record<string, number>>> {
  const runner = nodeRunner();
  const opened = await runner.open(file, provider);
  await opened.run(new Map([[opened.inputs[0]!.name, { data: data as Float32Array, shape: dims }]]));
  const { nodes } = await opened.finish();
  await opened.close();
  runner.close();
  return nodes;
}

async function session(ort: Ort, file: string, provider: ProbedProvider, threads: number, image: InstanceType<Ort['Tensor']>): Promise<Contender> {
  const opened = await ort.InferenceSession.create(file, { executionProviders: [provider], intraOpNumThreads: threads, logSeverityLevel: 3 });
  let results: InferenceSession.OnnxValueMapType = {};
  return {
    async run() {
      const started = performance.now();
      // Results are in the CPU's memory when it resolves, so the device is done.
      results = await opened.run({ [opened.inputNames[0]!]: image });
      return performance.now() - started;
    },
    output: () => results[opened.outputNames[0]!]!.data as Float32Array,
    close: () => opened.release(),
  };
}

/** Medians. In every turn the first run is not counted: it wakes the device, and fills caches that another had. */
async function inTurns(contenders: readonly Contender[], rounds: number): Promise<readonly number[]> {
  for (const contender of contenders) for (let i = 0; i < WARM_UP; i++) await contender.run();
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let k = 0; k < contenders.length; k++) {
      const i = round % 2 === 0 ? k : contenders.length - 1 - k;
      await contenders[i]!.run();
      times[i]!.push(await contenders[i]!.run());
    }
  }
  return times.map((of) => Number(median(of).toFixed(3)));
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`outputs have ${a.length} and ${b.length} numbers`);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

function write(provider: ProbedProvider, measured: RecordedProvider): void {
  const known = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Recorded).providers : {};
  const what = 'median milliseconds of one image with the same weights: on the provider, on the CPU, and by PyTorch on the provider’s device, in turns in one run; copies to the device and back are included';
  writeFileSync(RECORD, `${JSON.stringify({ what, providers: { ...known, [provider]: measured } } satisfies Recorded, null, 1)}\n`);
}

function printed(rows: readonly Row[], provider: ProbedProvider): string {
  const [withCpu, withTorch] = [provider !== 'cpu', rows.some(({ torch }) => torch !== undefined)];
  const columns = (name: string): string[] => [`${name} ms`, 'ratio', 'difference'];
  const head = ['model', `${provider} ms`, ...(withCpu ? columns('CPU') : []), ...(withTorch ? columns('PyTorch') : []), 'nodes'];
  const lines = rows.map(({ model, milliseconds, cpu, difference, torch, torchDifference, nodes }) => {
    const against = (time: number, off: number): string[] => [time.toFixed(2), (time / milliseconds).toFixed(2), off.toExponential(1)];
    const peer = torch === undefined ? ['', '', ''] : against(torch, torchDifference!);
    const where = Object.entries(nodes).map(([name, count]) => `${count} ${name.replace('ExecutionProvider', '')}`).join(', ');
    return [model, milliseconds.toFixed(2), ...(withCpu ? against(cpu, difference) : []), ...(withTorch ? peer : []), where];
  });
  return tableOf(head, lines);
}
