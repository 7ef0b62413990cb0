import type { OpNode, Param, Read, Value } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { ownsWeights, type Conv } from './conv-parts.js';
import { added, normalizationOf, once, readAll, vector } from './param-arithmetic.js';

/**
 * Branches that are added after convolving the same map are one convolution, as RepVGG re-parameterises them
 * (arXiv:2101.03697):
 *
 *     Conv(x, w₁, b₁) + Conv(x, w₂, b₂) = Conv(x, w₁ + w₂, b₁ + b₂)      the smaller kernel in a frame of zeros
 *     Conv(x, w, b) + BatchNormalization(x) = Conv(x, w + diag(gain), b + shift)
 *     Conv(x, w, b) + x = Conv(x, w + diag(1), b)
 *
 * with gain and shift as in fold-batch-norm. Refused: kernels that do not lie one in the other for these paddings, other
 * strides, dilations or groups, branches that something else reads too, weights that are shared or computed.
 */
export const mergeBranches: Pass = {
  name: 'merge-branches',
  doc: 'Adds up parallel convolutions, normalizations and shortcuts of one map in one convolution (RepConv).',
  scope: 'every-graph',
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      const merged = isOp(node, 'Add') ? mergedOf(node, rewriting) : undefined;
      if (!merged) return [node];
      rewriting.replace(node.outputs[0]!, merged.outputs[0]!);
      return [merged];
    }),
};

function mergedOf({ inputs: [a, b], outputs: [y] }: OpNode, rewriting: Rewriting): Conv | undefined {
  const [left, right] = [branchOf(a!, rewriting), branchOf(b!, rewriting)];
  if (left && right) return merged(left, right) ?? merged(right, left);
  const [conv, other] = left ? [left, b!] : [right, a!];
  // Sizes that broadcast are no shortcut.
  if (!conv || ![conv.outputs[0]!, other].every(({ shape }) => shape.every((extent, axis) => extent === y!.shape[axis]))) return undefined;
  return withShortcut(conv, other, rewriting);
}

/** A Conv that this Add alone reads, with weights of its own. */
function branchOf(value: Value, rewriting: Rewriting): Conv | undefined {
  const conv = rewriting.maker(value);
  return isOp(conv, 'Conv') && rewriting.readOnce(value) && ownsWeights(conv, rewriting) ? conv : undefined;
}

/** The small kernel put into the large one. */
function merged(large: Conv, small: Conv): Conv | undefined {
  const [a, b] = [large.attrs, small.attrs];
  const rank = a.kernel.length;
  const same = large.inputs[0] === small.inputs[0] && a.group === b.group && large.inputs[1]!.shape[0] === small.inputs[1]!.shape[0] && a.strides.every((stride, i) => stride === b.strides[i]);
  // Where the small kernel begins in the large one, in cells of the large one.
  const offsets = a.kernel.map((_, i) => (a.pads[i]! - b.pads[i]!) / a.dilations[i]!);
  const inside = offsets.every((offset, i) => {
    const spaced = a.dilations[i] === b.dilations[i] || b.kernel[i] === 1;
    const after = a.pads[i + rank]! - b.pads[i + rank]!;
    return spaced && Number.isInteger(offset) && offset >= 0 && offset + b.kernel[i]! <= a.kernel[i]! && after === (a.kernel[i]! - b.kernel[i]! - offset) * a.dilations[i]!;
  });
  if (!same || !inside) return undefined;
  const [x, weight, bias] = large.inputs as readonly [Value, Param, Param?];
  const [, smallWeight, smallBias] = small.inputs as readonly [Value, Param, Param?];
  const sum = added(weight, framed(smallWeight, a.kernel, offsets));
  return opNode('Conv', [x, sum, ...summed([bias, smallBias])], a, large.scope);
}

/** The map itself, perhaps normalized, as the kernel that keeps the centre. */
function withShortcut(conv: Conv, other: Value, rewriting: Rewriting): Conv | undefined {
  const { attrs, inputs } = conv;
  const [x, weight, bias] = inputs as readonly [Value, Param, Param?];
  const norm = rewriting.maker(other);
  const normalized = isOp(norm, 'BatchNormalization') && norm.inputs[0] === x && rewriting.readOnce(other) && norm.inputs.slice(1).every((value) => value.kind === 'param');
  if (!normalized && other !== x) return undefined;
  const centre = attrs.kernel.map((_, i) => attrs.pads[i]! / attrs.dilations[i]!);
  const inside = centre.every((cell, i) => Number.isInteger(cell) && cell < attrs.kernel[i]!);
  if (!inside || attrs.strides.some((stride) => stride !== 1) || weight.shape[0] !== x.shape[1]) return undefined;
  const affine = normalized ? normalizationOf(norm) : undefined;
  const cell = centre.reduce((at, index, i) => at * attrs.kernel[i]! + index, 0);
  const sum = added(weight, diagonal(weight, attrs.group, cell, affine?.gain ?? (() => undefined)));
  const shift = affine && vector(`${conv.scope}.shortcut.bias`, weight.dtype, x.shape[1] as number, affine.shift);
  return opNode('Conv', [x, sum, ...summed([bias, shift])], attrs, conv.scope);
}

/** The numbers of a small kernel in a frame of zeros, added to a larger one. */
function framed(small: Param, kernel: readonly number[], offsets: readonly number[]): Read {
  const values = once(() => readAll(small));
  const own = small.shape.slice(2) as readonly number[];
  const [cells, inner] = [elements({ shape: own }), elements({ shape: kernel })];
  // Where each cell of the small kernel lies in the large one.
  const places = Array.from({ length: cells }, (_, cell) => {
    let [left, place, size] = [cell, 0, 1];
    for (let i = own.length - 1; i >= 0; i--) {
      place += ((left % own[i]!) + offsets[i]!) * size;
      left = Math.floor(left / own[i]!);
      size *= kernel[i]!;
    }
    return place;
  });
  return (into, at) => {
    const numbers = values();
    for (let line = Math.floor(at / inner); line * inner < at + into.length; line++) {
      places.forEach((place, cell) => {
        const i = line * inner + place - at;
        if (i >= 0 && i < into.length) into[i]! += numbers[line * cells + cell]!;
      });
    }
  };
}

/** factor[o] where output channel o reads input channel o, at one cell of the kernel; 1 without factors. */
function diagonal(weight: Param, group: number, cell: number, factors: () => ArrayLike<number> | undefined): Read {
  const [out, perGroup] = weight.shape as readonly [number, number];
  const inner = elements({ shape: weight.shape.slice(2) });
  return (into, at) => {
    const gains = factors();
    const row = perGroup * inner;
    for (let o = Math.floor(at / row); o < out && o * row < at + into.length; o++) {
      const i = o * row + (o % perGroup) * inner + cell - at;
      if (i >= 0 && i < into.length) into[i]! += gains ? gains[o]! : 1;
    }
  };
}

/** The numbers of another tensor of the same shape, added. */
function others(param: Param): Read {
  const values = once(() => readAll(param));
  return (into, at) => {
    const numbers = values();
    for (let i = 0; i < into.length; i++) into[i]! += numbers[at + i]!;
  };
}

const summed = (biases: readonly (Param | undefined)[]): readonly Param[] => {
  const [first, second] = biases.filter((bias) => bias !== undefined);
  return first && second ? [added(first, others(second))] : first ? [first] : [];
};
