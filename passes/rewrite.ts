/** The one way in which passes rebuild a graph: node by node, in order, with values replaced as they go. */
import { countReaders, type Graph, type Node, type OpNode, type Result, type Value } from '../compiler/ir/graph.js';
import { rowOf, type AttrsOf, type OpName } from '../compiler/onnx/operators/index.js';

export interface Rewriting {
  /** From here on every reader of `value` reads `by`. */
  replace(value: Value, by: Value): void;
  /** The node, as it stands by now, that makes the value. */
  maker(value: Value): Node | undefined;
  /** How many times nodes and outputs read the value. */
  readTimes(value: Value): number;
  /** Whether one node alone reads the value, once, and no output does. */
  readOnce(value: Value): boolean;
}

/** What becomes of a node, whose inputs are already replaced: the nodes to put in its place (itself, others, none). */
export type Visit = (node: Node, rewriting: Rewriting) => readonly Node[];

export function rewrite(graph: Graph, visit: Visit): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => replaced.get(value) ?? value;
  const makers = new Map<Value, Node>();
  const readers = countReaders(graph);
  const rewriting: Rewriting = {
    replace(value, by) {
      replaced.set(value, by);
      readers.set(by, (readers.get(by) ?? 0) + (readers.get(value) ?? 0));
    },
    maker: (value) => makers.get(value),
    readTimes: (value) => readers.get(value) ?? 0,
    readOnce: (value) => readers.get(value) === 1,
  };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const changed = node.inputs.some((value) => replaced.has(value));
    for (const made of visit(changed ? { ...node, inputs: node.inputs.map(current) } : node, rewriting)) {
      nodes.push(made);
      for (const value of made.outputs) makers.set(value, made);
    }
  }
  const outputs = graph.outputs.map((output) => (replaced.has(output.value) ? { ...output, value: current(output.value) } : output));
  return { inputs: graph.inputs, outputs, nodes };
}

/** A node of the table, with the types that its operator infers. */
export function opNode<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>, scope: string): OpNode & { readonly op: K } {
  const outputs = rowOf(op)
    .infer(inputs, attrs)
    .map(({ dtype, shape }): Result => ({ kind: 'result', dtype, shape }));
  return { kind: 'op', op, inputs, attrs, outputs, scope, leaf: false } as unknown as OpNode & { readonly op: K };
}

/** A node of this operator. */
export const isOp = <K extends OpName>(node: Node | undefined, op: K): node is OpNode & { readonly op: K } => node?.kind === 'op' && node.op === op;
