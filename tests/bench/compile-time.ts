/**
 * `npm run bench`: wall time, CPU time and peak memory of compiling whole models, as processes, against two floors:
 * Node starting and writing as many bytes, and Node also generating as many floats. Rounds are interleaved, so that
 * ratios hold on a noisy machine. Prints a table; asserts nothing.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import Table from 'cli-table3';

const MODELS = ['yolov5n', 'yolov5s', 'yolov8n', 'yolov8x'];
const ROUNDS = Number(process.env.ROUNDS ?? 7);

interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly peak: number;
}

/** Tells what the process used, on file descriptor 3, when it ends. */
const METER = 'data:text/javascript,import{writeSync}from"node:fs";process.on("exit",()=>writeSync(3,JSON.stringify(process.resourceUsage())))';

/** Every command writes a new file: replacing one makes some file systems flush it first. */
function measure(args: readonly string[], target: string): Cost {
  rmSync(target, { force: true });
  const started = performance.now();
  const child = spawnSync(process.execPath, ['--import', METER, ...args], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const wall = performance.now() - started;
  if (child.status !== 0) throw new Error(`${args.join(' ')} ended with ${child.status ?? child.signal ?? 'nothing'}: ${child.stderr.toString()}`);
  const usage = JSON.parse(child.output[3]!.toString()) as NodeJS.ResourceUsage;
  return { wall, cpu: (usage.userCPUTime + usage.systemCPUTime) / 1000, peak: usage.maxRSS / 1024 };
}

/** Node starting and writing `bytes` bytes, in pieces of 1 MiB; `generate` fills them with float32 numbers first. */
const floorScript = (target: string, bytes: number, generate: boolean): string => `
  const fs = require('node:fs');
  const chunk = new Float32Array(1 << 18), piece = Buffer.from(chunk.buffer);
  const file = fs.openSync(${JSON.stringify(target)}, 'w');
  let x = 1;
  for (let left = ${bytes}; left > 0; left -= piece.length) {
    if (${generate}) for (let i = 0; i < chunk.length; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; chunk[i] = (x >>> 8) / 16777216 - 0.5; }
    fs.writeSync(file, left < piece.length ? piece.subarray(0, left) : piece);
  }
  fs.closeSync(file);`;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

function main(): void {
  const folder = mkdtempSync(join(tmpdir(), 'yolonnx-bench-'));
  const target = join(folder, 'model.onnx');
  const table = new Table({ head: ['model', 'MB', 'what', 'wall ms', 'CPU ms', 'peak MiB', 'wall / floor'], colAligns: ['left', 'right', 'left', 'right', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } });
  try {
    for (const model of MODELS) {
      const compile = [resolve('dist/cli/main.js'), 'compile', resolve(`fixtures/models/${model}.yaml`), '-o', target];
      measure(compile, target);
      const bytes = statSync(target).size;
      const commands = { 'floor: start, write': ['-e', floorScript(target, bytes, false)], 'floor: start, generate, write': ['-e', floorScript(target, bytes, true)], 'yolonnx compile': compile };
      const costs = Object.values(commands).map((): Cost[] => []);
      for (let round = 0; round < ROUNDS; round++) Object.values(commands).forEach((command, i) => costs[i]!.push(measure(command, target)));
      Object.keys(commands).forEach((name, i) => {
        const [wall, cpu, peak] = (['wall', 'cpu', 'peak'] as const).map((key) => median(costs[i]!.map((cost) => cost[key])));
        const ratio = median(costs[i]!.map((cost, round) => cost.wall / costs[0]![round]!.wall));
        table.push([i === 0 ? model : '', i === 0 ? (bytes / 1e6).toFixed(1) : '', name, wall!.toFixed(0), cpu!.toFixed(0), peak!.toFixed(0), ratio.toFixed(2)]);
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; medians of ${ROUNDS} interleaved rounds`);
  console.log(table.toString());
}

main();
