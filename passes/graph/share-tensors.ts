import { isStatic } from '../../compiler/ir/extent.js';
import type { Constant, Param, Value } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/**
 * Tensors with the same type, shape and numbers are stored once: biases of untrained models, layers that share their
 * weights under two keys. Told by their first numbers, and only where these agree by all of them, so that the weights
 * of a trained model are not read twice. Numbers are equal bit for bit.
 */
export const shareTensors: Pass = {
  name: 'share-tensors',
  doc: 'Stores equal tensors once.',
  scope: 'top',
  run(graph) {
    const firsts = firstsOf(new Set(graph.nodes.flatMap(({ inputs }) => inputs.filter(isTensor))));
    if (firsts.size === 0) return graph;
    return rewrite(graph, (node) => [node.inputs.some((value) => firsts.has(value)) ? { ...node, inputs: node.inputs.map((value) => firsts.get(value) ?? value) } : node]);
  },
};

type Tensor = Param | Constant;
const isTensor = (value: Value): value is Tensor => (value.kind === 'param' || value.kind === 'constant') && isStatic(value.shape);

/** How many of a tensor's numbers are looked at first. */
const PROBE = 16;
const CHUNK = 1 << 14;

/** For each tensor that equals an earlier one, that one. */
function firstsOf(tensors: ReadonlySet<Tensor>): Map<Value, Tensor> {
  const firsts = new Map<Value, Tensor>();
  for (const alike of groups([...tensors], ({ dtype, shape }) => `${dtype}[${shape.join()}]`)) {
    if (alike.length === 1) continue;
    for (const group of groups(alike, probeOf)) {
      const different: Tensor[] = [];
      for (const tensor of group) {
        const first = different.find((other) => sameNumbers(other, tensor));
        if (first) firsts.set(tensor, first);
        else different.push(tensor);
      }
    }
  }
  return firsts;
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string | number): Iterable<readonly T[]> {
  const found = new Map<string | number, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = found.get(key);
    if (group) group.push(item);
    else found.set(key, [item]);
  }
  return found.values();
}

/** A hash of the first numbers. */
function probeOf(tensor: Tensor): number {
  looked.set(read(tensor, 0, Math.min(PROBE, elements(tensor))));
  let hash = 0;
  for (let i = Math.min(PROBE, elements(tensor)) - 1; i >= 0; i--) hash = (Math.imul(hash, 31) + bits[i]!) | 0;
  return hash;
}

const looked = new Float32Array(PROBE);
const bits = new Int32Array(looked.buffer);

function read(tensor: Tensor, at: number, count: number): ArrayLike<number> {
  if (tensor.kind === 'constant') return Array.from({ length: count }, (_, i) => tensor.data[at + i]!);
  const into = new Float32Array(count);
  tensor.read(into, at);
  return into;
}

function sameNumbers(a: Tensor, b: Tensor): boolean {
  const size = elements(a);
  for (let at = 0; at < size; at += CHUNK) {
    const count = Math.min(CHUNK, size - at);
    const [left, right] = [read(a, at, count), read(b, at, count)];
    for (let i = 0; i < count; i++) if (!Object.is(left[i], right[i])) return false;
  }
  return true;
}
