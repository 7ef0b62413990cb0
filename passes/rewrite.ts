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

/** The graph itself where nothing changes. */
export function rewrite(graph: Graph, visit: Visit): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => {
    let now = value;
    for (let by = replaced.get(now); by; by = replaced.get(now)) now = by;
    return now;
  };
  const makers = new Map<Value, Node>();
  const readers = new Readers(graph, (value) => makers.get(value));
  const rewriting: Rewriting = {
    replace(value, by) {
      replaced.set(value, by);
      readers.replace(value, by);
    },
    maker: (value) => makers.get(value),
    readers: (value) => readers.of(value),
    readTimes: (value) => readers.of(value).length,
    readOnce: (value) => readers.of(value).length === 1,
  };
  const nodes: Node[] = [];
  const put = (node: Node, original: Node): void => {
    const now = node.inputs.some((value) => replaced.has(value)) ? { ...node, inputs: node.inputs.map(current) } : node;
    const made = visit(now, rewriting);
    if (made.length !== 1 || made[0] !== node) readers.exchange(node, original, now.inputs, made);
    for (const other of made) {
      if (other !== now) {
        put(other, original);
        continue;
      }
      nodes.push(now);
      for (const value of now.outputs) makers.set(value, now);
    }
  };
  for (const node of graph.nodes) put(node, node);
  if (nodes.length === graph.nodes.length && nodes.every((node, i) => node === graph.nodes[i])) return graph;
  const outputs = graph.outputs.map((output) => (replaced.has(output.value) ? { ...output, value: current(output.value) } : output));
  return { inputs: graph.inputs, outputs, nodes };
}

/** `rewrite`, without the nodes that it leaves without readers. */
export function rewriteLiving(graph: Graph, visit: Visit): Graph {
  const result = rewrite(graph, visit);
  return result === graph ? graph : withoutDead(result);
}

/** Who reads what as a graph stands while it is rewritten. What nothing reads does not count as a reader. Found when first asked for, or before the first change. */
class Readers {
  private table: Map<Value, readonly (Node | 'output')[]> | undefined;
  private living: ReadonlySet<Node> = new Set();

  constructor(
    private readonly graph: Graph,
    private readonly maker: (value: Value) => Node | undefined,
  ) {}

  private all(): Map<Value, readonly (Node | 'output')[]> {
    if (!this.table) {
      const living = withoutDead(this.graph);
      this.living = new Set(living.nodes);
      this.table = readersOf(living);
    }
    return this.table;
  }

  of(value: Value): readonly (Node | 'output')[] {
    return this.all().get(value) ?? [];
  }

  replace(value: Value, by: Value): void {
    this.all().set(by, [...this.of(by), ...this.of(value)]);
    this.all().delete(value);
  }

  /** Nodes in the place of one that read these values. `original`: what the graph had there. */
  exchange(node: Node, original: Node, values: readonly Value[], made: readonly Node[]): void {
    const table = this.all();
    if (!this.living.has(original)) return;
    for (const reader of made) for (const value of reader.inputs) table.set(value, [...this.of(value), reader]);
    this.forget(node, values);
  }

  /** The reader no longer reads these values, nor does what made them for it alone. */
  private forget(reader: Node, values: readonly Value[]): void {
    for (const value of values) {
      const left = this.of(value).filter((other) => other !== reader);
      this.all().set(value, left);
      const maker = this.maker(value);
      if (left.length === 0 && maker?.outputs.every((output) => this.of(output).length === 0)) this.forget(maker, maker.inputs);
    }
  }
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
