import { defineModule, int } from '../../compiler/module.js';

export const Concat = defineModule({
  doc: 'Joins feature maps, on the channels unless another dimension is given.',
  source: 'torch.cat',
  args: { dim: int('dimension; 1 is channels', 1, { min: -4, max: 3 }) },
  inputs: 'many',
  prints: 'as-written',
  constraints: ['the maps are equal in every other dimension'],
  example: { inputs: [[1, 8, 16, 16], [1, 16, 16, 16]], args: [1] },
  recover: (layer) => ({ args: [layer.stated('', 'd')] }),
  out: ({ dim }, inputs) => (dim === 1 || dim === -3 ? inputs.reduce((a, b) => a + b, 0) : inputs[0]!),
  build: (g, xs, { dim }) => g.concat(xs, dim < 0 ? dim + 4 : dim),
});
export default Concat;
