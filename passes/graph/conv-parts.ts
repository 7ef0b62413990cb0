/** Convolutions taken apart: their weights by output or input channels, read in place. */
import type { OpNode, Param, Read } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';
import type { Rewriting } from '../rewrite.js';

export type Conv = OpNode & { readonly op: 'Conv' };

/** Whether a pass may replace the tensors of a Conv: they are the file's, and nobody else's. */
export const ownsWeights = ({ inputs }: OpNode, { readOnce }: Rewriting): boolean => inputs.slice(1).every((value) => value.kind === 'param' && readOnce(value));

/** 1 × 1 in every dimension, in steps of 1, without padding and groups. */
export const isPointwise = ({ attrs }: Conv): boolean => attrs.group === 1 && [...attrs.kernel, ...attrs.strides].every((size) => size === 1) && attrs.pads.every((pad) => pad === 0);

/** Rows [start, end) of a tensor's first axis. */
export function rowsOf(param: Param, start: number, end: number): Param {
  const shape = [end - start, ...param.shape.slice(1)];
  const offset = start * (elements({ shape }) / (end - start));
  return { ...param, kept: false, key: `${param.key}[${start}:${end}]`, shape, read: (into, at) => param.read(into, at + offset) };
}

/** Input channels [start, end). */
export type Range = readonly [start: number, end: number];

/** Up to so many elements are read where they lie: a look at a part does not load the whole. */
const LOOK = 64;

/** The weight [out, in, …] by groups of input channels. It is read once: the first part to be read keeps it for the others. */
export function columnsOf(weight: Param, groups: readonly (readonly Range[])[]): readonly Param[] {
  const [out, columns] = weight.shape as readonly [number, number];
  const inner = elements({ shape: weight.shape.slice(2) });
  const whole = shared(weight, groups.length);
  return groups.map((ranges): Param => {
    let width = 0;
    const begins = ranges.map(([start, end]) => inner * (width += end - start) - inner * (end - start));
    const row = width * inner;
    const read: Read = (into, at) => {
      const values = into.length > LOOK || at > 0 || row * out <= LOOK ? whole.get() : undefined;
      for (let i = 0; i < into.length; ) {
        const line = Math.floor((at + i) / row);
        const [source, count] = place(ranges, begins, inner, at + i - line * row);
        const part = into.subarray(i, Math.min(i + count, into.length));
        const from = line * columns * inner + source;
        if (values) part.set(values.subarray(from, from + part.length));
        else weight.read(part, from);
        i += part.length;
      }
      if (at + into.length === row * out) whole.done();
    };
    return { ...weight, kept: false, key: `${weight.key}[:,${ranges.map((range) => range.join(':')).join(',')}]`, shape: [out, width, ...weight.shape.slice(2)], read };
  });
}

/** Where element `at` of a row of joined ranges lies in the whole row, and how many follow it there. `begins`: of each range in the joined row. */
function place(ranges: readonly Range[], begins: readonly number[], inner: number, at: number): readonly [source: number, count: number] {
  let [low, high] = [0, ranges.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (begins[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  const [start, end] = ranges[low]!;
  const into = at - begins[low]!;
  return [start * inner + into, (end - start) * inner - into];
}

/** A tensor held from the first of its readers to the last. */
function shared(param: Param, readers: number): { get(): Float32Array; done(): void } {
  let values: Float32Array | undefined;
  let left = readers;
  return {
    get() {
      if (!values) {
        values = new Float32Array(elements(param));
        param.read(values, 0);
      }
      return values;
    },
    done() {
      if (--left > 0) return;
      left = readers;
      values = undefined;
    },
  };
}
