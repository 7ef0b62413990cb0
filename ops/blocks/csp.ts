/** What the cross-stage partial blocks have in common: their arguments. */
import { bool, channels, int, number } from '../../compiler/module.js';

export const cspArgs = (shortcut: boolean) => ({
  out: channels('output channels'),
  shortcut: bool('shortcuts in the Bottlenecks', shortcut),
  groups: int('groups of the Bottlenecks', 1),
  ratio: number('hidden channels per output channel', 0.5, { min: 0, max: 64 }),
});
