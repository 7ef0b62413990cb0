import { countReaders, type Graph, type Node, type OpNode, type Param, type Read, type Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';

type Conv = OpNode & { readonly op: 'Conv' };
type BatchNorm = OpNode & { readonly op: 'BatchNormalization' };

/**
 * Conv then BatchNormalization is one Conv:
 *
 *     w' = w · gain,  b' = beta + (b − mean) · gain,  gain = gamma / sqrt(var + eps)
 *
 * with one gain per output channel. Refused: a Conv whose output something else reads, a weight that another node
 * reads too (it would have to be stored twice), and parameters that are not parameters but computed.
 */
export const foldBatchNorm: Pass = {
  name: 'fold-batch-norm',
  doc: 'Puts BatchNormalization into the weights and bias of the Conv before it.',
  scope: 'every-graph',
  run(graph) {
    const makers = new Map<Value, Node>(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
    const readers = countReaders(graph);
    const folded = new Map<Node, Conv>();
    const gone = new Set<Node>();
    for (const node of graph.nodes) {
      if (node.kind !== 'op' || node.op !== 'BatchNormalization') continue;
      const conv = makers.get(node.inputs[0]!);
      if (conv?.kind !== 'op' || conv.op !== 'Conv' || !foldable(conv, node, readers)) continue;
      folded.set(node, fold(conv, node));
      gone.add(conv);
    }
    return { ...graph, nodes: graph.nodes.filter((node) => !gone.has(node)).map((node) => folded.get(node) ?? node) } satisfies Graph;
  },
};

function foldable(conv: Conv, norm: BatchNorm, readers: ReadonlyMap<Value, number>): boolean {
  const parameters = [...conv.inputs.slice(1), ...norm.inputs.slice(1)];
  return readers.get(conv.outputs[0]!) === 1 && parameters.every((value) => value.kind === 'param') && conv.inputs.slice(1).every((value) => readers.get(value) === 1);
}

function fold(conv: Conv, norm: BatchNorm): Conv {
  const [x, weight, bias] = conv.inputs as readonly [Value, Param, Param | undefined];
  const [gamma, beta, mean, variance] = norm.inputs.slice(1) as readonly Param[] as readonly [Param, Param, Param, Param];
  const channels = (weight.shape as readonly number[])[0]!;
  const perChannel = (weight.shape as readonly number[]).slice(1).reduce((a, b) => a * b, 1);
  const gain = once(() => {
    const [g, v] = [readAll(gamma), readAll(variance)];
    return Float64Array.from(g, (value, i) => value / Math.sqrt(v[i]! + norm.attrs.epsilon));
  });
  const shift = once(() => {
    const [b, m, own] = [readAll(beta), readAll(mean), bias ? readAll(bias) : undefined];
    const k = gain();
    return Float32Array.from(b, (value, i) => value + ((own?.[i] ?? 0) - m[i]!) * k[i]!);
  });
  const key = weight.key.replace(/weight$/, 'bias');
  const newBias: Param = { kind: 'param', dtype: 'float32', shape: [channels], key: bias?.key ?? key, kept: false, read: (into, at) => into.set(shift().subarray(at, at + into.length)) };
  const newWeight: Param = { ...weight, read: scaleRows(weight.read, gain, perChannel) };
  return { ...conv, inputs: [x, newWeight, newBias], outputs: norm.outputs };
}

/** Multiplies row r (of `perRow` elements) by gain[r], in the caller's buffer. */
function scaleRows(read: Read, gain: () => Float64Array, perRow: number): Read {
  return (into, at) => {
    read(into, at);
    const factors = gain();
    let row = Math.floor(at / perRow);
    let end = (row + 1) * perRow - at;
    for (let i = 0; i < into.length; row++, end += perRow) {
      const factor = factors[row]!;
      for (const stop = Math.min(into.length, end); i < stop; i++) into[i]! *= factor;
    }
  };
}

function readAll(param: Param): Float32Array {
  const values = new Float32Array((param.shape as readonly number[]).reduce((a, b) => a * b, 1));
  param.read(values, 0);
  return values;
}

/** Computed at the first use, when the file is written. */
function once<T>(compute: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= compute());
}
