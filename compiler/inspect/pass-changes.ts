/** What each pass changed, for a report. */
import type { Graph } from '../ir/graph.js';
import type { PassReport } from '../../passes/pass.js';
import type { ReportPass } from '../report.js';

export function passChange({ pass, before, after, milliseconds }: PassReport): ReportPass {
  const [was, is] = [countsOf(before), countsOf(after)];
  const operators = [...new Set([...was.keys(), ...is.keys()])].sort().map((op) => [op, (is.get(op) ?? 0) - (was.get(op) ?? 0)] as const);
  return {
    name: pass.name,
    doc: pass.doc,
    before: sum(was),
    after: sum(is),
    operators: Object.fromEntries(operators.filter(([, change]) => change !== 0)),
    milliseconds,
  };
}

/** Operators of a graph and of the bodies in it; calls of modules are not counted themselves. */
function countsOf(graph: Graph, counts = new Map<string, number>()): Map<string, number> {
  for (const node of graph.nodes) {
    if (node.kind === 'op') counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
    else if (node.body) countsOf(node.body, counts);
  }
  return counts;
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((whole, count) => whole + count, 0);
