import type { Node, OpNode, Param, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { columnsOf, isPointwise, ownsWeights, type Conv, type Range } from './conv-parts.js';

/**
 * A 1 × 1 convolution works on every position alone, so it may come before the repetition of pixels:
 *
 *     Conv(Concat(Upsample(a), b), [w₁ w₂], bias) = Upsample(Conv(a, w₁)) + Conv(b, w₂, bias)
 *
 * with a quarter of the multiplications for a, at a factor of 2. The necks of YOLOv5 and YOLOv8 begin so. Refused: other
 * interpolation than `nearest`, a Concat or Upsample that something else than such convolutions reads, larger kernels,
 * strides, padding and groups, weights that are shared or computed.
 */
export const upsampleLater: Pass = {
  name: 'upsample-later',
  doc: 'Upsamples after 1 × 1 convolutions instead of before: fewer multiplications.',
  scope: 'every-graph',
  run: (graph) =>
    rewriteLiving(graph, (node, rewriting) => {
      if (!isOp(node, 'Conv') || !isPointwise(node)) return [node];
      const [x] = node.inputs as readonly [Value];
      const parts = partsOf(x, rewriting);
      if (!parts.some(({ resize }) => resize) || !rewriting.readers(x).every((reader) => suits(reader, rewriting))) return [node];
      const nodes = apart(node, parts);
      rewriting.replace(node.outputs[0]!, nodes.at(-1)!.outputs[0]!);
      return nodes;
    }),
};

/** All that read the joined map must be convolutions that take it apart: otherwise it would be made besides. */
const suits = (reader: Node | 'output', rewriting: Rewriting): boolean => reader !== 'output' && isOp(reader, 'Conv') && isPointwise(reader) && ownsWeights(reader, rewriting);

/** A range of the input's channels, with the node that upsamples it. */
interface Part {
  readonly value: Value;
  readonly range: Range;
  readonly resize?: OpNode & { readonly op: 'Resize' };
}

/** What the input is joined from, or the input as one part. */
function partsOf(x: Value, { maker, readOnce }: Rewriting): readonly Part[] {
  const concat = maker(x);
  const joined = isOp(concat, 'Concat') && concat.attrs.axis === 1;
  let start = 0;
  return (joined ? concat.inputs : [x]).map((value): Part => {
    const resize = maker(value);
    const range = [start, (start += value.shape[1] as number)] as const;
    const repeats = isOp(resize, 'Resize') && resize.attrs.mode === 'nearest' && resize.attrs.scales.every((scale) => scale >= 1);
    return repeats && (!joined || readOnce(value)) ? { value, range, resize } : { value, range };
  });
}

/** The convolution as a sum of convolutions, one for each upsampled part and one for the others. */
function apart(conv: Conv, parts: readonly Part[]): readonly Node[] {
  const upsampled = parts.filter(({ resize }) => resize);
  const others = parts.filter(({ resize }) => !resize);
  const [weight, ...bias] = conv.inputs.slice(1) as unknown as readonly [Param, ...Param[]];
  const groups = [...upsampled.map((part) => [part]), ...(others.length > 0 ? [others] : [])];
  const weights = groups.length === 1 ? [weight] : columnsOf(weight, groups.map((group) => group.map(({ range }) => range)));
  const nodes: Node[] = [];
  const add = (node: Node): Value => (nodes.push(node), node.outputs[0]!);
  const terms = groups.map((group, i): Value => {
    const { value, resize } = group[0]!;
    // The bias belongs to the last term.
    const operands = [weights[i]!, ...(i === groups.length - 1 ? bias : [])];
    if (resize) return add(opNode('Resize', [add(opNode('Conv', [resize.inputs[0]!, ...operands], conv.attrs, conv.scope))], resize.attrs, resize.scope));
    const x = group.length === 1 ? value : add(opNode('Concat', group.map((part) => part.value), { axis: 1 }, conv.scope));
    return add(opNode('Conv', [x, ...operands], conv.attrs, conv.scope));
  });
  terms.reduce((sum, term) => add(opNode('Add', [sum, term], {}, conv.scope)));
  return nodes;
}
