/** What compiling costs: against Node starting, generating as many floats and writing them, and against the other tools. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inTurn, measure, medianOf, node, tableOf, type Command, type Cost } from './measure.js';
import { recorded, type LivePeers } from './peers.js';
import { writeWeights } from './seeded-files.js';

const MODELS = ['yolov5n', 'yolov5s', 'yolov8n', 'yolov8x'];

export const compiling = (model: string, target: string, ...more: string[]): Command => node(resolve('dist/cli/main.js'), 'compile', model, '-q', '-o', target, ...more);

/** Fills pieces of 1 MiB with float32 numbers and writes them. */
const floor = (target: string, bytes: number): Command =>
  node(
    '-e',
    `const fs = require('node:fs');
  const chunk = new Float32Array(1 << 18), piece = Buffer.from(chunk.buffer);
  const file = fs.openSync(${JSON.stringify(target)}, 'w');
  let x = 1;
  for (let left = ${bytes}; left > 0; left -= piece.length) {
    for (let i = 0; i < chunk.length; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; chunk[i] = (x >>> 8) / 16777216 - 0.5; }
    fs.writeSync(file, left < piece.length ? piece.subarray(0, left) : piece);
  }
  fs.closeSync(file);`,
  );

export function compileCost(folder: string, rounds: number, live: LivePeers | undefined): string {
  const target = join(folder, 'model.onnx');
  const rows: (string | number)[][] = [];
  for (const model of MODELS) {
    const yaml = resolve(`fixtures/models/${model}.yaml`);
    measure(compiling(yaml, target), target);
    const { size } = statSync(target);
    const commands: Record<string, Command> = { floor: floor(target, size), yolonnx: compiling(yaml, target) };
    if (model === 'yolov8x') {
      const checkpoint = join(folder, `${model}.pt`);
      writeWeights('pt', yaml, checkpoint);
      commands['yolonnx, from a checkpoint'] = compiling(yaml, target, '--weights', checkpoint);
    }
    const costs = inTurn(commands, target, rounds);
    const floors = costs.floor!;
    for (const [name, own] of Object.entries(costs)) rows.push(rowOf(name === 'floor' ? `${model}, ${(size / 1e6).toFixed(1)} MB` : '', name, own, floors));
    if (live) rows.push(rowOf('', 'export + onnxslim', inTurn({ peer: live.exporting(model, folder) }, join(folder, 'peer.onnx'), Math.min(rounds, 3)).peer!, floors));
    else {
      const peer = recorded().process?.[model];
      if (peer) rows.push(rowOf('', 'export + onnxslim (recorded)', [peer], floors));
    }
  }
  return tableOf(['model', 'what', 'wall ms', 'CPU ms', 'peak MiB', 'wall / floor'], rows);
}

function rowOf(model: string, name: string, costs: readonly Cost[], floors: readonly Cost[]): (string | number)[] {
  const [wall, cpu, peak] = (['wall', 'cpu', 'peak'] as const).map((what) => medianOf(costs, what)) as [number, number, number];
  return [model, name, wall.toFixed(0), cpu.toFixed(0), peak.toFixed(0), (wall / medianOf(floors, 'wall')).toFixed(2)];
}
