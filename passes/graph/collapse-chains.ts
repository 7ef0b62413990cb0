import { isStatic, product, type Shape } from '../../compiler/ir/extent.js';
import type { Graph, OpNode, Value } from '../../compiler/ir/graph.js';
import type { AttrsOf, OpName } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';

/**
 * What only moves, renames or copies elements is done once, or not at all:
 *
 *     Identity(x) = x,  Cast to its own type, Expand, Reshape to its own shape, Transpose by (0, 1, 2, …), whole Slices, Concat of one = x
 *     x · 1 = x / 1 = x + 0 = x − 0 = x
 *     Reshape(Reshape(x)) = Reshape(x),  Transpose(Transpose(x)) = Transpose(x),  Cast(Cast(x)) = Cast(x) where the first loses nothing
 *     Transpose(x) = Reshape(x) where only axes of size 1 move
 *     Concat(…, Concat(x, y)) = Concat(…, x, y),  Concat(Split(x)) = x
 *     Reshape(Concat(Reshape(x), Reshape(y))) = Concat(Reshape(x), Reshape(y)) where the joined axis stays whole
 *
 * Refused: a reshape that would need sizes computed at run time, a Concat or Reshape in between that something else reads too.
 */
export const collapseChains: Pass = {
  name: 'collapse-chains',
  doc: 'Removes what changes nothing; merges chains of reshapes, transposes, casts and concatenations.',
  scope: 'every-graph',
  run: settled,
};

/** Until no rule fits: what goes may have been the second reader of what a rule wants for itself. */
function settled(graph: Graph): Graph {
  const next = rewriteLiving(graph, (node, rewriting) => {
    if (node.kind !== 'op') return [node];
    const before: OpNode[] = [];
    const result = collapsed(node, rewriting, before);
    if (!result) return [node];
    rewriting.replace(node.outputs[0]!, result.kind === 'op' ? result.outputs[0]! : result);
    return result.kind === 'op' ? [...before, result] : before;
  });
  return next === graph ? graph : settled(next);
}

/** One rule: what the node's result is as well, perhaps with nodes to put before it. */
type Rule<K extends OpName> = (node: OpNode & { readonly op: K }, rewriting: Rewriting, before: OpNode[]) => OpNode | Value | undefined;

function collapsed(node: OpNode, rewriting: Rewriting, before: OpNode[]): OpNode | Value | undefined {
  return (rules[node.op] as Rule<OpName> | undefined)?.(node, rewriting, before);
}

const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((extent, i) => extent === b[i]);

/** A neutral second operand that does not broadcast the first. */
const neutral =
  (number: number): Rule<'Add'> =>
  ({ inputs: [x, by], outputs: [y] }) =>
    by?.kind === 'constant' && Array.prototype.every.call(by.data, (value) => value === number) && sameShape(x!.shape, y!.shape) ? x : undefined;

/** Add and Mul, either operand of which may be the neutral one. */
const commutative =
  (number: number): Rule<'Add'> =>
  (node, rewriting, before) =>
    neutral(number)(node, rewriting, before) ?? neutral(number)({ ...node, inputs: node.inputs.toReversed() }, rewriting, before);

/** Every value of the first type is one of the second. */
const holds = (wide: string, narrow: string): boolean => wide === narrow || narrow === 'bool' || (narrow === 'float16' && wide === 'float32');

const rules: { readonly [K in OpName]?: Rule<K> } = {
  Identity: ({ inputs: [x] }) => x,
  Add: commutative(0),
  Sub: neutral(0) as unknown as Rule<'Sub'>,
  Mul: commutative(1) as unknown as Rule<'Mul'>,
  Div: neutral(1) as unknown as Rule<'Div'>,
  Cast({ inputs: [x], attrs: { to }, scope }, { maker }) {
    if (x!.dtype === to) return x;
    const inner = maker(x!);
    return isOp(inner, 'Cast') && holds(x!.dtype, inner.inputs[0]!.dtype) ? opNode('Cast', inner.inputs, { to }, scope) : undefined;
  },
  Expand: ({ inputs: [x], attrs: { shape } }) => (sameShape(x!.shape, shape) ? x : undefined),
  Slice: ({ inputs: [x], attrs: { axis, start, end, step } }) => (start === 0 && step === 1 && end === x!.shape[axis] ? x : undefined),
  Split: ({ inputs: [x], outputs }) => (outputs.length === 1 ? x : undefined),
  Pad: ({ inputs: [x], attrs: { pads } }) => (pads.every((pad) => pad === 0) ? x : undefined),
  Resize: ({ inputs: [x], attrs: { scales } }) => (scales[0] === 1 && scales[1] === 1 ? x : undefined),
  Squeeze: (node, { maker }) => reshaped(node, maker(node.inputs[0]!)),
  Unsqueeze: (node, { maker }) => reshaped(node, maker(node.inputs[0]!)),
  Reshape(node, rewriting, before) {
    if (node.attrs.atRunTime) return undefined;
    return sameShape(node.inputs[0]!.shape, node.attrs.shape) ? node.inputs[0] : (reshaped(node, rewriting.maker(node.inputs[0]!)) ?? reshapedBeforeConcat(node, rewriting, before));
  },
  Transpose({ inputs: [x], attrs: { perm }, outputs: [y], scope }, { maker }) {
    if (perm.every((axis, i) => axis === i)) return x;
    const inner = maker(x!);
    if (isOp(inner, 'Transpose')) return opNode('Transpose', inner.inputs, { perm: perm.map((axis) => inner.attrs.perm[axis]!) }, scope);
    const moved = perm.filter((axis) => x!.shape[axis] !== 1);
    const kept = moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
    return kept && cheap(x!.shape, y!.shape) ? opNode('Reshape', [x!], { shape: y!.shape }, scope) : undefined;
  },
  Concat(node, { maker, readOnce }) {
    const { inputs, attrs, scope } = node;
    if (inputs.length === 1) return inputs[0];
    const whole = joinedAgain(node, maker(inputs[0]!));
    if (whole) return whole;
    const parts = inputs.flatMap((value) => {
      const inner = maker(value);
      return isOp(inner, 'Concat') && inner.attrs.axis === attrs.axis && readOnce(value) ? inner.inputs : [value];
    });
    return parts.length === inputs.length ? undefined : opNode('Concat', parts, attrs, scope);
  },
};

/** All parts of a Split, in order. */
function joinedAgain({ inputs, attrs }: OpNode & { readonly op: 'Concat' }, split: ReturnType<Rewriting['maker']>): Value | undefined {
  const same = isOp(split, 'Split') && split.attrs.axis === attrs.axis && split.outputs.length === inputs.length && split.outputs.every((part, i) => part === inputs[i]);
  return same ? split.inputs[0] : undefined;
}

const RESHAPES: ReadonlySet<OpName> = new Set(['Reshape', 'Squeeze', 'Unsqueeze'] as const);

/** A reshape of a reshape, whatever the two are called. */
function reshaped({ outputs: [y], scope }: OpNode, inner: ReturnType<Rewriting['maker']>): OpNode | Value | undefined {
  if (inner?.kind !== 'op' || !RESHAPES.has(inner.op) || (isOp(inner, 'Reshape') && inner.attrs.atRunTime)) return undefined;
  const [x] = inner.inputs;
  if (sameShape(x!.shape, y!.shape)) return x;
  return cheap(x!.shape, y!.shape) ? opNode('Reshape', [x!], { shape: y!.shape }, scope) : undefined;
}

/** Whether a Reshape finds the sizes without arithmetic: known, the same at the same place, or the one that is left. */
const cheap = (from: Shape, to: Shape): boolean => isStatic(to) || to.filter((extent, i) => typeof extent === 'symbol' && extent !== from[i]).length <= 1;

/** The reshapes before a Concat take over what the one after it does. */
function reshapedBeforeConcat({ inputs: [joined], attrs: { shape }, scope }: OpNode & { readonly op: 'Reshape' }, { maker, readOnce }: Rewriting, before: OpNode[]): OpNode | undefined {
  const concat = maker(joined!);
  if (!isOp(concat, 'Concat') || !readOnce(joined!)) return undefined;
  const parts = concat.inputs.map((value) => (readOnce(value) ? maker(value) : undefined));
  if (!parts.every((part) => isOp(part, 'Reshape') && !part.attrs.atRunTime)) return undefined;
  const axis = sameAxis(joined!.shape, concat.attrs.axis, shape);
  if (axis === undefined) return undefined;
  const shapes = concat.inputs.map((value) => shape.map((extent, i) => (i === axis ? value.shape[concat.attrs.axis]! : extent)));
  if (!parts.every((part, i) => cheap(part!.inputs[0]!.shape, shapes[i]!))) return undefined;
  const reshapes = parts.map((part, i) => opNode('Reshape', part!.inputs, { shape: shapes[i]! }, (part as OpNode).scope));
  before.push(...reshapes);
  return opNode('Concat', reshapes.map(({ outputs }) => outputs[0]!), { axis } satisfies AttrsOf<'Concat'>, scope);
}

/** Where an axis is after a reshape that leaves it whole. */
function sameAxis(from: Shape, axis: number, to: Shape): number | undefined {
  const before = product(from.slice(0, axis));
  const found = to.findIndex((extent, i) => extent === from[axis] && product(to.slice(0, i)) === before);
  return found < 0 ? undefined : found;
}
