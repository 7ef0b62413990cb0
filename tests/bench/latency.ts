/** Latency in onnxruntime on the CPU, in interleaved pairs against a simplifier's graph with the same weights. */
import { join } from 'node:path';
import { writeFileSync, readFileSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { compile, type CompileOptions } from '../../compiler/index.js';
import { loadOnnxruntime } from '../../compiler/node/onnxruntime.js';
import { machine, median, tableOf } from './measure.js';
import type { LivePeers } from './peers.js';
import { writeWeights } from './seeded-files.js';

/** What a simplifier does, and no rewrite: stands for the others where they are not there. */
const SIMPLIFIED = ['fold-batch-norm', 'fold-constants', 'collapse-chains', 'share-nodes', 'drop-dead'];

type Variant = Pick<CompileOptions, 'passes' | 'target'>;

const usual: Readonly<Record<string, Variant>> = { 'default': {}, '--target ort': { target: 'ort' } };
const withWinograd: Readonly<Record<string, Variant>> = { ...usual, '--target ort --passes +winograd': { target: 'ort', passes: ['+winograd'] } };
const alone = (pass: string): Variant => ({ passes: [...SIMPLIFIED, pass] });

const subjects: readonly (readonly [model: string, variants: Readonly<Record<string, Variant>>])[] = [
  ['yolov8n', { ...usual, 'softmax-last alone': alone('softmax-last'), 'upsample-later alone': alone('upsample-later'), 'split-convs alone': alone('split-convs'), 'distribute-convs alone': alone('distribute-convs') }],
  ['yolov8s', withWinograd],
  ['yolov5s', withWinograd],
  ['yolov8x', withWinograd],
];

/** Ratios of medians: wall and CPU time over the baseline's. */
interface Ratio {
  readonly model: string;
  readonly variant: string;
  readonly milliseconds: number;
  readonly wall: number;
  readonly cpu: number;
  /** The largest difference of the outputs. */
  readonly difference: number;
}

const RECORD = resolve('fixtures/reports/latency.json');

interface Recorded {
  readonly what: string;
  readonly machine: string;
  readonly threads: number;
  readonly rows: readonly Ratio[];
}

export async function latency(folder: string, rounds: number, threads: number, live: LivePeers | undefined, record: boolean): Promise<string> {
  const ratios: Ratio[] = [];
  for (const [model, variants] of subjects) {
    const weights = join(folder, `${model}.safetensors`);
    writeWeights('safetensors', `fixtures/models/${model}.yaml`, weights);
    const compiled = async (name: string, variant: Variant): Promise<string> => {
      const output = join(folder, `${model}.${name}.onnx`);
      await compile({ model: `fixtures/models/${model}.yaml`, weights, output, hash: false, ...variant });
      return output;
    };
    const files = [live ? live.export(model, folder, weights) : await compiled('simplified', { passes: SIMPLIFIED })];
    for (const [name, variant] of Object.entries(variants)) files.push(await compiled(String(Object.keys(variants).indexOf(name)), variant));
    const measured = await inPairs(files, model === 'yolov8x' ? Math.min(rounds, 5) : rounds, threads);
    Object.keys(variants).forEach((variant, i) => ratios.push({ model, variant, ...measured[i]! }));
  }
  if (record && live) writeFileSync(RECORD, `${JSON.stringify({ what: 'ratio of medians to the slimmed export of PyTorch with the same weights, interleaved pairs in one run', machine: machine(), threads, rows: ratios } satisfies Recorded, null, 1)}\n`);
  return printed(ratios, live !== undefined);
}

function printed(ratios: readonly Ratio[], live: boolean): string {
  const known = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Recorded) : undefined;
  const rows = ratios.map(({ model, variant, milliseconds, wall, cpu, difference }) => {
    const then = known?.rows.find((row) => row.model === model && row.variant === variant);
    return [`${model} ${variant}`, milliseconds.toFixed(1), wall.toFixed(3), cpu.toFixed(3), difference.toExponential(1), ...(live ? [] : [then ? `${then.wall.toFixed(3)} / ${then.cpu.toFixed(3)}` : ''])];
  });
  const note = live ? 'Against the slimmed export of PyTorch.' : `Against our own graph without rewrites; the last column is recorded, against the slimmed export of PyTorch (${known?.machine ?? 'nothing is recorded'}).`;
  return `${note}\n${tableOf(['model', 'ms', 'wall ratio', 'CPU ratio', 'difference', ...(live ? [] : ['recorded wall / CPU'])], rows)}`;
}

/** Sessions of all files, run in turn; the first is the baseline. */
async function inPairs(files: readonly string[], rounds: number, threads: number): Promise<readonly Omit<Ratio, 'model' | 'variant'>[]> {
  const ort = await loadOnnxruntime();
  const sessions: InferenceSession[] = [];
  for (const file of files) sessions.push(await ort.InferenceSession.create(file, { executionProviders: ['cpu'], intraOpNumThreads: threads, logSeverityLevel: 3 }));
  const image = new ort.Tensor('float32', Float32Array.from({ length: 3 * 640 * 640 }, (_, i) => ((i * 2654435761) % 4096) / 4096), [1, 3, 640, 640]);
  const wall = files.map((): number[] => []);
  const cpu = files.map((): number[] => []);
  const results: Float32Array[] = files.map(() => new Float32Array(0));
  for (let round = -1; round < rounds; round++) {
    for (let k = 0; k < sessions.length; k++) {
      // Every other round goes backwards: no file is always the first.
      const i = round % 2 === 0 ? k : sessions.length - 1 - k;
      const session = sessions[i]!;
      const [used, started] = [process.cpuUsage(), performance.now()];
      const outputs = await session.run({ [session.inputNames[0]!]: image });
      const [time, after] = [performance.now() - started, process.cpuUsage(used)];
      if (round < 0) {
        results[i] = outputs[session.outputNames[0]!]!.data as Float32Array;
        continue;
      }
      wall[i]!.push(time);
      cpu[i]!.push((after.user + after.system) / 1000);
    }
  }
  for (const session of sessions) await session.release();
  return files.slice(1).map((_, i) => ({
    milliseconds: median(wall[i + 1]!),
    wall: median(wall[i + 1]!) / median(wall[0]!),
    cpu: median(cpu[i + 1]!) / median(cpu[0]!),
    difference: results[0]!.reduce((most, value, j) => Math.max(most, Math.abs(value - results[i + 1]![j]!)), 0),
  }));
}
