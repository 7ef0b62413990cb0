import { channels, defineModule, ints } from '../../compiler/module.js';
import { Conv } from './Conv.js';

export const SPP = defineModule({
  doc: 'Spatial pyramid pooling: max pools of several sizes side by side.',
  source: 'arXiv:1406.4729',
  args: { out: channels('output channels'), kernels: ints('pool sizes, odd', [5, 9, 13], { max: 4095 }) },
  constraints: ['pool sizes are odd'],
  example: { inputs: [[1, 16, 16, 16]], args: [16] },
  recover: (layer) => ({ args: [layer.shape('cv2.conv.weight')[0]!, Array.from({ length: layer.count('m') }, (_, i) => layer.stated(`m.${i}`, 'kernel_size'))] }),
  build(g, x, { out, kernels }) {
    const y = g.use('cv1', Conv, x, { out: Math.floor(x.shape[1] / 2) });
    const pools = g.in('m');
    const pooled = kernels.map((kernel, i) => pools.maxPool2d(y, { kernel, stride: 1, padding: Math.floor(kernel / 2) }, String(i)));
    return g.use('cv2', Conv, g.concat([y, ...pooled], 1), { out });
  },
});
export default SPP;
