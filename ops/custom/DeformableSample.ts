import { bool, choice, defineModule } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

type Sampling = Parameters<Builder['gridSample']>[2];

const modes = ['bilinear', 'nearest'] as const;
const paddings = ['zeros', 'border', 'reflection'] as const;

export const DeformableSample = defineModule({
  doc: 'Samples a map at positions x, y from -1 to 1: [n, c, h, w], [n, h′, w′, 2] → [n, c, h′, w′]. PyTorch’s grid_sample.',
  source: 'arXiv:1506.02025; deformable attention: arXiv:2201.00520',
  operator: {
    shapes: [['batch', 'channels', 'height', 'width'], ['batch', 'rows', 'columns', 2]],
    open: ['height', 'width', 'rows', 'columns'],
    custom: true,
    args: ({ interpolation_mode, padding_mode, align_corners }) => [modes[interpolation_mode!]!, paddings[padding_mode!]!, align_corners === 1],
  },
  args: {
    mode: choice('interpolation', modes, 'bilinear'),
    padding: choice('what lies outside the map', paddings, 'zeros'),
    align_corners: bool('whether -1 and 1 are the centres of the outer cells, not their edges', false),
  },
  inputs: 'many',
  example: { inputs: [[1, 6, 9, 13], [1, 5, 7, 2]], args: ['bilinear', 'zeros', true] },
  build: (g, [x, grid], { mode, padding, align_corners: alignCorners }) => deformableSample(g, x!, grid!, { mode, padding, alignCorners }),
});
export default DeformableSample;

/**
 * x [n, c, h, w] at the positions of a grid [n, h′, w′, 2] of x, y: [n, c, h′, w′]. The opaque form has the attributes of
 * mmdeploy's `grid_sampler`, after which TensorRT plugins are made.
 */
export function deformableSample(g: Builder, x: FeatureMap, grid: Value, { mode, padding, alignCorners }: Sampling): FeatureMap {
  const attrs = { interpolation_mode: modes.indexOf(mode), padding_mode: paddings.indexOf(padding), align_corners: alignCorners ? 1 : 0 };
  const [y] = g.call('DeformableSample', attrs, [x, grid], (body, map, positions) => [body.gridSample(map as FeatureMap, positions, { mode, padding, alignCorners })]);
  return y as FeatureMap;
}
