import { isStatic, mul, type Extent } from '../../compiler/ir/extent.js';
import { viewOf, type Constant, type Node, type Param, type Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { isOp, opNode, rewriteLiving, type Rewriting } from '../rewrite.js';
import { ownsWeights, type Conv } from './conv-parts.js';

/**
 * Winograd's minimal filtering F(4 × 4, 3 × 3) in ordinary operators (Lavin and Gray, arXiv:1509.09308): every tile of
 * 4 × 4 results comes from 6 × 6 of the map with 36 multiplications a channel instead of 144,
 *
 *     y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A      summed over input channels: 36 matrix products
 *
 * as one Conv with the 36 filters Bᵀ ⊗ Bᵀ in steps of 4, a product for each of the 36 places, one with Aᵀ ⊗ Aᵀ, and
 * DepthToSpace. The file keeps w; runtimes compute G w Gᵀ once, when they load it. Results are rounded otherwise: of one convolution by up
 * to 7e-6 of the largest, of whole models by some units in the last place. A gain on CPUs, for many channels. Refused: other kernels than 3 × 3 in steps of 1 with the
 * same padding, groups, fewer than 80 channels or 25 tiles, sizes that are open or no multiples of 4, float16 (also where
 * to-half is yet to come), weights that are shared or computed.
 */
export const winograd: Pass = {
  name: 'winograd',
  doc: 'Computes large 3 × 3 convolutions by Winograd’s F(4 × 4, 3 × 3) (large models on CPUs).',
  scope: 'every-graph',
  optional: true,
  run: (graph, { half = 'none' }) =>
    rewriteLiving(graph, (node, rewriting) => {
      if (half !== 'none' || !isOp(node, 'Conv') || !suits(node, rewriting)) return [node];
      const nodes = tiled(node);
      rewriting.replace(node.outputs[0]!, nodes.at(-1)!.outputs[0]!);
      return nodes;
    }),
};

const TILE = 4;
/** Side of what a tile is computed from. */
const READ = 6;
const LEAST_CHANNELS = 80;
const LEAST_TILES = 25;

function suits(conv: Conv, rewriting: Rewriting): boolean {
  const { kernel, strides, pads, dilations, group } = conv.attrs;
  const [x, weight] = conv.inputs as readonly [Value, Value];
  const [height, width] = x.shape.slice(2);
  const same = kernel.length === 2 && kernel.every((size) => size === 3) && [...strides, ...pads, ...dilations].every((size) => size === 1) && group === 1;
  if (!same || typeof height !== 'number' || typeof width !== 'number' || x.dtype !== 'float32' || !ownsWeights(conv, rewriting) || !isStatic(weight.shape)) return false;
  const [out, c] = weight.shape as readonly [number, number];
  return height % TILE === 0 && width % TILE === 0 && (height / TILE) * (width / TILE) >= LEAST_TILES && Math.min(out, c) >= LEAST_CHANNELS;
}

function tiled(conv: Conv): readonly Node[] {
  const [x, weight, bias] = conv.inputs as readonly [Value<readonly [Extent, number, number, number]>, Param, Param?];
  const [[n, c, height, width], out, { scope }] = [x.shape, weight.shape[0] as number, conv] as const;
  const [rows, columns] = [height / TILE, width / TILE];
  const [tiles, places] = [rows * columns, READ * READ];
  const nodes: Node[] = [];
  const add = (node: Node): Value => (nodes.push(node), node.outputs[0]!);
  const reshape = (value: Value, shape: readonly Extent[]): Value => add(opNode('Reshape', [value], { shape }, scope));

  // Bᵀ x B of every channel alone: [n · c, 36, rows, columns] → [n, 36, c, tiles].
  const window = { kernel: [READ, READ], strides: [TILE, TILE], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };
  const read = add(opNode('Conv', [reshape(x, [mul(n, c), 1, height, width]), filters], window, scope));
  const transformed = add(opNode('Transpose', [reshape(read, [n, c, places, tiles])], { perm: [0, 2, 1, 3] }, scope));
  // G w Gᵀ: [out · c, 9] · [9, 36] → [36, out, c].
  const wide = reshape(add(opNode('MatMul', [viewOf(weight, [out * c, 9]), kernels], {}, scope)), [out, c, places]);
  const products = add(opNode('MatMul', [add(opNode('Transpose', [wide], { perm: [2, 0, 1] }, scope)), transformed], {}, scope));
  // Aᵀ … A: [16, 36] · [36, out · tiles] → [n, 16 · out, rows, columns] → the map.
  const results = add(opNode('MatMul', [sums, reshape(products, [n, places, out * tiles])], {}, scope));
  const y = add(opNode('DepthToSpace', [reshape(results, [n, TILE * TILE * out, rows, columns])], { block: TILE }, scope));
  if (bias) add(opNode('Add', [y, viewOf(bias, [1, out, 1, 1])], {}, scope));
  return nodes;
}

const B_T = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const G = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];
const A_T = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

/** The Kronecker square of a matrix, row by row, without −0: on a flattened square it works on rows and columns at once. */
const squared = (matrix: readonly (readonly number[])[]): number[] => matrix.flatMap((p) => matrix.flatMap((q) => p.flatMap((a) => q.map((b) => a * b + 0))));
const transposed = (matrix: readonly (readonly number[])[]): number[][] => matrix[0]!.map((_, i) => matrix.map((row) => row[i]!));
const constant = (shape: readonly number[], data: readonly number[]): Constant => ({ kind: 'constant', dtype: 'float32', shape, data: Float32Array.from(data) });

/** Shared by all convolutions, so that a file holds them once. */
const filters = constant([READ * READ, 1, READ, READ], squared(B_T));
const kernels = constant([9, READ * READ], squared(transposed(G)));
const sums = constant([TILE * TILE, READ * READ], squared(A_T));
