import type { Node, OpNode, Param, Result, Value } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';
import type { Pass } from '../pass.js';
import { isOp, rewriteLiving, type Rewriting } from '../rewrite.js';
import { ownsWeights } from './conv-parts.js';
import { channelsOf, normalizationOf, readAll, scaled, vector, type Layout, type Normalization } from './param-arithmetic.js';

/**
 * BatchNormalization is x · gain + shift in every channel, with gain = gamma / sqrt(var + eps), shift = beta − mean · gain.
 * A linear node L (Conv, ConvTranspose, or Gemm, PyTorch's Linear) before or after it takes that over:
 *
 *     BN(L(x, w, b)) = L(x, w · gain, b · gain + shift)                         one gain for each output channel
 *     BN(Concat(L₁(x₁), L₂(x₂), …)) = Concat(BN₁(L₁(x₁)), BN₂(L₂(x₂)), …)       if all of them take it
 *     L(BN(x), w, b) = L(x, w · gain, b + Σ w · shift)                          one gain for each input channel
 *
 * The last holds only without padding, whose zeros are not normalized. Refused: results in between that something else
 * reads too, a weight that another node reads as well (it would have to be stored twice), and computed parameters.
 */
export const foldBatchNorm: Pass = {
  name: 'fold-batch-norm',
  doc: 'Puts BatchNormalization into the weights and bias of the convolution or Linear before or after it.',
  scope: 'every-graph',
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      if (isOp(node, 'BatchNormalization')) return normalized(node, rewriting) ?? [node];
      return [intoNext(node, rewriting) ?? node];
    }),
};

type BatchNorm = OpNode & { readonly op: 'BatchNormalization' };
type Linear = OpNode & { readonly op: 'Conv' | 'ConvTranspose' | 'Gemm' };

function linearOf(value: Value, rewriting: Rewriting): Linear | undefined {
  const node = rewriting.maker(value);
  const linear = isOp(node, 'Conv') || isOp(node, 'ConvTranspose') || isOp(node, 'Gemm');
  return linear && rewriting.readOnce(value) && ownsWeights(node, rewriting) ? node : undefined;
}

const ownsStatistics = (norm: BatchNorm): boolean => norm.inputs.slice(1).every((value) => value.kind === 'param');

/** What stands for a normalization that the nodes before it take over. */
function normalized(norm: BatchNorm, rewriting: Rewriting): readonly OpNode[] | undefined {
  const [x] = norm.inputs as readonly [Value];
  if (!ownsStatistics(norm)) return undefined;
  const linear = linearOf(x, rewriting);
  if (linear) return [{ ...intoPrevious(linear, normalizationOf(norm)), outputs: norm.outputs }];
  const concat = rewriting.maker(x);
  if (!isOp(concat, 'Concat') || concat.attrs.axis !== 1 || !rewriting.readOnce(x)) return undefined;
  const parts = concat.inputs.map((value) => linearOf(value, rewriting));
  if (!parts.every((part) => part !== undefined)) return undefined;
  const whole = normalizationOf(norm);
  let start = 0;
  const folded = parts.map((part): OpNode => {
    const end = start + (part.outputs[0]!.shape[1] as number);
    const made = intoPrevious(part, channelsOf(whole, start, end));
    start = end;
    return { ...made, outputs: [{ ...part.outputs[0]! } satisfies Result] };
  });
  return [...folded, { ...concat, inputs: folded.map(({ outputs }) => outputs[0]!), outputs: norm.outputs }];
}

/** BN(L(x)): gains for output channels. */
function intoPrevious(linear: Linear, { gain, shift }: Normalization): Linear {
  const [x, weight, bias] = linear.inputs as readonly [Value, Param, Param?];
  const moved = (): Float64Array => {
    if (!bias) return shift();
    const [sums, own, gains] = [shift().slice(), readAll(bias), gain()];
    for (let i = 0; i < sums.length; i++) sums[i]! += own[i]! * gains[i]!;
    return sums;
  };
  return { ...linear, inputs: [x, scaled(weight, gain, outputLayout(linear, weight)), biasOf(linear, weight, bias, moved)] };
}

/** L(BN(x)): gains for input channels. */
function intoNext(node: Node, rewriting: Rewriting): OpNode | undefined {
  if (!(isOp(node, 'Conv') || isOp(node, 'Gemm')) || !ownsWeights(node, rewriting)) return undefined;
  const norm = rewriting.maker(node.inputs[0]!);
  const unpadded = node.op === 'Gemm' || node.attrs.pads.every((pad) => pad === 0);
  if (!isOp(norm, 'BatchNormalization') || !unpadded || !ownsStatistics(norm) || !rewriting.readOnce(norm.outputs[0]!)) return undefined;
  const [, weight, bias] = node.inputs as readonly [Value, Param, Param?];
  const { gain, shift } = normalizationOf(norm);
  const layout = inputLayout(node, weight);
  const moved = (): Float64Array => {
    const sums = rowSums(weight, shift(), layout);
    if (bias) readAll(bias).forEach((value, i) => (sums[i]! += value));
    return sums;
  };
  return { ...node, inputs: [norm.inputs[0]!, scaled(weight, gain, layout), biasOf(node, weight, bias, moved)] };
}

const biasOf = ({ outputs: [y] }: OpNode, weight: Param, bias: Param | undefined, numbers: () => ArrayLike<number>): Param =>
  vector(bias?.key ?? weight.key.replace(/weight$/, 'bias'), weight.dtype, y!.shape[1] as number, numbers);

/** Conv and Gemm have a row for each output channel; ConvTranspose [in, out/group, …] has its output channels inside. */
function outputLayout(linear: Linear, weight: Param): Layout {
  const [first, second] = weight.shape as readonly [number, number];
  const size = elements(weight);
  if (linear.op !== 'ConvTranspose') return { run: size / first, period: first, block: size };
  return { run: size / (first * second), period: second, block: size / linear.attrs.group };
}

/** [out, in/group, …] */
function inputLayout(linear: OpNode & { readonly op: 'Conv' | 'Gemm' }, weight: Param): Layout {
  const [first, second] = weight.shape as readonly [number, number];
  const size = elements(weight);
  return { run: size / (first * second), period: second, block: linear.op === 'Conv' ? size / linear.attrs.group : size };
}

/** Σ w · shift over each output channel's row. */
function rowSums(weight: Param, shift: Float64Array, { run, period, block }: Layout): Float64Array {
  const rows = weight.shape[0] as number;
  const row = new Float32Array(elements(weight) / rows);
  return Float64Array.from({ length: rows }, (_, r) => {
    weight.read(row, r * row.length);
    const first = period * Math.floor((r * row.length) / block);
    return row.reduce((sum, w, i) => sum + w * shift[first + Math.floor(i / run)]!, 0);
  });
}
