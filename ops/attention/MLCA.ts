import { defineModule, int, number } from '../../compiler/module.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { adaptiveAvgPool } from './adaptive-pool.js';

export const MLCA = defineModule({
  doc: 'Mixed local channel attention: gates per channel of every cell of a coarse grid, from neighbouring channels, mixed with gates of the whole map.',
  source: 'EAAI 2023, Wan et al.; wandahangFY/MLCA MLCA.py',
  args: {
    local_size: int('rows and columns of the grid', 5, { max: 256 }),
    gamma: number('divisor of the kernel size', 2, { min: 0.1 }),
    b: number('what is added to the logarithm of the channels for the kernel size', 1),
    local_weight: number('share of the local gates', 0.5),
  },
  example: { inputs: [[1, 32, 12, 10]], args: [] },
  build(g, x, { local_size: cells, gamma, b, local_weight }) {
    const [n, c, h, w] = x.shape;
    // |log₂ c + b| / γ, made odd.
    const whole = Math.trunc(Math.abs(Math.log(c) / Math.log(2) + b) / gamma);
    const neighbours = { out: 1, kernel: whole % 2 === 1 ? whole : whole + 1, padding: Math.floor(whole / 2), bias: false };
    const local = adaptiveAvgPool(g, x, [cells, cells], 'local_arv_pool');
    // One sequence of all cells, with the channels of a cell side by side.
    const sequence = g.reshape(g.transpose(local, [0, 2, 3, 1]), [n, 1, cells * cells * c]);
    const localGates = g.sigmoid(g.transpose(g.reshape(g.conv1d('conv_local', sequence, neighbours), [n, cells, cells, c]), [0, 3, 1, 2]));
    const means = g.reshape(g.globalAvgPool(local, 'global_arv_pool'), [n, 1, c]);
    const globalGates = g.sigmoid(g.reshape(g.conv1d('conv', means, neighbours), [n, c, 1, 1]));
    const mixed = g.add(g.mul(localGates, local_weight), g.mul(globalGates, 1 - local_weight)) as FeatureMap;
    return g.mul(x, adaptiveAvgPool(g, mixed, [h, w]));
  },
});
export default MLCA;
