import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { Conv } from '../blocks/Conv.js';

export const CAA = defineModule({
  doc: 'Context anchor attention: a gate from the averaged map, seen through two long strips.',
  source: 'arXiv:2403.06258 (PKINet); with the product, as YOLO forks have it',
  args: { h_kernel: int('length of the horizontal strip, odd', 11, { max: 4095 }), v_kernel: int('length of the vertical strip, odd', 11, { max: 4095 }) },
  constraints: ['kernels are odd'],
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { h_kernel, v_kernel }) {
    const even = [h_kernel, v_kernel].find((kernel) => kernel % 2 === 0);
    if (even !== undefined) throw new Problem('bad-argument', `CAA kernels must be odd, got ${even}`, { help: 'An even strip makes a gate of another size than the map.' });
    const out = x.shape[1];
    const anchored = g.use('conv1', Conv, g.avgPool2d(x, { kernel: 7, stride: 1, padding: 3 }, 'avg_pool'), { out });
    const across = g.conv2d('h_conv', anchored, { out, kernel: [1, h_kernel], padding: [0, (h_kernel - 1) / 2], groups: out });
    const down = g.conv2d('v_conv', across, { out, kernel: [v_kernel, 1], padding: [(v_kernel - 1) / 2, 0], groups: out });
    return g.mul(x, g.sigmoid(g.use('conv2', Conv, down, { out }), 'act'));
  },
});
export default CAA;
