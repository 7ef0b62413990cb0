/** What the cross-stage partial blocks have in common: their arguments, and the three Convs around a stack of blocks. */
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import type { Literal } from '../../compiler/ir/network.js';
import { bool, channels, int, number, type TrainedLayer } from '../../compiler/module.js';
import { Conv } from './Conv.js';

export const cspArgs = (shortcut: boolean) => ({
  out: channels('output channels'),
  shortcut: bool('shortcuts in the Bottlenecks', shortcut),
  groups: int('groups of the Bottlenecks', 1),
  ratio: number('hidden channels per output channel', 0.5, { min: 0, max: 64 }),
});

/** The arguments of a trained block whose last Conv and whose hidden channels are given: the ratio that is rounded down to these. */
export function cspRow(layer: TrainedLayer, last: string, hidden: number): { readonly args: readonly Literal[]; readonly n: number } {
  const out = layer.shape(`${last}.conv.weight`)[0]!;
  return { args: [out, layer.stated('m.0', 'add'), layer.stated('m.0.cv2.conv', 'groups'), (hidden + 0.5) / out], n: layer.count('m') };
}

/** cv3([blocks(cv1(x)), cv2(x)]), as C3 has it: `block` records the i-th of n in the stack `m`. */
export function crossStage(g: Builder, x: FeatureMap, { out, hidden, n }: { readonly out: number; readonly hidden: number; readonly n: number }, block: (stack: Builder, name: string, y: FeatureMap) => FeatureMap): FeatureMap {
  let y = g.use('cv1', Conv, x, { out: hidden });
  const stack = g.in('m');
  for (let i = 0; i < n; i++) y = block(stack, String(i), y);
  return g.use('cv3', Conv, g.concat([y, g.use('cv2', Conv, x, { out: hidden })], 1), { out });
}
