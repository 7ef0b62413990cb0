/** How compile time grows with the rows of a yaml. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compiling } from './compile-cost.js';
import { inTurn, medianOf, tableOf } from './measure.js';

const COUNTS = [10, 100, 1_000, 10_000];

/** Three strided rows to P5, rows that keep the size, and a head. */
const yamlOf = (rows: number): string =>
  [
    'nc: 4',
    'backbone:',
    ...[8, 16, 16, 16, 16].map((channels) => `  - [-1, 1, Conv, [${channels}, 3, 2]]`),
    ...Array.from({ length: rows - 6 }, (_, i) => `  - [-1, 1, ${i % 10 === 9 ? 'C2f, [16, True]' : 'Conv, [16, 1, 1]'}]`),
    'head:',
    `  - [[2, 3, ${rows - 2}], 1, Detect, [nc]]`,
    '',
  ].join('\n');

export function growth(folder: string, rounds: number): string {
  const target = join(folder, 'rows.onnx');
  const commands = COUNTS.map((count): [string, ReturnType<typeof compiling>] => {
    const yaml = join(folder, `rows-${count}.yaml`);
    writeFileSync(yaml, yamlOf(count));
    return [String(count), compiling(yaml, target, '--imgsz', '64')];
  });
  const costs = inTurn(Object.fromEntries(commands), target, Math.min(rounds, 5));
  const first = medianOf(costs[String(COUNTS[0])]!, 'cpu');
  const rows = COUNTS.map((count) => {
    const [wall, cpu, peak] = (['wall', 'cpu', 'peak'] as const).map((what) => medianOf(costs[String(count)]!, what)) as [number, number, number];
    return [count, wall.toFixed(0), cpu.toFixed(0), peak.toFixed(0), count === COUNTS[0] ? '' : ((1000 * (cpu - first)) / (count - COUNTS[0]!)).toFixed(0)];
  });
  return tableOf(['rows', 'wall ms', 'CPU ms', 'peak MiB', 'CPU µs a row beyond the first ten'], rows);
}
