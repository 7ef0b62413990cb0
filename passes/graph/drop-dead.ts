import type { Graph, Node, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';

/** A node none of whose outputs is read, by a node that stays or as an output of the graph, has no effect. */
export const dropDead: Pass = {
  name: 'drop-dead',
  doc: 'Removes nodes whose results nobody reads, and with them their parameters.',
  scope: 'every-graph',
  run: withoutDead,
};

/** The nodes that something reads; the graph itself where that is all. */
export function withoutDead(graph: Graph): Graph {
  const read = new Set<Value>(graph.outputs.map(({ value }) => value));
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((value) => read.has(value))) continue;
    kept.push(node);
    for (const value of node.inputs) read.add(value);
  }
  return kept.length === graph.nodes.length ? graph : { ...graph, nodes: kept.reverse() };
}
