/** Operators that slide a window: Conv and pooling. All of NCHW rank, with any number of spatial dimensions. */
import { add, floorDiv, known, mul, show, showShape, type Extent } from '../../ir/extent.js';
import type { TensorType, Value } from '../../ir/graph.js';
import { elements, operand, row, shapeProblem, type None } from './row.js';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Begins, then ends: [top, left, bottom, right]. */
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** floor((size + pads − dilation·(kernel − 1) − 1) / stride) + 1 */
function slide(size: Extent, axis: number, { kernel, strides, pads, dilations }: Window): Extent {
  const span = dilations[axis]! * (kernel[axis]! - 1) + 1;
  const out = add(floorDiv(add(size, pads[axis]! + pads[axis + kernel.length]! - span), strides[axis]!), 1);
  if (typeof out === 'number' && out < 1) {
    throw shapeProblem(`a window of ${span} does not fit a map of size ${show(size)}`);
  }
  return out;
}

type Means = Pick<Window, 'kernel' | 'strides'> & Partial<Pick<Window, 'pads'>>;

const windowOf = ({ kernel, strides, pads = [...kernel, ...kernel].map(() => 0) }: Means): Window => ({ kernel, strides, pads, dilations: kernel.map(() => 1) });

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

const windowAttributes = ({ kernel, strides, pads, dilations }: Window) => ({
  kernel_shape: { ints: kernel },
  strides: { ints: strides },
  pads: { ints: pads },
  dilations: { ints: dilations },
});

function channelsOf(x: Value): number {
  if (x.shape.length < 3) throw shapeProblem(`expected [N, C, ...spatial], got ${showShape(x.shape)}`);
  return known(x.shape[1]!, 'the number of channels');
}

const spatial = (x: Value): readonly Extent[] => x.shape.slice(2);

function globalPool(inputs: readonly Value[]): readonly TensorType[] {
  const x = operand(inputs, 0);
  channelsOf(x);
  return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, ...spatial(x).map(() => 1)] }];
}

export const convolution = {
  /** x [N, C, …], w [M, C/group, …kernel], optional bias [M]. */
  Conv: row<Window & { readonly group: number }>({
    since: 1,
    exactness: 'approximate',
    infer: (inputs, attrs) => {
      const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
      const [c, out, perGroup] = [channelsOf(x), known(w.shape[0]!, 'output channels'), known(w.shape[1]!, 'channels per group')];
      if (perGroup * attrs.group !== c || out % attrs.group !== 0) {
        throw shapeProblem(`a Conv with weight ${showShape(w.shape)} and ${attrs.group} groups does not take ${c} channels`);
      }
      return [{ dtype: x.dtype, shape: [x.shape[0]!, out, ...spatial(x).map((size, i) => slide(size, i, attrs))] }];
    },
    macs: { when: 'leaf', count: ([x, w], [y]) => elements(y!) * elements({ shape: w!.shape.slice(1) }) * (x ? 1 : 0) },
    spell: (attrs) => ({ attributes: { ...windowAttributes(attrs), group: { int: attrs.group } } }),
  }),
  /** x [N, C, …], w [C, M/group, …kernel], optional bias [M]: size (size − 1)·stride − pads + kernel. */
  ConvTranspose: row<Omit<Window, 'dilations'> & { readonly group: number }>({
    since: 1,
    exactness: 'approximate',
    infer: (inputs, { kernel, strides, pads, group }) => {
      const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
      const [c, perGroup] = [channelsOf(x), known(w.shape[1]!, 'channels per group')];
      const fits = w.shape[0] === c && c % group === 0 && kernel.every((size, i) => size === w.shape[i + 2]) && w.shape.length === kernel.length + 2;
      if (!fits) throw shapeProblem(`a ConvTranspose with weight ${showShape(w.shape)} and ${group} groups does not take ${c} channels`);
      const sizes = spatial(x).map((size, i) => add(mul(add(size, -1), strides[i]!), kernel[i]! - pads[i]! - pads[i + kernel.length]!));
      if (sizes.some((size) => typeof size === 'number' && size < 1)) throw shapeProblem(`pads of [${pads.join(', ')}] leave nothing of a map ${showShape(x.shape)}`);
      return [{ dtype: x.dtype, shape: [x.shape[0]!, perGroup * group, ...sizes] }];
    },
    macs: { when: 'leaf', count: ([x, w]) => elements(x!) * elements({ shape: w!.shape.slice(1) }) },
    spell: ({ kernel, strides, pads, group }) => ({ attributes: { kernel_shape: { ints: kernel }, strides: { ints: strides }, pads: { ints: pads }, group: { int: group } } }),
  }),
  MaxPool: row<Window>({
    since: 10,
    exactness: 'exact',
    infer: (inputs, attrs) => {
      const x = operand(inputs, 0);
      channelsOf(x);
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...spatial(x).map((size, i) => slide(size, i, attrs))] }];
    },
    spell: (attrs) => ({ attributes: windowAttributes(attrs) }),
  }),
  /** Mean of a window; the zeros of the padding count. */
  AveragePool: row<Means>({
    since: 7,
    exactness: 'approximate',
    infer: (inputs, attrs) => {
      const x = operand(inputs, 0);
      channelsOf(x);
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...spatial(x).map((size, i) => slide(size, i, windowOf(attrs)))] }];
    },
    macs: { when: 'leaf', count: (_, [y], { kernel }) => elements(y!) * (product(kernel) + 1) },
    spell: ({ kernel, strides, pads }) => ({
      attributes: { kernel_shape: { ints: kernel }, strides: { ints: strides }, ...(pads ? { pads: { ints: pads }, count_include_pad: { int: 1 } } : {}) },
    }),
  }),
  GlobalAveragePool: row<None>({
    since: 1,
    exactness: 'approximate',
    infer: globalPool,
    macs: { when: 'leaf', count: ([x], [y]) => elements(x!) + elements(y!) },
  }),
  GlobalMaxPool: row<None>({ since: 1, exactness: 'exact', infer: globalPool }),
};
