import { bool, choice, defineModule } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import type { AttrsOf } from '../../compiler/onnx/operators/index.js';

export const DeformableSample = defineModule({
  doc: 'Samples a map at positions x, y from -1 to 1: [n, c, h, w], [n, h′, w′, 2] → [n, c, h′, w′]. PyTorch’s grid_sample.',
  source: 'arXiv:1506.02025; deformable attention: arXiv:2201.00520',
  operator: { openAxes: [[2, 3], [1, 2]] },
  args: {
    mode: choice('interpolation', ['bilinear', 'nearest'], 'bilinear'),
    padding: choice('what lies outside the map', ['zeros', 'border', 'reflection'], 'zeros'),
    alignCorners: bool('whether -1 and 1 are the centres of the outer cells, not their edges', false),
  },
  inputs: 'many',
  example: { inputs: [[1, 6, 9, 13], [1, 5, 7, 2]], args: ['bilinear', 'zeros', true] },
  build: (g, [x, grid], attrs) => deformableSample(g, x!, grid!, attrs),
});
export default DeformableSample;

/** Attributes of the opaque form as mmdeploy's `grid_sampler` has them, of which TensorRT plugins are made. */
const codes = { bilinear: 0, nearest: 1, zeros: 0, border: 1, reflection: 2 } as const;

/** x [n, c, h, w] at the positions of a grid [n, h′, w′, 2] of x, y: [n, c, h′, w′]. */
export function deformableSample(g: Builder, x: FeatureMap, grid: Value, { mode, padding, alignCorners }: AttrsOf<'GridSample'>): FeatureMap {
  const attrs = { interpolation_mode: codes[mode], padding_mode: codes[padding], align_corners: alignCorners ? 1 : 0 };
  const [y] = g.call('DeformableSample', attrs, [x, grid], (body, map, positions) => [body.gridSample(map as FeatureMap, positions!, { mode, padding, alignCorners })]);
  return y as Value as FeatureMap;
}
