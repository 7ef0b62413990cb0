import { bool, defineModule, int, ints, number, type Bound } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { floorDiv, mul, product, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap } from '../../compiler/ir/graph.js';
import { divided } from './channels.js';

const args = {
  num_heads: int('number of heads', undefined, { max: 65_536 }),
  group_split: ints('heads of each local group, then of the global one', undefined, { min: 0, max: 65_536 }),
  kernel_sizes: ints('kernel size of each local group, odd', undefined, { max: 4095, empty: true }),
  window_size: int('side of the windows that the global heads average keys and values over', 7, { max: 4096 }),
  attn_drop: number('dropout of the weights: nothing at inference', 0, { min: 0, max: 1 }),
  proj_drop: number('dropout of the result: nothing at inference', 0, { min: 0, max: 1 }),
  qkv_bias: bool('biases in the projections', true),
};

export const EfficientAttention = defineModule({
  doc: 'CloFormer’s attention: local heads with context-aware weights (AttnConv), and global heads on averaged keys.',
  source: 'arXiv:2303.17803 (CloFormer)',
  args,
  constraints: [
    '`num_heads` divides the channels',
    '`group_split` adds up to `num_heads` and has one number more than `kernel_sizes`; zeros come after the local groups that are used',
    'with global heads, `window_size` divides height and width',
    'kernel sizes are odd',
  ],
  example: { inputs: [[1, 64, 16, 16]], args: [4, [1, 1, 2], [3, 5], 4] },
  build(g, x, options) {
    const { num_heads: heads, group_split: groupSplit, kernel_sizes: kernels, window_size: window, qkv_bias: bias } = options;
    const c = x.shape[1];
    checkOptions(c, options);
    const size = c / heads;
    g.declare('convs', 'act_blocks', 'qkvs', 'attn_drop', 'proj_drop');
    const parts = kernels.flatMap((kernel, i) => (groupSplit[i]! > 0 ? [local(g, x, i, { width: size * groupSplit[i]!, kernel, scale: size ** -0.5, bias })] : []));
    if (groupSplit.at(-1)! > 0) parts.push(global(g, x, { heads: groupSplit.at(-1)!, size, window, bias }));
    return g.conv2d('proj', parts.length === 1 ? parts[0]! : g.concat(parts, 1), { out: c, bias });
  },
});
export default EfficientAttention;

/** tanh(act(q · k) / √d) · v on depthwise-convolved queries, keys and values: [n, width, h, w]. */
function local(g: Builder, x: FeatureMap, index: number, { width, kernel, scale, bias }: { readonly width: number; readonly kernel: number; readonly scale: number; readonly bias: boolean }): FeatureMap {
  const i = String(index);
  const mixed = g.in('convs').conv2d(i, g.in('qkvs').conv2d(i, x, { out: 3 * width, bias }), { out: 3 * width, kernel, padding: (kernel - 1) / 2, groups: 3 * width });
  const [query, key, value] = g.split(mixed, 1, [width, width, width]) as unknown as readonly [FeatureMap, FeatureMap, FeatureMap];
  const block = g.in('act_blocks').in(i).in('act_block');
  const hidden = block.conv2d('0', g.mul(query, key), { out: width });
  const weights = block.conv2d('2', block.mul(hidden, block.sigmoid(hidden, '1')), { out: width, scale });
  return g.mul(g.tanh(weights), value);
}

/** softmax(Q Kᵀ / √d) V with keys and values of the averaged map: [n, heads · size, h, w]. */
function global(g: Builder, x: FeatureMap, { heads, size, window, bias }: { readonly heads: number; readonly size: number; readonly window: number; readonly bias: boolean }): FeatureMap {
  const [n, , h, w] = x.shape;
  const width = heads * size;
  const [rows, columns] = [windowsOf(h, window), windowsOf(w, window)];
  const positions = product([rows, columns, window, window]);
  const query = g.transpose(g.reshapeAtRunTime(g.conv2d('global_q', x, { out: width, bias, scale: size ** -0.5 }), [n, heads, size, positions]), [0, 1, 3, 2]);
  if (window === 1) g.declare('avgpool');
  const averaged = window === 1 ? x : g.avgPool2d(x, { kernel: window }, 'avgpool');
  const [key, value] = g.split(g.conv2d('global_kv', averaged, { out: 2 * width, bias }), 1, [width, width]).map((part) => g.reshape(part, [n, heads, size, mul(rows, columns)]));
  const weights = g.softmax(g.matmul(query, key!), 3);
  const attended = g.transpose(g.matmul(weights, g.transpose(value!, [0, 1, 3, 2])), [0, 1, 3, 2]);
  return g.reshapeAtRunTime(attended, [n, width, h, w]);
}

function windowsOf(size: Extent, window: number): Extent {
  if (typeof size !== 'number' || size % window === 0) return floorDiv(size, window);
  throw new Problem('bad-shape', `windows of ${window} do not divide a map of ${size} rows or columns`, {
    help: `Use a window that divides ${size}: ${divisors(size).join(', ')}; or an --imgsz whose map it divides.`,
  });
}

/** All but 1, which averages nothing. */
const divisors = (size: number): number[] => Array.from({ length: size }, (_, i) => i + 1).filter((divisor) => size % divisor === 0 && (divisor > 1 || size === 1));

function checkOptions(c: number, { num_heads: heads, group_split: groupSplit, kernel_sizes: kernels }: Bound<typeof args>): void {
  divided(c, heads, 'heads');
  const total = groupSplit.reduce((a, b) => a + b, 0);
  if (total !== heads) throw new Problem('bad-argument', `group_split [${groupSplit.join(', ')}] adds up to ${total}, but num_heads is ${heads}`, { help: 'It counts the heads of every local group, then of the global one. (The other paper of this name is ShenEfficientAttention.)' });
  if (groupSplit.length !== kernels.length + 1) {
    throw new Problem('bad-argument', `${kernels.length} kernel sizes need ${kernels.length + 1} groups, got ${groupSplit.length}`, { help: 'The last group is the global one and has no kernel; give it 0 heads for none.' });
  }
  const even = kernels.find((kernel) => kernel % 2 === 0);
  if (even !== undefined) throw new Problem('bad-argument', `kernel_sizes must be odd, got ${even}`, { help: 'Use sizes such as 3, 5 or 7.' });
  const locals = groupSplit.slice(0, -1);
  if (locals.some((count, i) => count > 0 && locals.slice(0, i).includes(0))) {
    throw new Problem('bad-argument', `group_split [${groupSplit.join(', ')}] has an empty group before one that is used`, { help: 'The original fails on this as well: put empty groups after the others.' });
  }
}
