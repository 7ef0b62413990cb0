/** Parameters made of parameters. Their numbers are computed when the file is written, chunk by chunk. */
import type { DType, OpNode, Param, Read } from '../../compiler/ir/graph.js';
import { elements } from '../../compiler/onnx/operators/row.js';

export function readAll(param: Param): Float32Array {
  const values = new Float32Array(elements(param));
  param.read(values, 0);
  return values;
}

/** Computed at the first use, when the file is written. */
export function once<T>(compute: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= compute());
}

/** A vector of computed numbers. */
export const vector = (key: string, dtype: DType, size: number, numbers: () => ArrayLike<number>): Param => {
  const rounded = once(() => Float32Array.from(numbers()));
  return { kind: 'param', dtype, shape: [size], key, kept: false, read: (into, at) => into.set(rounded().subarray(at, at + into.length)) };
};

/** What BatchNormalization does to a channel: x · gain + shift, with gain = gamma / sqrt(var + eps), shift = beta − mean · gain. */
export interface Normalization {
  gain(): Float64Array;
  shift(): Float64Array;
}

/** Of a BatchNormalization, all of whose tensors are parameters. */
export function normalizationOf(norm: OpNode & { readonly op: 'BatchNormalization' }): Normalization {
  const [gamma, beta, mean, variance] = norm.inputs.slice(1) as unknown as readonly [Param, Param, Param, Param];
  const gain = once(() => {
    const [g, v] = [Float64Array.from(readAll(gamma)), readAll(variance)];
    for (let i = 0; i < g.length; i++) g[i]! /= Math.sqrt(v[i]! + norm.attrs.epsilon);
    return g;
  });
  const shift = once(() => {
    const [b, m, k] = [Float64Array.from(readAll(beta)), readAll(mean), gain()];
    for (let i = 0; i < b.length; i++) b[i]! -= m[i]! * k[i]!;
    return b;
  });
  return { gain, shift };
}

/** Of a range of channels. */
export const channelsOf = ({ gain, shift }: Normalization, start: number, end: number): Normalization => ({
  gain: () => gain().subarray(start, end),
  shift: () => shift().subarray(start, end),
});

/** Which factor an element of a tensor gets: of every `block` elements, runs of `run` take the next `period` factors in turn. */
export interface Layout {
  readonly run: number;
  readonly period: number;
  readonly block: number;
}

/** A tensor times factors, in the caller's buffer. */
export function scaled(param: Param, factors: () => ArrayLike<number>, { run, period, block }: Layout): Param {
  const read: Read = (into, at) => {
    param.read(into, at);
    const all = factors();
    let line = Math.floor(at / run);
    for (let i = 0; i < into.length; line++) {
      const end = Math.min(into.length, (line + 1) * run - at);
      multiply(into, i, end, all[(line % period) + period * Math.floor((line * run) / block)]!);
      i = end;
    }
  };
  return { ...param, kept: false, read };
}

/** A function of its own, so that V8 compiles the loop after some rows instead of in the middle of the first megabyte. */
function multiply(values: Float32Array, start: number, end: number, factor: number): void {
  for (let i = start; i < end; i++) values[i]! *= factor;
}

/** A tensor plus numbers of its shape. `more` adds the elements from `at` on to what is in the buffer. */
export const added = (param: Param, more: Read): Param => ({
  ...param,
  kept: false,
  read(into, at) {
    param.read(into, at);
    more(into, at);
  },
});
