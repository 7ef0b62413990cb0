import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';

export const ChannelShuffle = defineModule({
  doc: 'Interleaves groups of channels: the first of every group, then the second of every group, and so on.',
  source: 'arXiv:1707.01083 (ShuffleNet)',
  operator: { shapes: [['batch', 'channels', 'height', 'width']], open: ['height', 'width'] },
  args: { groups: int('groups of channels', 2) },
  constraints: ['`groups` divides the channels'],
  example: { inputs: [[1, 16, 5, 6]], args: [4] },
  build: (g, x, { groups }) => channelShuffle(g, x, groups),
});
export default ChannelShuffle;

/** Channel i·groups + j comes from channel i of group j: one Gather with constant indices. */
export function channelShuffle(g: Builder, x: FeatureMap, groups: number): FeatureMap {
  const c = x.shape[1];
  if (c % groups !== 0) throw new Problem('bad-channels', `${groups} groups do not divide ${c} channels`);
  const perGroup = c / groups;
  return g.gather(x, 1, Array.from({ length: c }, (_, i) => (i % groups) * perGroup + Math.floor(i / groups)));
}
