/** Arithmetic on constants, for rows that can be computed when compiling. Row-major; float32 results are rounded once. */
import type { Constant, DType, TensorType } from '../ir/graph.js';

type Static = TensorType<readonly number[]>;
export type Numbers = Float32Array | number[];

const count = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

const allocate = (dtype: DType, length: number): Numbers => (dtype === 'float32' ? new Float32Array(length) : new Array<number>(length).fill(0));

/** Row-major strides, in elements. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** Axes of a walk over elements. Neighbours that one step walks through alike are one axis, those of one element none. */
function axesOf(shape: readonly number[], strides: readonly number[]): { readonly size: number; readonly stride: number }[] {
  const axes: { size: number; stride: number }[] = [];
  shape.forEach((size, i) => {
    const stride = strides[i]!;
    const before = axes.at(-1);
    if (before?.stride === stride * size) axes.splice(-1, 1, { size: before.size * size, stride });
    else if (size !== 1) axes.push({ size, stride });
  });
  return axes;
}

/** Elements of `from`, from `at` on in steps of `step`, to `length` places of `into` from `start` on. */
function copy(into: Numbers, start: number, from: ArrayLike<number>, at: number, length: number, step: number): void {
  // Calls into the engine cost more than some elements.
  if (length < 32) for (let i = 0; i < length; i++) into[start + i] = from[at + i * step]!;
  else if (step === 0) into.fill(from[at]!, start, start + length);
  else if (step === 1 && into instanceof Float32Array && from instanceof Float32Array) into.set(from.subarray(at, at + length), start);
  else for (let i = 0; i < length; i++) into[start + i] = from[at + i * step]!;
}

/** Reads `x` as if it had `shape`: output position i takes element offset + Σ index·stride. */
function readStrided(x: Constant, out: Static, strides: readonly number[], offset = 0): Numbers {
  const result = allocate(out.dtype, count(out.shape));
  const axes = axesOf(out.shape, strides);
  const line = axes.pop() ?? { size: 1, stride: 1 };
  const index = axes.map(() => 0);
  for (let i = 0, at = offset; i < result.length; i += line.size) {
    copy(result, i, x.data, at, line.size, line.stride);
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const { size, stride } = axes[axis]!;
      at += stride;
      if (++index[axis]! < size) break;
      at -= stride * size;
      index[axis] = 0;
    }
  }
  return result;
}

const shapeOf = (x: Constant): readonly number[] => x.shape as readonly number[];

export function expandTo(x: Constant, out: Static): Numbers {
  const shape = shapeOf(x);
  const own = stridesOf(shape);
  const lead = out.shape.length - shape.length;
  return readStrided(x, out, out.shape.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : own[i - lead]!)));
}

export function permute(x: Constant, perm: readonly number[], out: Static): Numbers {
  const own = stridesOf(shapeOf(x));
  return readStrided(x, out, perm.map((axis) => own[axis]!));
}

export function sliceOf(x: Constant, axis: number, start: number, step: number, out: Static): Numbers {
  const own = stridesOf(shapeOf(x));
  return readStrided(x, out, own.map((stride, i) => (i === axis ? stride * step : stride)), start * own[axis]!);
}

/** x in the middle of zeros: begins of all axes, then ends. */
export function padWithZeros(x: Constant, pads: readonly number[], out: Static): Numbers {
  const result = allocate(out.dtype, count(out.shape));
  const [shape, strides] = [shapeOf(x), stridesOf(out.shape)];
  const first = strides.reduce((at, stride, axis) => at + stride * pads[axis]!, 0);
  const index = new Array<number>(shape.length).fill(0);
  let at = first;
  for (const value of Array.from(x.data)) {
    result[at] = value;
    for (let axis = index.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

export function splitAt(x: Constant, axis: number, outputs: readonly Static[]): Numbers[] {
  let start = 0;
  return outputs.map((out) => {
    const part = sliceOf(x, axis, start, 1, out);
    start += out.shape[axis]!;
    return part;
  });
}

export function concatenate(parts: readonly Constant[], axis: number, out: Static): Numbers {
  const result = allocate(out.dtype, count(out.shape));
  const rows = count(out.shape.slice(0, axis));
  const width = count(out.shape.slice(axis));
  let column = 0;
  for (const part of parts) {
    const own = count(shapeOf(part).slice(axis));
    for (let row = 0; row < rows; row++) copy(result, row * width + column, part.data, row * own, own, 1);
    column += own;
  }
  return result;
}

export function mapUnary(x: Constant, out: Static, f: (x: number) => number): Numbers {
  const result = allocate(out.dtype, x.data.length);
  for (let i = 0; i < result.length; i++) result[i] = f(x.data[i]!);
  return result;
}

/** Σ x over axes; sums are kept in double and rounded once. */
export function sumOver(x: Constant, axes: readonly number[], out: Static): Numbers {
  const shape = shapeOf(x);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const lines = { dtype: x.dtype, shape: [...kept, ...axes].map((axis) => shape[axis]!) };
  const sorted = permute(x, [...kept, ...axes], lines);
  const sums = allocate(out.dtype, count(out.shape));
  const length = sorted.length / sums.length;
  for (let i = 0; i < sums.length; i++) {
    let sum = 0;
    for (let j = i * length; j < (i + 1) * length; j++) sum += sorted[j]!;
    sums[i] = sum;
  }
  return sums;
}

/** Rows of `x` along an axis, at indices. */
export function takeAlong(x: Constant, indices: Constant, axis: number, out: Static): Numbers | undefined {
  const shape = shapeOf(x);
  const [before, size, after] = [count(shape.slice(0, axis)), shape[axis]!, count(shape.slice(axis + 1))];
  const rows = Array.from(indices.data);
  if (rows.some((index) => index < 0 || index >= size)) return undefined;
  const result = allocate(out.dtype, count(out.shape));
  let at = 0;
  for (let i = 0; i < before; i++) {
    for (const index of rows) {
      const from = (i * size + index) * after;
      for (let k = 0; k < after; k++) result[at++] = x.data[from + k]!;
    }
  }
  return result;
}

export function broadcastBinary(a: Constant, b: Constant, out: Static, f: (a: number, b: number) => number): Numbers | undefined {
  if (out.dtype === 'float16') return undefined;
  const result = expandTo(a, { ...out, dtype: a.dtype });
  const right = b.data.length === 1 ? b.data : expandTo(b, { ...out, dtype: b.dtype });
  // One number stands for all.
  const step = b.data.length === 1 ? 0 : 1;
  if (out.dtype !== 'int64') {
    for (let i = 0; i < result.length; i++) result[i] = f(result[i]!, right[i * step]!);
    return result;
  }
  for (let i = 0; i < result.length; i++) {
    // ONNX divides integers as C does.
    const value = Math.trunc(f(result[i]!, right[i * step]!));
    if (!Number.isSafeInteger(value)) return undefined;
    result[i] = value;
  }
  return result;
}
