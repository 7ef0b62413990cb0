/** Graphs of what passes look for, made of random steps: a step that does not fit what is there is left out. */
import fc from 'fast-check';
import type { Builder } from '../compiler/builder.js';
import { Problem } from '../compiler/errors.js';
import { evaluate, floorDiv, input, isStatic, mul, product, type Extent, type Shape } from '../compiler/ir/extent.js';
import type { Graph, Param, Value } from '../compiler/ir/graph.js';
import { rowOf, type AttrsOf, type OpName } from '../compiler/onnx/operators/index.js';
import { recordGraph, Recorder, sizeOf } from './graphs.js';

/** Numbers that choose what a step reads and how it works; 0 is the last value, the plainest form. */
interface Choice {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Step extends Choice {
  readonly kind: string;
}

export interface RandomGraph {
  readonly steps: readonly Step[];
  readonly open: 'none' | 'batch' | 'all';
  readonly sizes: Sizes;
  /** Which values are outputs as well, beside those that nothing reads. */
  readonly outputs: readonly number[];
}

export interface Sizes extends Readonly<Record<string, number>> {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** Values with more elements are not made. */
const MOST_ELEMENTS = 6000;

/** What a graph of open sizes is run at, beside its own. */
export const otherSizes = ({ batch, height, width }: Sizes, open: RandomGraph['open']): Sizes => ({ batch: (batch % 3) + 1, height: open === 'all' ? (height % 5) + 2 : height, width: open === 'all' ? (width % 4) + 3 : width });

export function build({ steps, open, sizes, outputs }: RandomGraph): Graph {
  const size = (name: keyof Sizes & string): Extent => (open === 'all' || (open === 'batch' && name === 'batch') ? input(name) : sizes[name]!);
  const shape = [size('batch'), 6, size('height'), size('width')];
  const runs = [sizes, otherSizes(sizes, open)];
  return recordGraph([{ shape }, { dtype: 'bool', shape: [size('batch'), 4] }], (g, x, flags) => {
    const pool = new Pool(g, [flags, x], runs, 'p');
    for (const step of steps) pool.take(step);
    return pool.results(outputs);
  });
}

class Pool {
  private readonly read = new Set<Value>();
  private made = 0;
  private last: Step = { kind: 'unary', a: 0, b: 0, c: 0 };
  /** How many values there were before the last step. */
  private before: number;

  constructor(
    private readonly g: Builder,
    private readonly values: Value[],
    private readonly runs: readonly Sizes[],
    private readonly prefix: string,
  ) {
    this.before = values.length;
  }

  /** Most of what nothing reads, and what is chosen. */
  results(chosen: readonly number[]): readonly Value[] {
    const unread = this.values.filter((value) => !this.read.has(value) && value.kind === 'result');
    return [...new Set([...unread.filter((_, i) => i % 4 !== 3), ...chosen.map((n) => this.pick(n)), this.values.at(-1)!])];
  }

  /** `again`: the last step once more, with what there was before it. */
  take(step: Step): void {
    const later = step.kind === 'again' ? this.values.splice(this.before) : [];
    if (step.kind !== 'again') this.last = step;
    this.before = this.values.length;
    try {
      kinds[this.last.kind]!(this, this.last);
    } catch (error) {
      if (!(error instanceof Problem) && error !== UNFIT) throw error;
    }
    this.values.push(...later);
  }

  pick(n: number): Value {
    return this.values.at(-1 - (n % this.values.length))!;
  }

  pickWhere(n: number, good: (value: Value) => boolean): Value {
    const found = this.values.filter(good);
    return found.at(-1 - (n % found.length)) ?? unfit();
  }

  /** [n, c, h, w] with known channels. */
  map(n: number): Value<readonly [Extent, number, Extent, Extent]> {
    return this.pickWhere(n, ({ shape, dtype }) => shape.length === 4 && typeof shape[1] === 'number' && dtype === 'float32') as Value<readonly [Extent, number, Extent, Extent]>;
  }

  float(n: number): Value {
    return this.pickWhere(n, ({ dtype }) => dtype === 'float32');
  }

  op<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>): readonly Value[] {
    const types = rowOf(op).infer(inputs, attrs);
    if (!types.every(({ shape }) => this.runs.every((run) => fitting(shape, run)))) unfit();
    const results = recorded(this.g, op, inputs, attrs);
    for (const value of inputs) this.read.add(value);
    this.values.push(...results);
    return results;
  }

  one<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>): Value {
    return this.op(op, inputs, attrs)[0]!;
  }

  /** A trained tensor; every eighth choice is one that is there. */
  param(leaf: string, shape: readonly number[], share: number): Param {
    const name = share % 8 === 7 ? `${this.prefix}.shared.${shape.join('x')}.${leaf}` : `${this.prefix}${this.made++}.${leaf}`;
    return this.g.param(name, shape);
  }

  constant(data: readonly number[], shape: readonly number[]): Value {
    return this.g.constant(data, shape);
  }

  indices(data: readonly number[]): Value {
    return this.g.constant(data, [data.length], 'int64');
  }

  /** A body of its own for a few steps. */
  call(x: Value, steps: readonly Step[]): void {
    this.read.add(x);
    const results = this.g.call('F', {}, [x], (inner, formal) => {
      const body = new Pool(inner, [formal], this.runs, `${this.prefix}${this.made++}.f`);
      for (const step of steps) body.take(step);
      return body.results([]);
    });
    this.values.push(...results);
  }
}

/** What a Recorder does, with the builder of a body too. */
function recorded<K extends OpName>(g: Builder, op: K, inputs: readonly Value[], attrs: AttrsOf<K>): readonly Value[] {
  return Recorder.prototype.op.bind(g)(op, inputs, attrs);
}

const UNFIT = new Error('the step does not fit');
const unfit = (): never => {
  throw UNFIT;
};

function fitting(shape: Shape, run: Sizes): boolean {
  const known = shape.map((extent) => evaluate(extent, run));
  return known.every((size) => size >= 1) && sizeOf(known) <= MOST_ELEMENTS;
}

const CHANNELS = [4, 6, 2, 8, 1, 12];
const at = <T>(items: readonly T[], n: number): T => items[n % items.length]!;

function conv(pool: Pool, x: Value<readonly [Extent, number, Extent, Extent]>, { b, c }: Choice, out = at(CHANNELS, b)): Value {
  const kernel = at([1, 3, 1, 5, 2], c);
  const stride = at([1, 1, 1, 2], c >> 2);
  const dilation = at([1, 1, 2], b >> 2);
  const group = at([1, 1, 2], c >> 3);
  const padding = c % 7 === 6 ? 0 : Math.floor((dilation * (kernel - 1)) / 2);
  if (x.shape[1] % group !== 0 || out % group !== 0) unfit();
  const weight = pool.param('weight', [out, x.shape[1] / group, kernel, kernel], b);
  const bias = c % 2 === 0 ? [pool.param('bias', [out], b >> 1)] : [];
  return pool.one('Conv', [x, weight, ...bias], { kernel: [kernel, kernel], strides: [stride, stride], pads: [padding, padding, padding, padding], dilations: [dilation, dilation], group });
}

const POINT = { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };

function norm(pool: Pool, x: Value, share: number): Value {
  const statistics = ['weight', 'bias', 'running_mean', 'running_var'].map((leaf) => pool.param(`bn.${leaf}`, [x.shape[1] as number], share));
  return pool.one('BatchNormalization', [x, ...statistics], { epsilon: 0.001 });
}

const silu = (pool: Pool, x: Value): Value => pool.one('Mul', [x, pool.one('Sigmoid', [x], {})], {});

/** A shape with as many elements, where one is easily told. */
function reshaped(shape: Shape, n: number): Shape {
  const [first, second, ...rest] = shape as readonly [Extent, Extent, ...Extent[]];
  switch (n % 6) {
    case 0:
      return [first, second, product(rest)];
    case 1:
      return typeof second === 'number' && second % 2 === 0 ? [first, 2, second / 2, ...rest] : [first, 1, second, ...rest];
    case 2:
      return [mul(first, second), ...rest];
    case 3:
      return [product(shape)];
    case 4:
      return [first, product([second, ...rest]), 1, 1];
    default:
      return rest.length > 0 ? [first, mul(second, rest[0]!), ...rest.slice(1)] : [1, first, second];
  }
}

const permutation = (rank: number, n: number): number[] => {
  const left = Array.from({ length: rank }, (_, i) => i);
  return Array.from({ length: rank }, (_, i) => left.splice((n >> (2 * i)) % left.length, 1)[0]!);
};

const kinds: Readonly<Record<string, (pool: Pool, choice: Choice) => Value>> = {
  conv: (pool, step) => conv(pool, pool.map(step.a), step),
  convNormSilu: (pool, step) => silu(pool, norm(pool, conv(pool, pool.map(step.a), step), step.c)),
  norm: (pool, { a, b }) => norm(pool, pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length >= 2 && typeof shape[1] === 'number'), b),
  normConv: (pool, { a, b, c }) => conv(pool, norm(pool, pool.map(a), b) as ReturnType<Pool['map']>, { a, b, c }),
  silu: (pool, { a }) => silu(pool, pool.float(a)),
  unary: (pool, { a, b }) => pool.one(at(['Relu', 'Sigmoid', 'Tanh', 'Identity', 'HardSwish', 'Abs'] as const, b), [pool.float(a)], {}),
  clip: (pool, { a }) => pool.one('Clip', [pool.float(a)], { min: -1, max: 2 }),
  add: (pool, { a, b }) => {
    const x = pool.float(a);
    return pool.one('Add', [x, pool.pickWhere(b, ({ shape, dtype }) => dtype === 'float32' && shape.length === x.shape.length && shape.every((extent, i) => extent === x.shape[i]))], {});
  },
  /** Channels in another order, or some of them twice, convolved. */
  shuffled: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const order = [...Array(x.shape[1]).keys()].map((i) => (b % 4 === 3 ? x.shape[1] - 1 - i : (i + 1 + (b >> 4)) % x.shape[1]));
    if (b % 8 === 7) order[0] = order.at(-1)!;
    const gathered = pool.one('Gather', [x, pool.indices(order)], { axis: 1 });
    return conv(pool, gathered as ReturnType<Pool['map']>, { a, b: c, c: b });
  },
  /** Parallel convolutions, normalizations and the map itself, added in some order. */
  branches: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const out = b % 3 === 2 ? at(CHANNELS, b) : x.shape[1];
    const branch = (n: number): Value => {
      if (n % 4 === 2 && out === x.shape[1]) return norm(pool, x, n >> 2);
      if (n % 4 === 3 && out === x.shape[1]) return x;
      const kernel = n % 2 === 0 ? 3 : 1;
      const weight = pool.param('weight', [out, x.shape[1], kernel, kernel], n >> 1);
      const bias = n % 8 < 4 ? [pool.param('bias', [out], n)] : [];
      const stride = a % 4 === 3 ? 2 : 1;
      return pool.one('Conv', [x, weight, ...bias], { ...POINT, kernel: [kernel, kernel], strides: [stride, stride], pads: new Array<number>(4).fill((kernel - 1) / 2) });
    };
    const sum = pool.one('Add', [branch(b), branch(c)], {});
    return c % 3 === 0 ? sum : pool.one('Add', [sum, branch(a + c)], {});
  },
  concat: (pool, { a, b, c }) => {
    const x = pool.float(a);
    const axis = c % 4 === 3 ? x.shape.length - 1 : Math.min(1, x.shape.length - 1);
    const fits = ({ shape, dtype }: Value): boolean => dtype === 'float32' && shape.length === x.shape.length && shape.every((extent, i) => i === axis || extent === x.shape[i]);
    return pool.one('Concat', [x, ...Array.from({ length: (c % 3) + (c % 5 === 4 ? 0 : 1) }, (_, i) => pool.pickWhere(b + i, fits))], { axis });
  },
  concats: (pool, { a, b, c }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length >= 2);
    const inner = [0, 1].map(() => pool.one('Concat', [x, x], { axis: b % 2 }));
    return pool.one('Concat', inner, { axis: c % 2 });
  },
  split: (pool, { a, b, c }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length >= 2 && typeof shape[1] === 'number' && shape[1] > 1);
    const size = x.shape[1] as number;
    const first = (b % (size - 1)) + 1;
    const parts = pool.op('Split', [x], { axis: 1, sizes: c % 4 === 3 ? [size] : [first, size - first] });
    return c % 4 === 2 ? pool.one('Concat', c % 8 === 6 ? parts.toReversed() : parts, { axis: b % 5 === 4 && 2 * first === size ? 0 : 1 }) : parts[0]!;
  },
  resize: (pool, { a, b }) => pool.one('Resize', [pool.map(a)], { scales: at([[2, 2], [2, 2], [1, 1], [1, 2]] as const, b), mode: b % 5 === 4 ? 'bilinear' : 'nearest', alignCorners: false }),
  /** A neck: an upsampled map, joined with another, convolved. */
  neck: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const up = pool.one('Resize', [x], { scales: [2, 2], mode: 'nearest', alignCorners: false });
    const other = b % 4 === 3 ? up : pool.one('Tanh', [pool.one('Resize', [x], { scales: [2, 2], mode: c % 4 === 3 ? 'bilinear' : 'nearest', alignCorners: false })], {});
    const joined = pool.one('Concat', b % 2 === 0 ? [up, other] : [other, up], { axis: 1 });
    const y = pool.one('Conv', [joined, pool.param('weight', [4, joined.shape[1] as number, 1, 1], b)], POINT);
    return c % 2 === 0 ? y : pool.one('Conv', [joined, pool.param('weight', [2, joined.shape[1] as number, 1, 1], c), pool.param('bias', [2], c)], POINT);
  },
  /** C2f's begin. */
  halves: (pool, { a, b, c }) => {
    const x = conv(pool, pool.map(a), { a, b, c: c % 2 }, 6);
    const activated = c % 8 === 7 ? x : c % 4 === 2 ? pool.one('Relu', [silu(pool, x)], {}) : silu(pool, x);
    const parts = pool.op('Split', [activated], { axis: 1, sizes: at([[3, 3], [1, 2, 3], [5, 1], [3, 3]], b) });
    return b % 4 === 3 ? pool.one('Add', parts, {}) : b % 4 === 2 ? pool.op('Split', [parts[0]!], { axis: 1, sizes: [2, 3] })[1]! : parts[1]!;
  },
  /** C2f's and C3's ends: some maps joined and convolved. */
  joined: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const fits = ({ shape, dtype }: Value): boolean => dtype === 'float32' && shape.length === 4 && typeof shape[1] === 'number' && [0, 2, 3].every((axis) => shape[axis] === x.shape[axis]);
    const concat = pool.one('Concat', [x, ...Array.from({ length: 2 + (c % 3) }, (_, i) => pool.pickWhere(b + i, fits))], { axis: 1 });
    return pool.one('Conv', [concat, pool.param('weight', [4, concat.shape[1] as number, 1, 1], b), pool.param('bias', [4], c)], POINT);
  },
  reshape: (pool, { a, b }) => {
    const x = pool.float(a);
    return pool.one('Reshape', [x], { shape: x.shape.length < 2 ? [1, ...x.shape] : reshaped(x.shape, b) });
  },
  /** Maps in lines, joined, and arranged otherwise. */
  lines: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const [n, channels, height] = x.shape;
    const other = pool.one('Concat', [x, x], { axis: 3 });
    const shape = (map: Value): Shape => at([[n, channels, product(map.shape.slice(2))], [n, 1, channels, product(map.shape.slice(2))], [mul(n, channels), height, map.shape[3]!], [product([n, channels, height]), map.shape[3]!]], b);
    const parts = [other, x, ...(c % 2 === 0 ? [other] : [])].map((map) => pool.one('Reshape', [map], { shape: shape(map) }));
    const joined = pool.one('Concat', parts, { axis: c % 5 === 4 ? 0 : parts[0]!.shape.length - 1 });
    const [first, second, ...rest] = joined.shape as readonly [Extent, Extent, ...Extent[]];
    return pool.one('Reshape', [joined], { shape: at<Shape>([[1, first, second, ...rest], [mul(first, second), ...rest], [first, 1, second, ...rest], [first, second, ...rest, 1], reshaped(joined.shape, c)], b >> 2) });
  },
  /** Back to a map. */
  unflatten: (pool, { a, b }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length !== 4 && shape.length > 0);
    const all = product(x.shape);
    const channels = at([4, 2, 6, 1], b);
    const width = floorDiv(all, channels);
    if (mul(width, channels) !== all) unfit();
    return pool.one('Reshape', [x], { shape: [1, channels, 1, width] });
  },
  transpose: (pool, { a, b }) => {
    const x = pool.float(a);
    return pool.one('Transpose', [x], { perm: permutation(x.shape.length, b) });
  },
  transposes: (pool, { a, b, c }) => {
    const x = pool.float(a);
    const once = pool.one('Transpose', [x], { perm: permutation(x.shape.length, b) });
    return pool.one('Transpose', [once], { perm: permutation(x.shape.length, c) });
  },
  squeeze: (pool, { a }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.includes(1) && shape.length > 1);
    return pool.one('Squeeze', [x], { axes: [x.shape.indexOf(1)] });
  },
  unsqueeze: (pool, { a, b }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length < 5);
    return pool.one('Unsqueeze', [x], { axes: [b % (x.shape.length + 1)] });
  },
  cast: (pool, { a, b }) => pool.one('Cast', [b % 3 === 0 ? pool.float(a) : pool.pickWhere(a, ({ dtype }) => dtype !== 'float32')], { to: b % 3 === 0 ? 'float32' : at(['float32', 'int64', 'bool', 'float16'] as const, b >> 2) }),
  slice: (pool, { a, b }) => {
    const x = pool.float(a);
    const axis = b % x.shape.length;
    const size = x.shape[axis]!;
    if (typeof size !== 'number' || b % 3 === 0) return pool.one('Slice', [x], { axis, start: 0, end: size, step: 1 });
    return pool.one('Slice', [x], { axis, start: b % size, end: size, step: 1 + (b % 2) });
  },
  pad: (pool, { a, b }) => pool.one('Pad', [pool.map(a)], { pads: b % 2 === 0 ? new Array<number>(8).fill(0) : [0, 0, 1, 0, 0, 0, 0, 1] }),
  expand: (pool, { a, b }) => {
    const x = pool.float(a);
    return pool.one('Expand', [x], { shape: x.shape.map((extent, i) => (extent === 1 && b % 3 === i % 3 ? 2 : extent)) });
  },
  neutral: (pool, { a, b, c }) => {
    const x = pool.float(a);
    const op = at(['Add', 'Mul', 'Sub', 'Div'] as const, b);
    const number = op === 'Add' || op === 'Sub' ? 0 : 1;
    const by = c % 3 === 2 ? pool.constant([number, number], x.shape.length > 0 ? [2, ...x.shape.map(() => 1)] : [2]) : pool.constant([c % 4 === 3 ? 2 : number], []);
    return pool.one(op, b % 8 === 1 ? [by, x] : [x, by], {});
  },
  expectation: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const shares = pool.one('Softmax', [x], { axis: c % 4 === 3 ? 3 : 1 });
    const bias = c % 5 === 4 ? [pool.param('bias', [1], c)] : [];
    return pool.one('Conv', [shares, pool.param('weight', [b % 5 === 4 && bias.length === 0 ? 2 : 1, x.shape[1], 1, 1], b), ...bias], { ...POINT, strides: c % 6 === 5 ? [2, 2] : [1, 1] });
  },
  linear: (pool, { a, b, c }) => {
    const x = pool.pickWhere(a, ({ shape, dtype }) => dtype === 'float32' && shape.length >= 2 && isStatic(shape.slice(1)));
    const size = sizeOf(x.shape.slice(1) as readonly number[]);
    const flat = pool.one('Reshape', [x], { shape: [x.shape[0]!, size] });
    const y = pool.one('Gemm', [b % 3 === 1 ? norm(pool, flat, c) : flat, pool.param('weight', [4, size], b), ...(c % 2 === 0 ? [pool.param('bias', [4], c)] : [])], {});
    return b % 3 === 2 ? norm(pool, y, c) : y;
  },
  transposed: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const group = x.shape[1] % 2 === 0 && c % 3 === 2 ? 2 : 1;
    const y = pool.one('ConvTranspose', [x, pool.param('weight', [x.shape[1], 4 / group, 2, 2], b), ...(c % 2 === 0 ? [pool.param('bias', [4], c)] : [])], { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], group });
    return b % 2 === 0 ? norm(pool, y, c) : y;
  },
  normOverConcat: (pool, { a, b, c }) => {
    const x = pool.map(a);
    const joined = pool.one('Concat', [conv(pool, x, { a, b, c: c % 2 }), conv(pool, x, { a, b: b >> 1, c: (c >> 1) % 2 })], { axis: 1 });
    return norm(pool, joined, c);
  },
  call: (pool, { a, b, c }) => {
    const step = (n: number): Step => ({ kind: at(inBodies, n), a: n % 3, b: c, c: b });
    pool.call(pool.map(a), [step(b), step(c), step(b + c)]);
    return pool.pick(0);
  },
};

const inBodies = ['convNormSilu', 'reshape', 'branches', 'unary', 'joined', 'split', 'neck', 'transpose', 'concat', 'expectation', 'norm', 'conv'];

const number = fc.nat({ max: 63 });

export const randomGraph: fc.Arbitrary<RandomGraph> = fc.record({
  steps: fc.array(fc.record({ kind: fc.constantFrom(...Object.keys(kinds), 'again'), a: fc.nat({ max: 5 }), b: number, c: number }), { minLength: 2, maxLength: 14, size: 'max' }),
  open: fc.constantFrom('none', 'batch', 'all'),
  sizes: fc.record({ batch: fc.integer({ min: 1, max: 3 }), height: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 6 }) }),
  outputs: fc.array(fc.nat({ max: 12 }), { maxLength: 2 }),
});
