/** Operators that read a map at other positions than its own cells. */
import { product, show, showShape, type Extent, type Shape } from '../../ir/extent.js';
import type { TensorType, Value } from '../../ir/graph.js';
import { elements, operand, row, shapeProblem } from './row.js';

export interface GridSample {
  readonly mode: 'bilinear' | 'nearest';
  readonly padding: 'zeros' | 'border' | 'reflection';
  readonly alignCorners: boolean;
}

const typed = (x: Value, shape: Shape): readonly TensorType[] => [{ dtype: x.dtype, shape }];

export const sampling = {
  /**
   * x [n, c, h, w] at the positions of a grid [n, h', w', 2] (x, y from -1 to 1 across the map): [n, c, h', w'].
   * PyTorch's grid_sample; halves round to even in mode `nearest`. onnxruntime's own kernel differs from PyTorch at
   * positions of 1e9 and more, and with `reflection` beyond the border in mode `nearest`.
   */
  GridSample: row<GridSample>({
    since: 16,
    exactness: 'approximate',
    infer: (inputs) => {
      const [x, grid] = [operand(inputs, 0), operand(inputs, 1)];
      if (x.shape.length !== 4 || grid.shape.length !== 4 || grid.shape[3] !== 2 || grid.shape[0] !== x.shape[0] || grid.dtype !== x.dtype) {
        throw shapeProblem(`a map ${showShape(x.shape)} cannot be sampled on a grid ${showShape(grid.shape)}`);
      }
      return typed(x, [x.shape[0]!, x.shape[1]!, grid.shape[1]!, grid.shape[2]!]);
    },
    // Opset 20 calls the mode linear.
    spell: ({ mode, padding, alignCorners }, opset) => ({
      attributes: { mode: { text: mode === 'bilinear' && opset >= 20 ? 'linear' : mode }, padding_mode: { text: padding }, align_corners: { int: alignCorners ? 1 : 0 } },
    }),
  }),
  /** Upsampling by whole factors. `nearest` is PyTorch's: source index = floor(index / scale). */
  Resize: row<{ readonly scales: readonly [number, number]; readonly mode: 'nearest' | 'bilinear'; readonly alignCorners: boolean }>({
    since: 11,
    exactness: 'rounded',
    infer: (inputs, { scales }) => {
      const x = operand(inputs, 0);
      if (x.shape.length !== 4) throw shapeProblem(`expected [N, C, H, W], got ${showShape(x.shape)}`);
      const [n, c, h, w] = x.shape as readonly [Extent, Extent, Extent, Extent];
      return typed(x, [n, c, scaled(h, scales[0]), scaled(w, scales[1])]);
    },
    macs: { when: 'leaf', count: (_, [y], { mode }) => (mode === 'nearest' ? 0 : 11 * elements(y!)) },
    spell: ({ scales, mode, alignCorners }, opset) => ({
      attributes: {
        mode: { text: mode === 'nearest' ? 'nearest' : 'linear' },
        coordinate_transformation_mode: { text: mode === 'nearest' ? 'asymmetric' : alignCorners ? 'align_corners' : 'half_pixel' },
        ...(mode === 'nearest' ? { nearest_mode: { text: 'floor' } } : {}),
      },
      // `roi` may be left out from opset 13 on; 11 wants a tensor there.
      operands: [opset >= 13 ? { kind: 'absent' } : { kind: 'floats', floats: [] }, { kind: 'floats', floats: [1, 1, ...scales] }],
    }),
  }),
};

function scaled(size: Extent, scale: number): Extent {
  if (typeof size === 'number') return Math.floor(size * scale);
  if (Number.isInteger(scale)) return product([size, scale]);
  throw shapeProblem(`a map of open size ${show(size)} can only be resized by whole factors, not ${scale}`);
}
