/** The table of all cases. */
import type { VNode } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { CaseSummary, WorstPart } from './data.js';
import { DASH, count, number, seconds } from './format.js';
import { Verdict } from './header.js';
import { Name } from './name.js';
import { caseHash } from './route.js';
import { Table, type Column } from './table.js';

interface Row extends CaseSummary {
  readonly index: number;
}

const columns: readonly Column<Row>[] = [
  { title: 'Case', head: true, by: (row) => row.case, cell: (row) => <a href={caseHash(row.index)}><Name text={row.case || '(no name)'} /></a> },
  { title: 'Verdict', by: (row) => Number(row.ok), cell: (row) => <Verdict ok={row.ok} /> },
  { title: 'Difference / bound', numeric: true, by: ({ worst }) => worst && (worst.ratio ?? Infinity), cell: ({ worst }) => <Ratio worst={worst} /> },
  { title: 'Worst part, or error', by: ({ worst, error }) => worst?.name ?? error?.code, cell: ({ worst, error }) => (error ? <code>{error.code}</code> : worst ? <Name text={worst.name} limit={48} /> : DASH) },
  { title: 'Outputs', numeric: true, by: (row) => row.outputs, cell: (row) => count(row.outputs) },
  { title: 'Compile', numeric: true, by: (row) => row.timings?.compile, cell: (row) => seconds(row.timings?.compile) },
  { title: 'Load', numeric: true, by: (row) => row.timings?.load, cell: (row) => seconds(row.timings?.load) },
  { title: 'First run', numeric: true, by: (row) => row.timings?.run ?? row.seconds, cell: (row) => seconds(row.timings?.run ?? row.seconds) },
];

/** Hidden while a case is open, so that its filter and order are still there afterwards. */
export function CaseList({ cases, open }: { readonly cases: readonly CaseSummary[]; readonly open: number | undefined }): VNode {
  const [failedOnly, setFailedOnly] = useState(false);
  const section = useRef<HTMLElement>(null);
  const last = useRef<number>(undefined);
  useLayoutEffect(() => {
    if (open !== undefined) last.current = open;
    // Back from a case: go on from its row.
    else if (last.current !== undefined) section.current?.querySelector<HTMLElement>(`a[href="${caseHash(last.current)}"]`)?.focus();
  }, [open]);
  const rows = useMemo(() => cases.map((summary, index): Row => ({ ...summary, index })).filter(({ ok }) => !failedOnly || !ok), [cases, failedOnly]);
  return (
    <section class="card" aria-labelledby="cases-title" hidden={open !== undefined} ref={section}>
      <h2 id="cases-title">Cases</h2>
      <Table
        caption="Cases"
        columns={columns}
        rows={rows}
        filter={(row) => `${row.case} ${row.golden} ${row.ok ? 'passed' : 'failed'} ${row.worst?.name ?? ''} ${row.error?.code ?? ''} ${row.error?.message ?? ''}`}
        rowClass={({ ok }) => (ok ? '' : 'bad-row')}
        empty={failedOnly ? 'No case failed.' : 'The report has no cases.'}
        controls={<label class="check"><input type="checkbox" checked={failedOnly} onChange={({ currentTarget }) => setFailedOnly(currentTarget.checked)} /> Failed only</label>}
      />
    </section>
  );
}

export function Ratio({ worst }: { readonly worst: WorstPart | undefined }): VNode {
  if (!worst) return <>{DASH}</>;
  const { ratio } = worst;
  return <span class={ratio === null || ratio > 1 ? 'bad-text' : undefined}>{ratio === null ? 'not finite' : number(ratio)}</span>;
}
