/** Operators that only move elements, and the two that make numbers of sizes (Range, Size). */
import { add, floorDiv, isStatic, mul, product, show, showShape, sub, total, type Extent, type Shape } from '../../ir/extent.js';
import type { DType, TensorType, Value } from '../../ir/graph.js';
import { concatenate, expandTo, padWithZeros, permute, sliceOf, splitAt, takeAlong } from '../fold.js';
import { halfTable, toHalf } from '../../weights/float16.js';
import { checkAxis } from './reduction.js';
import { operand, row, shapeProblem, type Spelling } from './row.js';

const typed = (x: Value, shape: Shape): readonly TensorType[] => [{ dtype: x.dtype, shape }];

/** Squeeze and Unsqueeze take their axes as an input from opset 13 on. */
const withAxes = ({ axes }: { readonly axes: readonly number[] }, opset: number): Spelling =>
  opset >= 13 ? { operands: [{ kind: 'ints', ints: axes }] } : { attributes: { axes: { ints: axes } } };

export interface Slice {
  readonly axis: number;
  readonly start: Extent;
  /** Exclusive. */
  readonly end: Extent;
  readonly step: number;
}

export interface Reshape {
  readonly shape: Shape;
  /** The element counts cannot be proved equal for open sizes: the runtime checks them, and fails where they differ. */
  readonly atRunTime?: boolean;
}

/** ceil((end − start) / step) */
const sliceSize = ({ start, end, step }: Slice): Extent => floorDiv(add(sub(end, start), step - 1), step);

export const arrangement = {
  Concat: row<{ readonly axis: number }>({
    since: 4,
    exactness: 'exact',
    infer: (inputs, { axis }) => {
      const first = operand(inputs, 0);
      checkAxis(axis, first.shape.length);
      for (const { shape, dtype } of inputs) {
        const fits = shape.length === first.shape.length && dtype === first.dtype && shape.every((extent, i) => i === axis || extent === first.shape[i]);
        if (!fits) {
          throw shapeProblem(`maps of unequal size cannot be concatenated on axis ${axis}: ${inputs.map((x) => showShape(x.shape)).join(', ')}`);
        }
      }
      const size = total(inputs.map((x) => x.shape[axis]!));
      return typed(first, first.shape.map((extent, i) => (i === axis ? size : extent)));
    },
    spell: ({ axis }) => ({ attributes: { axis: { int: axis } } }),
    fold: (inputs, { axis }, out) => concatenate(inputs, axis, out),
  }),
  Split: row<{ readonly axis: number; readonly sizes: readonly Extent[] }>({
    since: ({ sizes }) => (isStatic(sizes) ? 2 : 13), // run-time sizes are an input only from 13 on
    exactness: 'exact',
    infer: (inputs, { axis, sizes }) => {
      const x = operand(inputs, 0);
      checkAxis(axis, x.shape.length);
      if (total(sizes) !== x.shape[axis] || sizes.some((size) => typeof size === 'number' && size < 1)) {
        throw shapeProblem(`${showShape(x.shape)} does not split into ${showShape(sizes)} on axis ${axis}`);
      }
      return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.map((extent, i) => (i === axis ? size : extent)) }));
    },
    spell: ({ axis, sizes }, opset) =>
      opset >= 13
        ? { attributes: { axis: { int: axis } }, operands: [{ kind: 'ints', ints: sizes }] }
        : { attributes: { axis: { int: axis }, split: { ints: sizes as readonly number[] } } },
    foldMany: ([x], { axis }, outputs) => splitAt(x!, axis, outputs),
  }),
  Slice: row<Slice>({
    since: 10,
    exactness: 'exact',
    infer: (inputs, attrs) => {
      const x = operand(inputs, 0);
      checkAxis(attrs.axis, x.shape.length);
      const { axis, start, end, step } = attrs;
      const whole = x.shape[axis]!;
      if (step < 1 || (typeof start === 'number' && start < 0) || (typeof end === 'number' && typeof whole === 'number' && end > whole)) {
        throw shapeProblem(`a slice [${show(start)}, ${show(end)}) in steps of ${step} is not within axis ${axis} of ${showShape(x.shape)}`);
      }
      const size = sliceSize(attrs);
      if (typeof size === 'number' && size < 1) throw shapeProblem(`an empty slice [${show(attrs.start)}, ${show(attrs.end)}) of ${showShape(x.shape)}`);
      return typed(x, x.shape.map((extent, i) => (i === attrs.axis ? size : extent)));
    },
    spell: ({ axis, start, end, step }) => ({
      operands: [[start], [end], [axis], [step]].map((ints) => ({ kind: 'ints', ints }) as const),
    }),
    fold: ([x], { axis, start, step }, out) => sliceOf(x!, axis, start as number, step, out),
  }),
  /** Rows of x along an axis, at int64 indices [k, …]. */
  Gather: row<{ readonly axis: number }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { axis }) => {
      const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
      checkAxis(axis, x.shape.length);
      if (indices.dtype !== 'int64') throw shapeProblem(`indices must be int64, got ${indices.dtype}`);
      return typed(x, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
    },
    spell: ({ axis }) => ({ attributes: { axis: { int: axis } } }),
    fold: ([x, indices], { axis }, out) => takeAlong(x!, indices!, axis, out),
  }),
  /** Zeros around x: begins of all axes, then ends. */
  Pad: row<{ readonly pads: readonly number[] }>({
    since: 11,
    exactness: 'exact',
    infer: (inputs, { pads }) => {
      const x = operand(inputs, 0);
      const rank = x.shape.length;
      if (pads.length !== 2 * rank || pads.some((pad) => pad < 0)) throw shapeProblem(`[${pads.join(', ')}] does not pad the ${rank} axes of ${showShape(x.shape)}`);
      return typed(x, x.shape.map((extent, i) => add(extent, pads[i]! + pads[i + rank]!)));
    },
    spell: ({ pads }) => ({ operands: [{ kind: 'ints', ints: pads }] }),
    fold: ([x], { pads }, out) => padWithZeros(x!, pads, out),
  }),
  Reshape: row<Reshape>({
    since: 5,
    exactness: 'exact',
    infer: (inputs, { shape, atRunTime = false }) => {
      const x = operand(inputs, 0);
      if (product(x.shape) !== product(shape) && (!atRunTime || (isStatic(x.shape) && isStatic(shape)))) {
        throw shapeProblem(`${showShape(x.shape)} does not reshape to ${showShape(shape)}`);
      }
      return typed(x, shape);
    },
    // 0 and -1 would hide from the runtime what it has to check.
    spell: ({ shape }, _, [x]) => ({ operands: [product(x!.shape) === product(shape) ? { kind: 'shape', ints: shape, of: x!.shape } : { kind: 'ints', ints: shape }] }),
    fold: ([x]) => x!.data,
  }),
  Transpose: row<{ readonly perm: readonly number[] }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { perm }) => {
      const x = operand(inputs, 0);
      if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== x.shape.length) {
        throw shapeProblem(`[${perm.join(', ')}] does not permute the axes of ${showShape(x.shape)}`);
      }
      return typed(x, perm.map((axis) => x.shape[axis]!));
    },
    spell: ({ perm }) => ({ attributes: { perm: { ints: perm } } }),
    fold: ([x], { perm }, out) => permute(x!, perm, out),
  }),
  /** x [n, block² · c, h, w], whose channels are (row in the block, column in the block, channel): [n, c, block · h, block · w]. */
  DepthToSpace: row<{ readonly block: number }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { block }) => {
      const x = operand(inputs, 0);
      const [n, c, h, w] = x.shape as readonly [Extent, Extent, Extent, Extent];
      if (x.shape.length !== 4 || typeof c !== 'number' || c % (block * block) !== 0) throw shapeProblem(`the channels of ${showShape(x.shape)} do not fill blocks of ${block} × ${block}`);
      return typed(x, [n, c / (block * block), mul(h, block), mul(w, block)]);
    },
    spell: ({ block }) => ({ attributes: { blocksize: { int: block } } }),
  }),
  Unsqueeze: row<{ readonly axes: readonly number[] }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { axes }) => {
      const x = operand(inputs, 0);
      const shape = [...x.shape];
      for (const axis of [...axes].sort((a, b) => a - b)) {
        checkAxis(axis, shape.length + 1);
        shape.splice(axis, 0, 1);
      }
      return typed(x, shape);
    },
    spell: withAxes,
    fold: ([x]) => x!.data,
  }),
  Squeeze: row<{ readonly axes: readonly number[] }>({
    since: 1,
    exactness: 'exact',
    infer: (inputs, { axes }) => {
      const x = operand(inputs, 0);
      for (const axis of axes) {
        checkAxis(axis, x.shape.length);
        if (x.shape[axis] !== 1) throw shapeProblem(`axis ${axis} of ${showShape(x.shape)} is not 1`);
      }
      return typed(x, x.shape.filter((_, i) => !axes.includes(i)));
    },
    spell: withAxes,
    fold: ([x]) => x!.data,
  }),
  Expand: row<{ readonly shape: Shape }>({
    since: 8,
    exactness: 'exact',
    infer: (inputs, { shape }) => {
      const x = operand(inputs, 0);
      const fits = x.shape.length <= shape.length && x.shape.every((extent, i) => extent === 1 || extent === shape[i + shape.length - x.shape.length]);
      if (!fits) throw shapeProblem(`${showShape(x.shape)} does not expand to ${showShape(shape)}`);
      return typed(x, shape);
    },
    // 1 keeps the input's own size: only sizes that it does not have are computed.
    spell: ({ shape }, _, [x]) => ({
      operands: [{ kind: 'ints', ints: shape.map((extent, i) => (typeof extent === 'symbol' && extent === x!.shape[i - shape.length + x!.shape.length] ? 1 : extent)) }],
    }),
    fold: ([x], _, out) => expandTo(x!, out),
  }),
  Cast: row<{ readonly to: DType }>({
    since: 9,
    exactness: 'rounded',
    infer: (inputs, { to }) => [{ dtype: to, shape: operand(inputs, 0).shape }],
    spell: ({ to }) => ({ attributes: { to: { int: { float32: 1, int64: 7, bool: 9, float16: 10 }[to] } } }),
    fold: ([x], { to }) => castTo(x!.data, to),
  }),
  /** 0, 1, … size − 1 as float32. */
  Range: row<{ readonly size: Extent }>({
    since: 11,
    exactness: 'exact',
    infer: (_, { size }) => [{ dtype: 'float32', shape: [size] }],
    spell: ({ size }) => ({
      operands: [
        { kind: 'floats', floats: [0], scalar: true },
        { kind: 'size', size, dtype: 'float32' },
        { kind: 'floats', floats: [1], scalar: true },
      ],
    }),
    fold: (_, { size }) => Float32Array.from({ length: size as number }, (__, i) => i),
  }),
  /** A size as a float32 scalar. */
  Size: row<{ readonly size: Extent }>({
    since: 1,
    exactness: 'exact',
    infer: () => [{ dtype: 'float32', shape: [] }],
    spell: ({ size }) => ({ op: 'Identity', operands: [{ kind: 'size', size, dtype: 'float32' }] }),
    fold: (_, { size }) => (typeof size === 'number' ? [size] : undefined),
  }),
};

/** As ONNX casts: to integers towards zero, to truth values by being other than 0. What no integer holds is not folded. */
function castTo(data: ArrayLike<number>, to: DType): ArrayLike<number> | undefined {
  switch (to) {
    case 'float32':
      return Float32Array.from(data);
    case 'float16':
      return Float32Array.from(data, (value) => halfTable()[toHalf(value)]!);
    case 'bool':
      return Array.from(data, (value) => Number(value !== 0));
    case 'int64': {
      const whole = Array.from(data, Math.trunc);
      return whole.every(Number.isSafeInteger) ? whole : undefined;
    }
  }
}
