/** What attention modules ask of channels. */
import { Problem } from '../../compiler/errors.js';

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

/** c / parts, which must be whole. */
export function divided(c: number, parts: number, noun: string): number {
  if (c % parts === 0) return c / parts;
  throw new Problem('bad-channels', `${parts} ${noun} do not divide ${c} channels`, { help: `Use a number of ${noun} that divides the channels of the layer before.` });
}
