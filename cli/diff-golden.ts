/** Both sides of a diff next to a golden. */
import { quoted } from '../compiler/errors.js';
import type { CaseResult } from '../compiler/index.js';
import { figure, type TableOf } from './table.js';

export function goldenLines(golden: { readonly a: CaseResult; readonly b: CaseResult }, table: TableOf): string[] {
  const rows = (['a', 'b'] as const).flatMap((side) =>
    golden[side].outputs.flatMap((output) => (output.parts ?? [output]).map((part, i) => [i === 0 ? side : '', quoted(part.name), figure(part.maxAbs), figure(part.bound), figure(part.maxRel), part.ok ? 'ok' : 'FAILED'])),
  );
  const messages = (['a', 'b'] as const).flatMap((side) => golden[side].outputs.flatMap(({ name, message }) => (message === undefined ? [] : [`${side}, ${quoted(name)}: ${message}`])));
  return [`next to the golden ${quoted(golden.a.case)}:`, table(['', 'output', 'max abs', 'bound', 'max rel', 'ok'], rows, 2, 3), ...messages];
}
