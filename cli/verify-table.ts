/** A verify report as people read it: one row for every output, or part of one, of every case. */
import type { Differences, OutputResult } from '../compiler/compare.js';
import { printable, quoted } from '../compiler/errors.js';
import { describeOrigin } from '../compiler/inspect/origin.js';
import { describeFallBacks, type ProviderReport } from '../compiler/provider-report.js';
import type { CaseResult, VerifyReport } from '../compiler/verify.js';
import { figure, tableOf } from './table.js';

export async function verifyTable({ provider, cases, passed, failed }: VerifyReport): Promise<string> {
  const table = await tableOf();
  const fellBack = describeFallBacks(provider);
  return printable([
    providerLine(provider),
    ...(fellBack === undefined ? [] : [`${provider.required ? 'FAILED: ' : ''}${fellBack}`]),
    table(['case', 'output', 'max abs', 'bound', 'max rel', 'cosine', 'ok'], cases.flatMap(rowsOf), 2, 4),
    ...cases.flatMap(remarks),
    `${passed} passed, ${failed} failed`,
  ].join('\n'));
}

function providerLine({ requested, nodes, copies, tf32 }: ProviderReport): string {
  const ran = Object.entries(nodes).map(([provider, count]) => `${provider} ${count}`).join(', ');
  const copied = copies === undefined ? '' : `; ${copies} copies between devices`;
  return `provider: ${requested} requested, nodes ran on ${ran === '' ? 'none' : ran}${copied}${tf32 === undefined ? '' : `, TF32 ${tf32 ? 'on' : 'off'}`}`;
}

function rowsOf(result: CaseResult): string[][] {
  if (result.error) return [[quoted(result.case), '', '', '', '', '', `FAILED: ${result.error.code}`]];
  const rows = result.outputs.flatMap((output) =>
    (output.parts ?? [output]).map((part, i) => [quoted(part.name), ...numbers(part), i === 0 ? cosine(output.cosine) : '', part.ok ? 'ok' : 'FAILED']),
  );
  return rows.map((row, i) => [i === 0 ? quoted(result.case) : '', ...row]);
}

const numbers = ({ maxAbs, bound, maxRel }: Differences): string[] => [maxAbs, bound, maxRel].map(figure);

function cosine(value: number): string {
  return value.toFixed(9);
}

/** What a failed row cannot say. */
function remarks({ case: full, outputs, origin }: CaseResult): string[] {
  const name = quoted(full);
  const found = origin ? [`${name}: ${describeOrigin(origin)}`] : [];
  const failed = outputs.filter(({ ok }) => !ok).flatMap((output: OutputResult) => {
    const where = `${name}, ${quoted(output.name)}`;
    if (output.message !== undefined) return [`${where}: ${output.message}`];
    const lost = output.notFinite ? `, ${output.notFinite} numbers are NaN or infinite` : '';
    return (output.parts ?? [output]).filter(({ ok }) => !ok).map(({ name: part, worst }) => `${name}, ${quoted(part)}: largest difference at [${worst.join(', ')}]${lost}`);
  });
  return [...failed, ...found];
}
