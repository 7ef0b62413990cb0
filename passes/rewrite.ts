/** The one way in which passes rebuild a graph: node by node, in order, with values replaced as they go. */
import { readersOf, type Graph, type Node, type OpNode, type Result, type Value } from '../compiler/ir/graph.js';
import { rowOf, type AttrsOf, type OpName } from '../compiler/onnx/operators/index.js';
import { withoutDead } from './graph/drop-dead.js';

export interface Rewriting {
  /** From here on every reader of `value` reads `by`. */
  replace(value: Value, by: Value): void;
  /** The node, as it stands by now, that makes the value. */
  maker(value: Value): Node | undefined;
  /** Who reads the value: nodes, as often as they do, and outputs of the graph. */
  readers(value: Value): readonly (Node | 'output')[];
  /** How many times nodes and outputs read the value. */
  readTimes(value: Value): number;
  /** Whether one node alone reads the value, once, and no output does. */
  readOnce(value: Value): boolean;
}

/**
 * What becomes of a node, whose inputs are already replaced: the nodes to put in its place (itself, others, none). Others are
 * visited in turn.
 */
export type Visit = (node: Node, rewriting: Rewriting) => readonly Node[];

export function rewrite(graph: Graph, visit: Visit): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => {
    let now = value;
    for (let by = replaced.get(now); by; by = replaced.get(now)) now = by;
    return now;
  };
  const makers = new Map<Value, Node>();
  // By what they read as the graph stands by now. What nothing reads does not count as a reader.
  const living = withoutDead(graph);
  const readers = readersOf(living);
  const readersNow = (value: Value): readonly (Node | 'output')[] => readers.get(value) ?? [];
  const rewriting: Rewriting = {
    replace(value, by) {
      replaced.set(value, by);
      readers.set(by, [...readersNow(by), ...readersNow(value)]);
      readers.delete(value);
    },
    maker: (value) => makers.get(value),
    readers: readersNow,
    readTimes: (value) => readersNow(value).length,
    readOnce: (value) => readersNow(value).length === 1,
  };
  /** The reader no longer reads these values, nor does what made them for it alone. */
  const forget = (reader: Node, values: readonly Value[]): void => {
    for (const value of values) {
      const left = readersNow(value).filter((other) => other !== reader);
      readers.set(value, left);
      const maker = makers.get(value);
      if (left.length === 0 && maker?.outputs.every((output) => readersNow(output).length === 0)) forget(maker, maker.inputs);
    }
  };
  const nodes: Node[] = [];
  const put = (node: Node, alive: boolean): void => {
    const now = node.inputs.some((value) => replaced.has(value)) ? { ...node, inputs: node.inputs.map(current) } : node;
    const made = visit(now, rewriting);
    if (alive && (made.length !== 1 || made[0] !== node)) {
      for (const reader of made) for (const value of reader.inputs) readers.set(value, [...readersNow(value), reader]);
      forget(node, now.inputs);
    }
    for (const other of made) {
      if (other !== now) {
        put(other, alive);
        continue;
      }
      nodes.push(now);
      for (const value of now.outputs) makers.set(value, now);
    }
  };
  const alive = new Set(living.nodes);
  for (const node of graph.nodes) put(node, alive.has(node));
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
