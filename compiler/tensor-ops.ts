/**
 * The tensor operations that a module's `build` records, without parameters. Every method records one ONNX
 * operator and returns its output. `module` names the nn.Module that computes the operation in PyTorch, where one
 * does: it is then counted as a layer, by its own FLOPs rule, as YOLO's summaries do.
 */
import type { DType, FeatureMap, Result, Value } from './ir/graph.js';
import type { Extent, Shape } from './ir/extent.js';
import type { AttrsOf, OpName } from './onnx/operators/index.js';
import type { Pair } from './module.js';

export type MapShape = readonly [Extent, number, Extent, Extent];
/** A recorded value of known rank. */
export type Tensor<S extends Shape = Shape> = Result<S>;

/** A value, or a number that becomes a float32 scalar. */
export type Operand = Value | number;

export interface PoolOptions {
  readonly kernel: number | Pair;
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
}

export const toPair = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value);

export abstract class TensorOps {
  /** Records one node and returns its outputs. */
  protected abstract record<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>, module?: string): readonly Result[];
  abstract constant(data: ArrayLike<number>, shape: readonly number[], dtype?: DType): Value;

  protected one<K extends OpName, S extends Shape>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>, module?: string): Tensor<S> {
    return this.record(op, inputs, attrs, module)[0] as Tensor<S>;
  }

  scalar(value: number): Value {
    return this.constant([value], []);
  }

  private binary<S extends Shape>(op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Min' | 'Max', a: Operand, b: Operand): Tensor<S> {
    // A number takes the other operand's precision.
    const dtype = typeof a === 'number' ? (b as Value).dtype : a.dtype;
    const [left, right] = [a, b].map((x) => (typeof x === 'number' ? this.constant([x], [], dtype) : x)) as [Value, Value];
    return this.one(op, [left, right], {});
  }

  // Elementwise, with broadcasting. The result has the first operand's shape type; a bigger second one needs `expand`.
  add<S extends Shape>(a: Value<S>, b: Operand): Tensor<S> {
    return this.binary('Add', a, b);
  }
  sub<S extends Shape>(a: Value<S> | number, b: Operand): Tensor<S> {
    return this.binary('Sub', a, b);
  }
  mul<S extends Shape>(a: Value<S>, b: Operand): Tensor<S> {
    return this.binary('Mul', a, b);
  }
  div<S extends Shape>(a: Value<S> | number, b: Operand): Tensor<S> {
    return this.binary('Div', a, b);
  }
  minimum<S extends Shape>(a: Value<S>, b: Operand): Tensor<S> {
    return this.binary('Min', a, b);
  }
  maximum<S extends Shape>(a: Value<S>, b: Operand): Tensor<S> {
    return this.binary('Max', a, b);
  }
  /** Truth values. */
  equal<S extends Shape>(a: Value<S>, b: Value): Tensor<S> {
    return this.one('Equal', [a, b], {});
  }
  /** `a` where the condition holds, else `b`. */
  where(condition: Value, a: Value, b: Value): Tensor {
    return this.one('Where', [condition, a, b], {});
  }
  cast<S extends Shape>(x: Value<S>, to: DType): Tensor<S> {
    return this.one('Cast', [x], { to });
  }
  sqrt<S extends Shape>(x: Value<S>): Tensor<S> {
    return this.one('Sqrt', [x], {});
  }
  reciprocal<S extends Shape>(x: Value<S>): Tensor<S> {
    return this.one('Reciprocal', [x], {});
  }
  relu<S extends Shape>(x: Value<S>, module?: string): Tensor<S> {
    return this.one('Relu', [x], {}, module);
  }
  sigmoid<S extends Shape>(x: Value<S>, module?: string): Tensor<S> {
    return this.one('Sigmoid', [x], {}, module);
  }
  tanh<S extends Shape>(x: Value<S>, module?: string): Tensor<S> {
    return this.one('Tanh', [x], {}, module);
  }
  /** Any parameter-free unary operator of the table, such as `Exp` or `HardSwish`. */
  unary<S extends Shape>(op: 'Exp' | 'Erf' | 'Softplus' | 'HardSwish' | 'Mish' | 'Gelu' | 'Abs' | 'Neg' | 'Sign' | 'Floor' | 'Round' | 'Log' | 'Identity', x: Value<S>, module?: string): Tensor<S> {
    return this.one(op, [x], {}, module);
  }
  leakyRelu<S extends Shape>(x: Value<S>, alpha: number, module?: string): Tensor<S> {
    return this.one('LeakyRelu', [x], { alpha }, module);
  }
  elu<S extends Shape>(x: Value<S>, alpha: number, module?: string): Tensor<S> {
    return this.one('Elu', [x], { alpha }, module);
  }
  hardSigmoid<S extends Shape>(x: Value<S>, alpha: number, beta: number, module?: string): Tensor<S> {
    return this.one('HardSigmoid', [x], { alpha, beta }, module);
  }
  clip<S extends Shape>(x: Value<S>, min: number, max: number, module?: string): Tensor<S> {
    return this.one('Clip', [x], { min, max }, module);
  }

  // Windows and pooling, NCHW.
  maxPool2d(x: FeatureMap, { kernel, stride = kernel, padding = 0 }: PoolOptions, module?: string): Tensor<MapShape> {
    const pads = toPair(padding);
    return this.one('MaxPool', [x], { kernel: toPair(kernel), strides: toPair(stride), pads: [...pads, ...pads], dilations: [1, 1] }, module);
  }
  /** Means of windows, in which the zeros of the padding count: AvgPool2d. */
  avgPool2d(x: FeatureMap, { kernel, stride = kernel, padding = 0 }: PoolOptions, module?: string): Tensor<MapShape> {
    const pads = toPair(padding);
    return this.one('AveragePool', [x], { kernel: toPair(kernel), strides: toPair(stride), ...(pads.some((pad) => pad > 0) ? { pads: [...pads, ...pads] } : {}) }, module);
  }
  /** AdaptiveAvgPool2d(1): [n, c, 1, 1]. */
  globalAvgPool(x: FeatureMap, module?: string): Tensor<readonly [Extent, number, 1, 1]> {
    return this.one('GlobalAveragePool', [x], {}, module);
  }
  /** AdaptiveMaxPool2d(1): [n, c, 1, 1]. */
  globalMaxPool(x: FeatureMap, module?: string): Tensor<readonly [Extent, number, 1, 1]> {
    return this.one('GlobalMaxPool', [x], {}, module);
  }
  /** Upsamples by factors; nearest as PyTorch does. */
  resize(x: FeatureMap, options: { readonly scales: Pair; readonly mode: 'nearest' | 'bilinear'; readonly alignCorners?: boolean }, module?: string): Tensor<MapShape> {
    return this.one('Resize', [x], { scales: options.scales, mode: options.mode, alignCorners: options.alignCorners ?? false }, module);
  }

  // Reductions keep the reduced axis with size 1.
  mean<S extends Shape>(x: Value<S>, axis: number, module?: string): Tensor<{ readonly [K in keyof S]: S[K] }> {
    return this.one('ReduceMean', [x], { axes: [axis], keepdims: true }, module);
  }
  max<S extends Shape>(x: Value<S>, axis: number): Tensor<S> {
    return this.one('ReduceMax', [x], { axes: [axis], keepdims: true });
  }
  sum<S extends Shape>(x: Value<S>, axes: readonly number[]): Tensor<S> {
    return this.one('ReduceSum', [x], { axes, keepdims: true });
  }
  /** √Σx² over an axis. */
  norm<S extends Shape>(x: Value<S>, axis: number): Tensor<S> {
    return this.one('ReduceL2', [x], { axes: [axis], keepdims: true });
  }
  softmax<S extends Shape>(x: Value<S>, axis: number, module?: string): Tensor<S> {
    return this.one('Softmax', [x], { axis: axis < 0 ? x.shape.length + axis : axis }, module);
  }
  /** A constant matrix [out, in], row by row, times the channels of x [n, in, l]: [n, out, l]. Arithmetic that no nn.Module does, so summaries do not count it. */
  product1d(x: Value, matrix: readonly number[], out: number): Tensor {
    const weight = this.constant(matrix, [out, matrix.length / out, 1], x.dtype);
    return this.one('Conv', [x, weight], { kernel: [1], strides: [1], pads: [0, 0], dilations: [1], group: 1 });
  }
  /** Batched product over the last two axes. */
  matmul(a: Value, b: Value, module?: string): Tensor {
    return this.one('MatMul', [a, b], {}, module);
  }

  // Arrangement.
  reshape<const S extends Shape>(x: Value, shape: S): Tensor<S> {
    return this.one('Reshape', [x], { shape });
  }
  /** A reshape whose element count holds only at sizes that the definition allows: at others the runtime fails. */
  reshapeAtRunTime<const S extends Shape>(x: Value, shape: S): Tensor<S> {
    return this.one('Reshape', [x], { shape, atRunTime: true });
  }
  transpose(x: Value, perm: readonly number[]): Tensor {
    return this.one('Transpose', [x], { perm });
  }
  expand<const S extends Shape>(x: Value, shape: S): Tensor<S> {
    return this.one('Expand', [x], { shape });
  }
  squeeze(x: Value, axes: readonly number[]): Tensor {
    return this.one('Squeeze', [x], { axes });
  }
  unsqueeze(x: Value, axes: readonly number[]): Tensor {
    return this.one('Unsqueeze', [x], { axes });
  }
  /** Joins along an axis; the result has the first one's shape type. */
  concat<S extends Shape>(parts: readonly [Value<S>, ...Value[]] | readonly Value<S>[], axis: number): Tensor<S> {
    return this.one('Concat', parts, { axis });
  }
  /** Splits an axis into parts of the given sizes. */
  split<S extends Shape>(x: Value<S>, axis: number, sizes: readonly Extent[]): readonly Tensor<S>[] {
    return this.record('Split', [x], { axis, sizes }) as readonly Tensor<S>[];
  }
  /** Elements start, start + step, … below end of one axis. */
  slice<S extends Shape>(x: Value<S>, axis: number, start: Extent, end: Extent, step = 1): Tensor<S> {
    return this.one('Slice', [x], { axis, start, end, step });
  }
  /** Rows along an axis at int64 indices (a list, or a vector). */
  gather<S extends Shape>(x: Value<S>, axis: number, indices: Value | readonly number[]): Tensor<S> {
    const vector = Array.isArray(indices) ? this.constant(indices as readonly number[], [indices.length], 'int64') : (indices as Value);
    return this.one('Gather', [x, vector], { axis });
  }
  /** Zeros around the last two axes of a map. */
  pad(x: FeatureMap, { before, after }: { readonly before: number; readonly after: number }): Tensor<MapShape> {
    return this.padded(x, [before, before, after, after]);
  }
  /** Zeros above, left, below and right of a map. */
  padded(x: FeatureMap, [top, left, bottom, right]: readonly [number, number, number, number]): Tensor<MapShape> {
    return this.one('Pad', [x], { pads: [0, 0, top, left, 0, 0, bottom, right] });
  }
  /** A map at the positions of a grid [n, h', w', 2] of x, y in -1 … 1: [n, c, h', w']. */
  gridSample(x: FeatureMap, grid: Value, attrs: AttrsOf<'GridSample'>): Tensor<MapShape> {
    return this.one('GridSample', [x, grid], attrs);
  }
  /** Positions 0, 1, … size − 1 as float32. */
  range(size: Extent): Tensor<readonly [Extent]> {
    return this.one('Range', [], { size });
  }
  /** A size as a float32 scalar. */
  size(size: Extent): Value<readonly []> {
    return typeof size === 'number' ? (this.scalar(size) as Value<readonly []>) : this.one('Size', [], { size });
  }
}
