import type { Stage } from '../compiler/index.js';
import { tableOf } from './table.js';

/** Time and memory by stage. */
export async function profileTable(stages: readonly Stage[]): Promise<string> {
  const table = await tableOf();
  const rows = stages.map(({ stage, milliseconds, resident, peak }) => [stage, milliseconds.toFixed(1), resident.toFixed(1), peak.toFixed(1)]);
  const total = ['total', stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0).toFixed(1), '', Math.max(...stages.map(({ peak }) => peak)).toFixed(1)];
  return table(['stage', 'ms', 'resident MiB', 'peak MiB'], [...rows, total], 1);
}
