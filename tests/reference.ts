/** Operators computed element by element, in doubles, as their definitions read. Slow and plain: what tests compare with. */
import { sizeOf, type Numbers } from './graphs.js';

type Index = readonly number[];

/** A tensor whose element at `index` is f(index). */
export function tabulate(shape: readonly number[], f: (index: Index) => number): Numbers {
  const index = shape.map(() => 0);
  const data: number[] = [];
  for (let i = 0; i < sizeOf(shape); i++) {
    let rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    data.push(f(index));
  }
  return { shape, data };
}

const flatten = (shape: readonly number[], index: Index): number => shape.reduce((flat, size, axis) => flat * size + index[axis]!, 0);

export const at = ({ shape, data }: Numbers, index: Index): number => data[flatten(shape, index)]!;

export const map = (x: Numbers, f: (value: number) => number): Numbers => ({ shape: x.shape, data: Array.from(x.data, f) });

/** NumPy broadcasting. */
export function zip(a: Numbers, b: Numbers, f: (a: number, b: number) => number): Numbers {
  const rank = Math.max(a.shape.length, b.shape.length);
  const size = (x: Numbers, axis: number): number => x.shape[axis - rank + x.shape.length] ?? 1;
  const pick = (x: Numbers, index: Index): number => at(x, x.shape.map((length, axis) => (length === 1 ? 0 : index[axis + rank - x.shape.length]!)));
  return tabulate(Array.from({ length: rank }, (_, axis) => Math.max(size(a, axis), size(b, axis))), (index) => f(pick(a, index), pick(b, index)));
}

/** Reduces axes with f over the list of elements; the axes stay with size 1, or go. */
export function reduce(x: Numbers, axes: readonly number[], keep: boolean, f: (values: readonly number[]) => number): Numbers {
  const kept = tabulate(x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)), (outer) => {
    const inner = tabulate(axes.map((axis) => x.shape[axis]!), (index) => at(x, outer.map((i, axis) => (axes.includes(axis) ? index[axes.indexOf(axis)]! : i))));
    return f(inner.data as number[]);
  });
  return keep ? kept : { shape: x.shape.filter((_, axis) => !axes.includes(axis)), data: kept.data };
}

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const mean = (values: readonly number[]): number => sum(values) / values.length;
export const norm = (values: readonly number[]): number => Math.sqrt(sum(values.map((value) => value * value)));
export const largest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);

export function softmax(x: Numbers, axis: number): Numbers {
  const powers = map(x, Math.exp);
  return zip(powers, reduce(powers, [axis], true, sum), (a, b) => a / b);
}

export function matmul(a: Numbers, b: Numbers): Numbers {
  const rank = Math.max(a.shape.length, b.shape.length);
  const batch = (x: Numbers, axis: number): number => (axis - rank + x.shape.length < 0 ? 1 : x.shape[axis - rank + x.shape.length]!);
  const lead = Array.from({ length: rank - 2 }, (_, axis) => Math.max(batch(a, axis), batch(b, axis)));
  const pick = (x: Numbers, index: Index, row: number, column: number): number =>
    at(x, [...x.shape.slice(0, -2).map((size, axis) => (size === 1 ? 0 : index[axis + rank - x.shape.length]!)), row, column]);
  return tabulate([...lead, a.shape.at(-2)!, b.shape.at(-1)!], (index) => {
    const [row, column] = [index[rank - 2]!, index[rank - 1]!];
    return sum(Array.from({ length: a.shape.at(-1)! }, (_, k) => pick(a, index, row, k) * pick(b, index, k, column)));
  });
}

/** condition ? a : b, with NumPy broadcasting of all three. */
export function where(condition: Numbers, a: Numbers, b: Numbers): Numbers {
  const picked = zip(condition, a, (yes, value) => (yes ? value : 0));
  const others = zip(condition, b, (yes, value) => (yes ? 0 : value));
  return zip(picked, others, (x, y) => x + y);
}

/** Halves go to the even integer. */
export function roundEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** (x − E) / sqrt(Var + ε) over axes, times gain, plus bias; both are vectors along `channel`. */
export function normalize(x: Numbers, axes: readonly number[], epsilon: number, gain: Numbers, bias: Numbers, channel: number): Numbers {
  const centred = zip(x, reduce(x, axes, true, mean), (a, b) => a - b);
  const variance = reduce(map(centred, (value) => value * value), axes, true, mean);
  return affine(zip(centred, variance, (a, v) => a / Math.sqrt(v + epsilon)), gain, bias, channel);
}

export function affine(x: Numbers, gain: Numbers, bias: Numbers, channel: number): Numbers {
  return tabulate(x.shape, (index) => at(x, index) * gain.data[index[channel]!]! + bias.data[index[channel]!]!);
}

export const batchNorm = (x: Numbers, [gain, bias, means, variances]: readonly [Numbers, Numbers, Numbers, Numbers], epsilon: number): Numbers =>
  tabulate(x.shape, (index) => {
    const c = index[1]!;
    return ((at(x, index) - means.data[c]!) / Math.sqrt(variances.data[c]! + epsilon)) * gain.data[c]! + bias.data[c]!;
  });

/** Groups become an axis of their own, with their channels among the positions. */
export function groupNorm(x: Numbers, groups: number, epsilon: number, gain: Numbers, bias: Numbers): Numbers {
  const [n, c, ...space] = x.shape as [number, number, ...number[]];
  const ones = tabulate([groups], () => 1);
  const grouped = { shape: [n, groups, (c / groups) * sizeOf(space)], data: x.data };
  return affine({ shape: x.shape, data: normalize(grouped, [2], epsilon, ones, map(ones, () => 0), 1).data }, gain, bias, 1);
}

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** Slides a window over the last axes of [n, c, …]: f gets the output's index and, for every place of the kernel, where it reads. */
function slide(x: Numbers, channels: number, { kernel, strides, pads, dilations }: Window, f: (index: Index, places: readonly { readonly k: Index; readonly space: Index }[]) => number): Numbers {
  const space = x.shape.slice(2);
  const size = space.map((length, axis) => Math.floor((length + pads[axis]! + pads[axis + kernel.length]! - dilations[axis]! * (kernel[axis]! - 1) - 1) / strides[axis]!) + 1);
  return tabulate([x.shape[0]!, channels, ...size], (index) => {
    const places: { k: Index; space: Index }[] = [];
    tabulate(kernel, (k) => {
      const place = k.map((step, axis) => index[axis + 2]! * strides[axis]! - pads[axis]! + step * dilations[axis]!);
      if (place.every((i, axis) => i >= 0 && i < space[axis]!)) places.push({ k: [...k], space: place });
      return 0;
    });
    return f(index, places);
  });
}

export function conv(x: Numbers, w: Numbers, bias: Numbers | undefined, attrs: Window & { readonly group: number }): Numbers {
  const [out, perGroup] = w.shape as readonly [number, number];
  return slide(x, out, attrs, ([n, m], places) => {
    const first = Math.floor(m! / (out / attrs.group)) * perGroup;
    const products = places.flatMap(({ k, space }) => Array.from({ length: perGroup }, (_, c) => at(x, [n!, first + c, ...space]) * at(w, [m!, c, ...k])));
    return sum(products) + (bias?.data[m!] ?? 0);
  });
}

export const maxPool = (x: Numbers, attrs: Window): Numbers => slide(x, x.shape[1]!, attrs, ([n, c], places) => largest(places.map(({ space }) => at(x, [n!, c!, ...space]))));

export const averagePool = (x: Numbers, window: Pick<Window, 'kernel' | 'strides'> & Partial<Pick<Window, 'pads'>>): Numbers =>
  slide(x, x.shape[1]!, { pads: [...window.kernel, ...window.kernel].map(() => 0), ...window, dilations: window.kernel.map(() => 1) }, ([n, c], places) =>
    places.reduce((sum, { space }) => sum + at(x, [n!, c!, ...space]), 0) / window.kernel.reduce((a, b) => a * b, 1));

/** Every element of x [n, c, …] adds itself times the kernel w [c, M / group, …] to the places below it; what falls on the padding is cut off. */
export function convTranspose(x: Numbers, w: Numbers, bias: Numbers | undefined, { kernel, strides, pads, group }: Omit<Window, 'dilations'> & { readonly group: number }): Numbers {
  const [n, c, ...space] = x.shape as [number, number, ...number[]];
  const perGroup = w.shape[1]!;
  const size = space.map((length, axis) => (length - 1) * strides[axis]! + kernel[axis]! - pads[axis]! - pads[axis + kernel.length]!);
  const y = tabulate([n, perGroup * group, ...size], ([, m]) => bias?.data[m!] ?? 0);
  const data = Array.from(y.data);
  tabulate(x.shape, (from) => {
    tabulate([perGroup, ...kernel], (k) => {
      const place = k.slice(1).map((step, axis) => from[axis + 2]! * strides[axis]! - pads[axis]! + step);
      if (place.some((i, axis) => i < 0 || i >= size[axis]!)) return 0;
      const channel = Math.floor(from[1]! / (c / group)) * perGroup + k[0]!;
      data[flatten(y.shape, [from[0]!, channel, ...place])]! += at(x, from) * at(w, [from[1]!, ...k]);
      return 0;
    });
    return 0;
  });
  return { shape: y.shape, data };
}

export function concat(parts: readonly Numbers[], axis: number): Numbers {
  const total = sum(parts.map(({ shape }) => shape[axis]!));
  return tabulate(parts[0]!.shape.map((size, i) => (i === axis ? total : size)), (index) => {
    let rest = index[axis]!;
    const part = parts.find(({ shape }) => rest < shape[axis]! || ((rest -= shape[axis]!), false))!;
    return at(part, index.map((i, j) => (j === axis ? rest : i)));
  });
}

export const slice = (x: Numbers, axis: number, start: number, end: number, step = 1): Numbers =>
  tabulate(x.shape.map((size, i) => (i === axis ? Math.ceil((end - start) / step) : size)), (index) => at(x, index.map((i, j) => (j === axis ? start + i * step : i))));

export const transpose = (x: Numbers, perm: readonly number[]): Numbers =>
  tabulate(perm.map((axis) => x.shape[axis]!), (index) => at(x, x.shape.map((_, axis) => index[perm.indexOf(axis)]!)));

/** Zeros around x: begins of all axes, then ends. */
export const pad = (x: Numbers, pads: readonly number[]): Numbers =>
  tabulate(x.shape.map((size, axis) => size + pads[axis]! + pads[axis + x.shape.length]!), (index) => {
    const from = index.map((i, axis) => i - pads[axis]!);
    return from.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? at(x, from) : 0;
  });

/** The parts of x at indices of an axis; the axes of the indices stand in its place. */
export function gather(x: Numbers, indices: Numbers, axis: number): Numbers {
  const rank = indices.shape.length;
  return tabulate([...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], (index) => {
    const chosen = at(indices, index.slice(axis, axis + rank));
    return at(x, [...index.slice(0, axis), chosen, ...index.slice(axis + rank)]);
  });
}

export interface Sampling {
  readonly mode: 'bilinear' | 'nearest';
  readonly padding: 'zeros' | 'border' | 'reflection';
  readonly alignCorners: boolean;
}

/** PyTorch's grid_sample: -1 and 1 are the centres of the outer cells (aligned corners), or their edges. */
export function gridSample(x: Numbers, grid: Numbers, { mode, padding, alignCorners }: Sampling): Numbers {
  const [n, c, h, w] = x.shape as readonly [number, number, number, number];
  const source = (position: number, size: number): number => {
    const pixel = alignCorners ? ((position + 1) / 2) * (size - 1) : ((position + 1) * size - 1) / 2;
    if (padding === 'zeros') return pixel;
    const inside = padding === 'border' ? pixel : alignCorners ? mirror(pixel, 0, size - 1) : mirror(pixel, -0.5, size - 0.5);
    return Math.min(Math.max(inside, 0), size - 1);
  };
  return tabulate([n, c, grid.shape[1]!, grid.shape[2]!], (index) => {
    const [i, j, row, column] = index as readonly [number, number, number, number];
    const [px, py] = [source(at(grid, [i, row, column, 0]), w), source(at(grid, [i, row, column, 1]), h)];
    const cell = (y: number, z: number): number => (y >= 0 && y < h && z >= 0 && z < w ? at(x, [i, j, y, z]) : 0);
    if (mode === 'nearest') return cell(roundEven(py), roundEven(px));
    const [top, left] = [Math.floor(py), Math.floor(px)];
    const [fy, fx] = [py - top, px - left];
    return (1 - fy) * ((1 - fx) * cell(top, left) + fx * cell(top, left + 1)) + fy * ((1 - fx) * cell(top + 1, left) + fx * cell(top + 1, left + 1));
  });
}

/** Thrown back at both ends until it is between them. */
function mirror(x: number, low: number, high: number): number {
  if (low === high) return low;
  let inside = x;
  while (inside < low || inside > high) inside = inside < low ? 2 * low - inside : 2 * high - inside;
  return inside;
}

/** PyTorch's Upsample by factors. */
export function resize(x: Numbers, [down, across]: readonly [number, number], mode: 'nearest' | 'bilinear', alignCorners: boolean): Numbers {
  const [n, c, h, w] = x.shape as readonly [number, number, number, number];
  const size = [Math.floor(h * down), Math.floor(w * across)] as const;
  return tabulate([n, c, ...size], ([i, j, row, column]) => {
    if (mode === 'nearest') return at(x, [i!, j!, Math.floor(row! / down), Math.floor(column! / across)]);
    const weights = ([[row!, h, size[0], down], [column!, w, size[1], across]] as const).map(([place, from, to, scale]) => {
      const source = alignCorners ? (to === 1 ? 0 : (place * (from - 1)) / (to - 1)) : Math.max(0, (place + 0.5) / scale - 0.5);
      const low = Math.min(Math.floor(source), from - 1);
      return [[low, 1 - (source - low)], [Math.min(low + 1, from - 1), source - low]] as const;
    });
    return sum(weights[0]!.flatMap(([y, a]) => weights[1]!.map(([z, b]) => a * b * at(x, [i!, j!, y, z]))));
  });
}

/** By its power series, which converges everywhere; good to 1e-12 for |x| ≤ 4. */
export function erf(x: number): number {
  let [term, total] = [x, x];
  for (let k = 1; k < 100; k++) {
    term *= (-x * x) / k;
    total += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

/** Boxes with cx, cy, w, h as rows of x1, y1, x2, y2, score, class, in float32. */
export function detectionRows(boxes: Numbers, layout: 'scores' | 'objectness'): Numbers {
  const { shape: [batch, anchors, values], data } = layout === 'scores' ? transpose(boxes, [0, 2, 1]) : boxes;
  const first = layout === 'scores' ? 4 : 5;
  const rows = Array.from({ length: batch! * anchors! }, (_, i) => {
    const [cx, cy, w, h, object, ...rest] = Array.from(data.slice(i * values!, (i + 1) * values!)) as [number, number, number, number, number, ...number[]];
    const classes = first === 4 ? [object, ...rest] : rest;
    const best = largest(classes);
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, first === 4 ? best : best * object, classes.indexOf(best)];
  });
  return { shape: [batch!, anchors!, 6], data: Float32Array.from(rows.flat()) };
}
