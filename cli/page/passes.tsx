/** What each pass of the compiler changed. */
import type { VNode } from 'preact';
import type { ReportPass } from './data.js';
import { DASH, count, milliseconds, visible } from './format.js';
import { Name } from './name.js';
import { Table, type Column } from './table.js';

const signed = (value: number): string => (value > 0 ? `+${count(value)}` : value < 0 ? `−${count(-value)}` : '0');

const changed = ({ operators }: ReportPass): readonly (readonly [string, number])[] => Object.entries(operators).sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));

const columns: readonly Column<ReportPass>[] = [
  { title: 'Pass', head: true, by: (pass) => pass.name, cell: (pass) => <Name text={pass.name} limit={48} /> },
  { title: 'Nodes', numeric: true, by: (pass) => pass.after, cell: (pass) => `${count(pass.before)} → ${count(pass.after)}` },
  { title: 'Change', numeric: true, by: (pass) => pass.after - pass.before, cell: (pass) => signed(pass.after - pass.before) },
  { title: 'Operators', cell: (pass) => (changed(pass).length === 0 ? DASH : changed(pass).map(([op, by]) => <span class="item" key={op}><Name text={op} limit={32} /> <b>{signed(by)}</b></span>)) },
  { title: 'ms', numeric: true, by: (pass) => pass.milliseconds, cell: (pass) => milliseconds(pass.milliseconds) },
  { title: 'What it does', cell: (pass) => <span class="doc"><Name text={pass.doc} limit={600} /></span> },
];

export function Passes({ passes }: { readonly passes: readonly ReportPass[] }): VNode {
  return (
    <section class="card" aria-labelledby="passes-title">
      <h3 id="passes-title">Passes</h3>
      <Table caption="Passes, in the order they ran" columns={columns} rows={passes} filter={(pass) => visible(`${pass.name} ${pass.doc} ${changed(pass).map(([op]) => op).join(' ')}`)} empty="No pass ran." />
    </section>
  );
}
