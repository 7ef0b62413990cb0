import type { Node, OpNode, Param, Value } from '../../compiler/ir/graph.js';
import type { OpName } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { ownsWeights, rowsOf, type Conv } from './conv-parts.js';

/**
 * The channels of a convolution are computed apart where they are used apart:
 *
 *     Split(f(Conv(x, w, b))) = f(Conv(x, w₁, b₁)), f(Conv(x, w₂, b₂)), …
 *
 * for an activation f, which works on every element alone. C2f begins so. onnxruntime's CPU kernels keep feature maps
 * in blocks of channels; its Split cannot, so that every Split costs two copies of the map. Refused: grouped
 * convolutions, results that something else reads too, weights that are shared or computed.
 */
export const splitConvs: Pass = {
  name: 'split-convs',
  doc: 'Computes the parts of a convolution that is split as convolutions of their own (onnxruntime on CPUs).',
  scope: 'every-graph',
  optional: true,
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      const source = isOp(node, 'Split') && node.attrs.axis === 1 ? sourceOf(node.inputs[0]!, rewriting) : undefined;
      if (!source) return [node];
      const nodes: Node[] = [];
      let start = 0;
      for (const part of node.outputs) {
        const end = start + (part.shape[1] as number);
        rewriting.replace(part, partOf(source, start, end, nodes));
        start = end;
      }
      return nodes;
    }),
};

interface Source {
  readonly conv: Conv;
  /** The activation's nodes, in order; the first reads the convolution. */
  readonly activation: readonly OpNode[];
}

/** A Conv that can be taken apart, with or without an activation after it. */
function sourceOf(x: Value, rewriting: Rewriting): Source | undefined {
  const { maker, readOnce } = rewriting;
  const last = maker(x);
  if (!readOnce(x) || last?.kind !== 'op') return undefined;
  if (isOp(last, 'Conv')) return last.attrs.group === 1 && ownsWeights(last, rewriting) ? { conv: last, activation: [] } : undefined;
  if (UNARY.has(last.op)) {
    const source = sourceOf(last.inputs[0]!, rewriting);
    return source && { ...source, activation: [...source.activation, last] };
  }
  return siluOf(last, rewriting);
}

/** x · σ(x), whose convolution is read twice, by these two. */
function siluOf(mul: OpNode, rewriting: Rewriting): Source | undefined {
  const { maker, readOnce, readTimes } = rewriting;
  const sigmoid = mul.inputs.map(maker).find((node) => isOp(node, 'Sigmoid'));
  if (!isOp(mul, 'Mul') || !isOp(sigmoid, 'Sigmoid')) return undefined;
  const [x] = sigmoid.inputs as readonly [Value];
  const conv = maker(x);
  const good = isOp(conv, 'Conv') && conv.attrs.group === 1 && mul.inputs.includes(x) && readTimes(x) === 2 && readOnce(sigmoid.outputs[0]!) && ownsWeights(conv, rewriting);
  return good ? { conv, activation: [sigmoid, mul] } : undefined;
}

const UNARY: ReadonlySet<OpName> = new Set(['Relu', 'Sigmoid', 'LeakyRelu', 'Elu', 'HardSwish', 'HardSigmoid', 'Clip', 'Tanh', 'Mish', 'Gelu', 'Identity'] as const);

/** Channels [start, end) of the source, whose nodes are added to `nodes`. */
function partOf({ conv, activation }: Source, start: number, end: number, nodes: Node[]): Value {
  const [x, ...params] = conv.inputs as readonly [Value, ...Param[]];
  const part = opNode('Conv', [x, ...params.map((param) => rowsOf(param, start, end))], conv.attrs, conv.scope);
  nodes.push(part);
  const made = new Map<Value, Value>([[conv.outputs[0]!, part.outputs[0]!]]);
  let result: Value = part.outputs[0]!;
  for (const node of activation) {
    const copy = opNode(node.op, node.inputs.map((value) => made.get(value) ?? value), node.attrs as never, node.scope);
    nodes.push(copy);
    result = copy.outputs[0]!;
    made.set(node.outputs[0]!, result);
  }
  return result;
}
