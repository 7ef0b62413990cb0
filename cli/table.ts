/** Tables on a terminal, and the figures in them. */

export type TableOf = (head: readonly string[], rows: readonly (readonly string[])[], right?: number, rights?: number) => string;

/** Draws a table; columns from `right` on, `rights` of them or all, are numbers. */
export async function tableOf(): Promise<TableOf> {
  const { default: Table } = await import('cli-table3');
  return (head, rows, right = head.length, rights = head.length) => {
    const table = new Table({ head: [...head], colAligns: head.map((_, i) => (i >= right && i < right + rights ? 'right' : 'left')), style: { head: [], border: [], compact: true } });
    table.push(...rows.map((row) => [...row]));
    return table.toString();
  };
}

export const figure = (value: number): string => (value === 0 ? '0' : Number.isFinite(value) ? value.toExponential(1) : 'not finite');
