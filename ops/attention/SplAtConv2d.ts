import { bool, channels, defineModule, int, pair } from '../../compiler/module.js';
import type { Builder } from '../../compiler/builder.js';
import { Problem } from '../../compiler/errors.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

/** Least hidden channels. */
const LEAST = 32;

export const SplAtConv2d = defineModule({
  doc: 'Split-attention convolution of ResNeSt: parts of a grouped convolution, weighted per channel by a softmax over the parts.',
  source: 'arXiv:2004.08955; zhanghang1989/ResNeSt resnest/torch/models/splat.py',
  args: {
    out: channels('output channels'),
    kernel: pair('kernel size'),
    stride: pair('stride', 1),
    padding: pair('padding', 0, 0),
    dilation: pair('dilation', 1),
    groups: int('groups (cardinality)', 1),
    bias: bool('bias of the convolution', true),
    radix: int('number of parts', 2),
    reduction: int('bottleneck ratio', 4),
  },
  constraints: ['`groups` · `radix` divides input channels and output channels · `radix`', '`groups` divides the output and hidden channels'],
  example: { inputs: [[1, 32, 12, 10]], args: [32, 3, 1, 1] },
  build(g, x, { out, kernel, stride, padding, dilation, groups, bias, radix, reduction }) {
    const hidden = Math.max(Math.floor((x.shape[1] * radix) / reduction), LEAST);
    checkGroups([[x.shape[1], groups * radix, 'input'], [out, groups, 'output'], [hidden, groups, 'hidden']]);
    const mixed = g.conv2d('conv', x, { out: out * radix, kernel, stride, padding, dilation, groups: groups * radix, bias });
    const activated = g.relu(g.batchNorm2d('bn0', mixed), 'relu');
    const parts = radix === 1 ? [activated] : (g.split(activated, 1, Array.from({ length: radix }, () => out)) as unknown as readonly FeatureMap[]);
    const pooled = g.globalAvgPool(parts.reduce((sum, part) => g.add(sum, part)));
    const squeezed = g.relu(g.batchNorm2d('bn1', g.conv2d('fc1', pooled, { out: hidden, groups })), 'relu');
    const scores = g.conv2d('fc2', squeezed, { out: out * radix, groups });
    g.declare('rsoftmax');
    return weights(g, scores, { out, groups, radix }).map((weight, i) => g.mul(parts[i]!, weight)).reduce((sum, part) => g.add(sum, part));
  },
});
export default SplAtConv2d;

function checkGroups(divisions: readonly (readonly [channels: number, groups: number, what: string])[]): void {
  const broken = divisions.find(([channels, groups]) => channels % groups !== 0);
  if (broken) throw new Problem('bad-channels', `${broken[1]} groups (groups · radix for the input) do not divide ${broken[0]} ${broken[2]} channels`, { help: 'Use groups and a radix that divide the channels.' });
}

/** A gate for every part, [n, out, 1, 1]: softmax over the parts, a sigmoid where there is one. Scores are [groups, radix, out / groups]. */
function weights(g: Builder, scores: FeatureMap, { out, groups, radix }: { readonly out: number; readonly groups: number; readonly radix: number }): readonly Value[] {
  if (radix === 1) return [g.sigmoid(scores)];
  const n = scores.shape[0];
  const byPart = groups === 1 ? g.reshape(scores, [n, radix, 1, out]) : g.transpose(g.reshape(scores, [n, groups, radix, out / groups]), [0, 2, 1, 3]);
  const shares = g.softmax(byPart, 1);
  return g.split(g.reshape(shares, [n, out * radix, 1, 1]), 1, Array.from({ length: radix }, () => out));
}
