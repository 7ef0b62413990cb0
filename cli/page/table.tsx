/** A table with a filter and columns to sort by. Long ones show more rows on demand, so that they stay quick. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { count } from './format.js';

export interface Column<Row> {
  readonly title: string;
  /** What rows are sorted by; null and undefined go last. Absent: the column is not for sorting. */
  readonly by?: (row: Row) => string | number | null | undefined;
  readonly cell: (row: Row, index: number) => ComponentChildren;
  readonly numeric?: boolean;
  /** Its cells name their rows. */
  readonly head?: boolean;
}

export interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Makes the filter's text; absent: there is no filter. */
  readonly filter?: (row: Row) => string;
  /** Besides the filter, in its line. */
  readonly controls?: ComponentChildren;
  readonly foot?: (rows: readonly Row[]) => VNode;
  readonly rowClass?: (row: Row) => string;
  readonly empty?: string;
}

const STEP = 200;

interface Order {
  readonly column: number;
  readonly down: boolean;
}

export function Table<Row>({ caption, columns, rows, filter, controls, foot, rowClass, empty = 'Nothing to show.' }: TableProps<Row>): VNode {
  const [text, setText] = useState('');
  const [order, setOrder] = useState<Order>();
  const [limit, setLimit] = useState(STEP);
  usePrinting(() => setLimit(Infinity));
  const texts = useMemo(() => (filter ? rows.map((row) => filter(row).toLowerCase()) : []), [rows]);
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length === 0 ? rows : rows.filter((_, i) => words.every((word) => texts[i]!.includes(word)));
  }, [rows, texts, text]);
  const by = order && columns[order.column]?.by;
  const sorted = useMemo(() => (by ? [...found].sort((a, b) => compare(by(a), by(b), order.down)) : found), [found, order]);
  const press = (column: number): void => setOrder((before) => (before?.column !== column ? { column, down: false } : before.down ? undefined : { column, down: true }));
  return (
    <div class="table">
      {(filter !== undefined || controls !== undefined) && (
        <div class="controls">
          {filter && <input type="search" class="filter" placeholder="Filter…" aria-label={`Filter: ${caption}`} value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />}
          {controls}
          <span class="quiet" role="status">{found.length === rows.length ? count(rows.length) : `${count(found.length)} of ${count(rows.length)}`}{rows.length === 1 ? ' row' : ' rows'}</span>
        </div>
      )}
      <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
        <table>
          <caption class="hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ title, by: sortable, numeric }, i) => {
                const sort = order?.column !== i ? 'none' : order.down ? 'descending' : 'ascending';
                return (
                  <th key={i} scope="col" class={numeric ? 'number' : undefined} aria-sort={sortable ? sort : undefined}>
                    {sortable ? <button type="button" class="sort" onClick={() => press(i)}>{title}<span class={`arrow ${sort}`} aria-hidden="true" /></button> : title}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, limit).map((row, i) => (
              <tr key={i} class={rowClass?.(row)}>
                {columns.map(({ cell, numeric, head }, column) => {
                  const Cell = head ? 'th' : 'td';
                  return <Cell key={column} scope={head ? 'row' : undefined} class={numeric ? 'number' : undefined}>{cell(row, i)}</Cell>;
                })}
              </tr>
            ))}
            {sorted.length === 0 && <tr><td colSpan={columns.length} class="quiet">{rows.length === 0 ? empty : 'Nothing matches the filter.'}</td></tr>}
          </tbody>
          {foot && sorted.length > 0 && <tfoot>{foot(sorted)}</tfoot>}
        </table>
      </div>
      {sorted.length > limit && (
        <p class="more">
          <button type="button" onClick={() => setLimit(limit + STEP)}>Show {count(Math.min(STEP, sorted.length - limit))} more</button>{' '}
          <button type="button" onClick={() => setLimit(Infinity)}>Show all {count(sorted.length)}</button>
        </p>
      )}
    </div>
  );
}

type Key = string | number | null | undefined;

const collator = new Intl.Collator('en', { numeric: true });

function compare(a: Key, b: Key, down: boolean): number {
  const [noA, noB] = [a ?? undefined, b ?? undefined];
  if (noA === undefined || noB === undefined) return Number(noA === undefined) - Number(noB === undefined);
  const order = typeof noA === 'number' && typeof noB === 'number' ? noA - noB : collator.compare(String(noA).slice(0, 200), String(noB).slice(0, 200));
  return down ? -order : order;
}

/** What is printed has all its rows. */
function usePrinting(all: () => void): void {
  useEffect(() => {
    addEventListener('beforeprint', all);
    return () => removeEventListener('beforeprint', all);
  }, []);
}
