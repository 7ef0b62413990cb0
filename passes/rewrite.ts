/** The one way in which passes rebuild a graph: node by node, in order, with values replaced as they go. */
import type { Graph, Node, Value } from '../compiler/ir/graph.js';

export interface Rewriting {
  /** From here on every reader of `value` reads `by`. */
  replace(value: Value, by: Value): void;
}

/** What becomes of a node, whose inputs are already replaced: the nodes to put in its place (itself, others, none). */
export type Visit = (node: Node, rewriting: Rewriting) => readonly Node[];

export function rewrite(graph: Graph, visit: Visit): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => replaced.get(value) ?? value;
  const rewriting: Rewriting = { replace: (value, by) => void replaced.set(value, by) };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const changed = node.inputs.some((value) => replaced.has(value));
    for (const made of visit(changed ? { ...node, inputs: node.inputs.map(current) } : node, rewriting)) nodes.push(made);
  }
  const outputs = graph.outputs.map((output) => (replaced.has(output.value) ? { ...output, value: current(output.value) } : output));
  return { inputs: graph.inputs, outputs, nodes };
}
