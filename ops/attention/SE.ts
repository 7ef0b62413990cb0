import { channels, defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';

export const SE = defineModule({
  doc: 'Squeeze-and-excitation: weights each channel by a gate computed from its mean.',
  source: 'arXiv:1709.01507',
  args: { out: channels('channels of the row; SE keeps those of its input'), reduction: int('bottleneck ratio', 16) },
  constraints: ['at least `reduction` channels'],
  example: { inputs: [[1, 64, 16, 16]], args: [64] },
  build(g, x, { reduction }) {
    const [n, c] = x.shape;
    const hidden = bottleneck(c, reduction);
    const squeezed = g.reshape(g.globalAvgPool(x, 'avgpool'), [n, c]);
    const excited = g.relu(g.linear('l1', squeezed, { out: hidden, bias: false }), 'relu');
    const gate = g.sigmoid(g.linear('l2', excited, { out: c, bias: false }), 'sig');
    return g.mul(x, g.reshape(gate, [n, c, 1, 1]));
  },
});
export default SE;

/** c / reduction, rounded down; at least one channel must be left. */
export function bottleneck(c: number, reduction: number, noun = 'reduction'): number {
  const hidden = Math.floor(c / reduction);
  if (hidden >= 1) return hidden;
  throw new Problem('bad-channels', `a ${noun} of ${reduction} leaves nothing of ${c} channels`, { help: `Use a ${noun} of at most ${c}.` });
}

/** The input's channels, of which there must be so many. */
export function atLeast(c: number, least: number, module: string): number {
  if (c >= least) return c;
  throw new Problem('bad-channels', `${module} needs at least ${least} channels, got ${c}`, { help: 'Put it after a layer with more channels.' });
}

/** The channels that a row gives, which the module cannot change. */
export function sameChannels(c: number, out: number, module: string): number {
  if (c === out) return c;
  throw new Problem('bad-channels', `the row says ${out} channels, but ${module} keeps the ${c} of its input`, { help: `Write the number that scales to ${c}.` });
}
