/** The graph's own checker: types and shapes are derived anew for every new node and compared with `===`, bodies included. */
import { Problem, internal } from '../errors.js';
import { rowOf } from '../onnx/operators/index.js';
import { isStatic, showShape } from './extent.js';
import type { Graph, Node, TensorType, Value } from './graph.js';

const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((extent, i) => extent === b.shape[i]);

const showType = ({ dtype, shape }: TensorType): string => `${dtype}${showShape(shape)}`;

const nameOf = (node: Node): string => `${node.scope}/${node.kind === 'op' ? node.op : node.name}`;

/**
 * Throws Problem('internal') for a graph that breaks its own rules: values are made once, before use, with the types they
 * have. The types of a node depend on it and its values alone, which never change: nodes in `typed` are not derived
 * again, and those of this graph join them.
 */
export function check(graph: Graph, typed = new WeakSet<Node>()): void {
  const made = new Set<Value>(graph.inputs);
  const needs = (value: Value, reader: () => string): void => {
    if (value.kind === 'param' || value.kind === 'constant' || made.has(value)) return;
    throw internal(`${reader()} reads a value of type ${showType(value)} that nothing made before it`);
  };
  for (const node of graph.nodes) {
    const name = (): string => nameOf(node);
    for (const value of node.inputs) needs(value, name);
    if (!typed.has(node)) checkTypes(node, typed);
    typed.add(node);
    for (const value of node.outputs) {
      if (made.has(value)) throw internal(`${name()} makes a value that is already there`);
      made.add(value);
    }
  }
  for (const { name, value } of graph.outputs) {
    needs(value, () => `output ${name}`);
    checkConstant(value, `output ${name}`);
  }
}

function checkConstant(value: Value, reader: string): void {
  if (value.kind !== 'constant') return;
  const { shape, data } = value;
  if (!isStatic(shape) || shape.reduce((n, size) => n * size, 1) !== data.length) {
    throw internal(`${reader} reads a constant of shape ${showShape(shape)} with ${data.length} elements`);
  }
}

function checkTypes(node: Node, typed: WeakSet<Node>): void {
  const name = nameOf(node);
  for (const value of node.inputs) checkConstant(value, name);
  if (node.kind === 'op') {
    compare(derive(() => rowOf(node.op).infer(node.inputs, node.attrs), name), node.outputs, name);
    return;
  }
  if (!node.body) return;
  check(node.body, typed);
  compare(node.body.outputs.map(({ value }) => value), node.outputs, name);
  compare(node.body.inputs, node.inputs, `${name}'s body`);
}

function derive(infer: () => readonly TensorType[], name: string): readonly TensorType[] {
  try {
    return infer();
  } catch (error) {
    if (error instanceof Problem) throw internal(`${name}: ${error.message}`);
    throw error;
  }
}

function compare(derived: readonly TensorType[], stated: readonly TensorType[], name: string): void {
  const good = derived.length === stated.length && derived.every((type, i) => sameType(type, stated[i]!));
  if (!good) throw internal(`${name} gives ${derived.map(showType).join(', ')}, but is stated to give ${stated.map(showType).join(', ')}`);
}
