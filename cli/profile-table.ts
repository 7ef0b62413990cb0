import type { Stage } from '../compiler/index.js';

/** Time and memory by stage. */
export async function profileTable(stages: readonly Stage[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const rows = new Table({ head: ['stage', 'ms', 'resident MiB', 'peak MiB'], colAligns: ['left', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } });
  for (const { stage, milliseconds, resident, peak } of stages) rows.push([stage, milliseconds.toFixed(1), resident.toFixed(1), peak.toFixed(1)]);
  rows.push(['total', stages.reduce((sum, { milliseconds }) => sum + milliseconds, 0).toFixed(1), '', Math.max(...stages.map(({ peak }) => peak)).toFixed(1)]);
  return rows.toString();
}
