/** How near a case's outputs come to the golden's, or why it could not run. */
import type { VNode } from 'preact';
import { describeOrigin } from '../../compiler/inspect/origin.js';
import type { Element, Num, ReportCase, ReportOutput } from './data.js';
import { Ratio } from './case-list.js';
import { count, difference, number, shape } from './format.js';
import { Verdict } from './header.js';
import { HistogramChart } from './histogram.js';
import { Name } from './name.js';
import { Table, type Column } from './table.js';

export function Parity({ result }: { readonly result: ReportCase }): VNode {
  return (
    <>
      {result.error && <Failure error={result.error} />}
      {result.origin && <p class="notice" role="note"><Name text={sentence(describeOrigin(result.origin))} limit={4000} /></p>}
      {result.outputs.length > 0 && <Outputs outputs={result.outputs} />}
      {result.outputs.map((output, i) => <OutputCard key={i} output={output} />)}
      {!result.error && result.outputs.length === 0 && <p class="notice">The case has no outputs to compare.</p>}
    </>
  );
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function Failure({ error: { code, message, help } }: { readonly error: NonNullable<ReportCase['error']> }): VNode {
  return (
    <section class="card failure" aria-labelledby="error-title">
      <h3 id="error-title">The case could not be run <code>{code}</code></h3>
      <p class="text"><Name text={message} limit={4000} /></p>
      {help !== undefined && <p class="text"><b>Help:</b> <Name text={help} limit={4000} /></p>}
    </section>
  );
}

/** An output, or a part of one. */
interface Line {
  readonly name: string;
  readonly shape?: readonly number[];
  readonly part: boolean;
  readonly maxAbs: Num;
  readonly bound: number;
  readonly maxRel: Num;
  readonly cosine?: Num;
  readonly ok: boolean;
  readonly worst: readonly number[];
}

const linesOf = (output: ReportOutput): Line[] => [{ ...output, part: false }, ...(output.parts ?? []).map((part): Line => ({ ...part, part: true }))];

const ratioOf = ({ maxAbs, bound }: Line): number | null => {
  if (maxAbs === 0) return 0;
  const ratio = (maxAbs ?? Infinity) / bound;
  return Number.isFinite(ratio) ? ratio : null;
};

const columns: readonly Column<Line>[] = [
  { title: 'Output', head: true, by: (line) => line.name, cell: (line) => <span class={line.part ? 'part' : undefined}><Name text={line.name} /></span> },
  { title: 'Verdict', by: (line) => Number(line.ok), cell: (line) => <Verdict ok={line.ok} /> },
  { title: 'Max. difference', numeric: true, by: (line) => line.maxAbs ?? Infinity, cell: (line) => difference(line.maxAbs) },
  { title: 'Bound', numeric: true, by: (line) => line.bound, cell: (line) => number(line.bound) },
  { title: 'Difference / bound', numeric: true, by: (line) => ratioOf(line) ?? Infinity, cell: (line) => <Ratio worst={{ name: line.name, ratio: ratioOf(line) }} /> },
  { title: 'Max. relative', numeric: true, by: (line) => line.maxRel ?? Infinity, cell: (line) => difference(line.maxRel) },
  { title: 'Cosine', numeric: true, by: (line) => line.cosine, cell: (line) => number(line.cosine, 8) },
  { title: 'Worst at', cell: (line) => <code>[{line.worst.join(', ')}]</code> },
  { title: 'Shape', cell: (line) => <code>{shape(line.shape)}</code> },
];

function Outputs({ outputs }: { readonly outputs: readonly ReportOutput[] }): VNode {
  return (
    <section class="card" aria-labelledby="outputs-title">
      <h3 id="outputs-title">Outputs</h3>
      <Table caption="Outputs and their parts" columns={columns} rows={outputs.flatMap(linesOf)} rowClass={({ ok }) => (ok ? '' : 'bad-row')} />
    </section>
  );
}

const elementColumns: readonly Column<Element>[] = [
  { title: 'Part', head: true, by: (element) => element.part, cell: (element) => <Name text={element.part} /> },
  { title: 'Index', cell: (element) => <code>[{element.index.join(', ')}]</code> },
  { title: 'Wanted', numeric: true, by: (element) => element.wanted, cell: (element) => number(element.wanted, 8) },
  { title: 'Got', numeric: true, by: (element) => element.got, cell: (element) => (element.got === null ? 'not finite' : number(element.got, 8)) },
  { title: 'Difference', numeric: true, by: (element) => element.difference ?? Infinity, cell: (element) => difference(element.difference) },
  { title: 'Bound', numeric: true, by: (element) => element.bound, cell: (element) => number(element.bound) },
];

function OutputCard({ output }: { readonly output: ReportOutput }): VNode | null {
  const { name, message, notFinite, histograms, worstElements } = output;
  if (message === undefined && histograms.length === 0 && worstElements.length === 0) return null;
  return (
    <section class="card" aria-label={`Output ${name}`}>
      <h3><Name text={name} /></h3>
      {message !== undefined && <p class="text bad-text"><Name text={message} limit={2000} /></p>}
      {notFinite !== undefined && notFinite > 0 && <p class="bad-text">{count(notFinite)} numbers are NaN or infinite.</p>}
      <div class="charts">{histograms.map((histogram, i) => <HistogramChart key={i} histogram={histogram} />)}</div>
      {worstElements.length > 0 && (
        <>
          <h4>Worst elements</h4>
          <Table caption={`Worst elements of ${name.slice(0, 100)}`} columns={elementColumns} rows={worstElements} rowClass={({ difference: far, bound }) => ((far ?? Infinity) > bound ? 'bad-row' : '')} />
        </>
      )}
    </section>
  );
}
