import { describe, expect, test } from '@jest/globals';
import type { BoundLayer, Literal, Network } from '../compiler/ir/network.js';
import type { ModuleLibrary } from '../compiler/library.js';
import { bool, channels, defineModule, int, literal, nominal, number, preset, type AnyModule } from '../compiler/module.js';
import { adapt, dialectOf, resolve, scaleRepeats } from '../compiler/yaml/dialects.js';
import { loadDefinitions, parseNetwork } from '../compiler/yaml/index.js';
import { inferChannels } from '../passes/network/infer-channels.js';
import { scale } from '../passes/network/scale.js';
import { bindNetwork, sourceOf } from './front-end.js';

/** Definitions as small as the passes allow: nothing is built here. */
const shared = { doc: '', source: '', example: { inputs: [], args: [] } };
const Conv = defineModule({ ...shared, args: { out: channels(''), kernel: int('', 1) }, build: (_, x) => x });
const fakes: Readonly<Record<string, AnyModule>> = {
  Conv,
  C3: defineModule({ ...shared, args: { out: channels(''), shortcut: bool('', true) }, repeats: 'inside', build: (_, x) => x }),
  PSA: defineModule({ ...shared, args: { channels: nominal('') }, build: (_, x) => x }),
  EMA: defineModule({ ...shared, args: { factor: int('', 8) }, build: (_, x) => x }),
  Double: defineModule({ ...shared, args: {}, out: (_, [c]) => 2 * c!, build: (_, x) => x }),
  Bottleneck: defineModule({
    ...shared,
    args: { out: channels(''), shortcut: bool('', true), groups: int('', 1), kernels: literal('', 'two sizes', [3, 3]), ratio: number('', 0.5) },
    build: (_, x) => x,
  }),
  Concat: defineModule({ ...shared, args: { dim: int('', 1) }, inputs: 'many', prints: 'as-written', out: (_, inputs) => inputs.reduce((a, b) => a + b, 0), build: (_, xs) => xs[0]! }),
  Detect: defineModule({ ...shared, args: { nc: int('', 80), regMax: preset('', 16) }, inputs: 'many', head: { task: 'detect', outputs: [] }, build: (_, xs) => xs }),
  AnchorDetect: defineModule({ ...shared, args: { nc: int('', 80), anchors: literal('', 'list') }, inputs: 'many', head: { task: 'detect', outputs: [] }, build: (_, xs) => xs }),
};
const fake: ModuleLibrary = { names: Object.keys(fakes), load: (name) => Promise.resolve(fakes[name]!) };

async function bind(keys: string, ...rows: string[]): Promise<Network<BoundLayer>> {
  const text = `${keys}\nbackbone:\n${rows.map((row) => `  - ${row}\n`).join('')}head: []\n`;
  const network = parseNetwork({ file: 'model.yaml', text: text.replace('backbone:\nhead', 'backbone: []\nhead') });
  return inferChannels(scale(network, await loadDefinitions(network, fake)));
}

const V8 = 'nc: 80\ndepth_multiple: 0.33\nwidth_multiple: 0.25';
const V5 = 'nc: 80\ndepth_multiple: 0.33\nwidth_multiple: 0.5\nanchors: [[1, 2, 3, 4, 5, 6]]';
const outs = ({ layers }: Network<BoundLayer>): number[] => layers.map(({ outChannels }) => outChannels);

describe('scaling', () => {
  test('repeats round halves to even', () => {
    const rounded = ([repeats, depth]: readonly [number, number]): number => scaleRepeats(repeats, { depth });
    expect(([[3, 0.33], [6, 0.33], [9, 0.33], [5, 0.5], [3, 0.5], [7, 0.5], [2, 0.1], [1, 0.1], [1, 5], [3, 0.67]] as const).map(rounded)).toEqual([1, 2, 3, 2, 2, 4, 1, 1, 1, 2]);
  });

  test('channels are rounded up to 8, kept at max_channels in Ultralytics', async () => {
    expect(outs(await bind(V8, '[-1, 1, Conv, [64]]', '[-1, 1, Conv, [100]]', '[-1, 1, Conv, [1]]'))).toEqual([16, 32, 8]);
    expect(outs(await bind(`${V8}\nmax_channels: 512`, '[-1, 1, Conv, [1024]]'))).toEqual([128]);
    expect(outs(await bind(V5.replace('0.5', '1.25'), '[-1, 1, Conv, [1024]]', '[-1, 1, Conv, [65]]'))).toEqual([1280, 88]);
  });

  test('YOLOv5 keeps as many channels as the head has outputs; PSA compares with nc', async () => {
    expect(outs(await bind(V5, '[-1, 1, Conv, [255]]', '[-1, 1, Conv, [80]]', '[-1, 1, PSA, [80]]', '[-1, 1, PSA, [255]]'))).toEqual([255, 40, 80, 128]);
    expect(outs(await bind(V8, '[-1, 1, Conv, [80]]'))).toEqual([24]);
  });

  test('an anchor count stands for numbered anchors on every level', async () => {
    const { layers } = await bind('nc: 2\ndepth_multiple: 1\nwidth_multiple: 1\nanchors: 1', '[-1, 1, Conv, [8]]', '[-1, 1, Conv, [16]]', '[[0, 1], 1, Detect, [nc, anchors]]');
    expect(layers[2]!.printed).toEqual([2, [[0, 1], [0, 1]], [8, 16]]);
    expect(layers[2]!.bound).toMatchObject({ nc: 2, anchors: [[0, 1], [0, 1]] });
  });
});

describe('channel inference', () => {
  test('inputs, channels and printed arguments', async () => {
    const network = await bind(V8, '[-1, 1, Conv, [64, 3]]', '[-1, 3, C3, [64, False]]', '[-1, 1, PolarizedPSA, [64]]', '[[-1, 0, -3], 1, Concat, [1]]', '[-1, 1, EMA, []]', '[-1, 1, Double, []]', '[[2], 1, Conv, [32]]', '[5, 1, Concat, [1]]', '[[0, 5], 1, Detect, [nc]]');
    const shown = network.layers.map(({ inputs, inChannels, outChannels, printed }) => [inputs, inChannels, outChannels, printed]);
    expect(shown).toEqual([
      [[-1], [3], 16, [3, 16, 3]],
      [[0], [16], 16, [16, 16, 1, false]],
      [[1], [16], 16, [16]],
      [[2, 0, 0], [16, 16, 16], 48, [1]],
      [[3], [48], 48, [48]],
      [[4], [48], 96, [48]],
      [[2], [16], 8, [16, 8]],
      [[5], [96], 96, [1]],
      [[0, 5], [16, 96], 16, [80, [16, 96]]],
    ]);
  });

  test('a repeat count goes inside, or makes copies', async () => {
    const { layers } = await bind(V8.replace('0.33', '1'), '[-1, 1, Conv, [64]]', '[-1, 3, C3, [64]]', '[-1, 3, Conv, [64]]', '[-1, 2, EMA, []]');
    expect(layers.map(({ copies, bound }) => [copies, bound.n])).toEqual([[1, 1], [1, 3], [3, 1], [2, 1]]);
  });

  test('defaults are filled in', async () => {
    const { layers } = await bind(V8, '[-1, 1, Conv, [64]]', '[-1, 1, EMA, []]');
    expect(layers.map(({ bound }) => bound)).toEqual([{ out: 16, kernel: 1, n: 1 }, { factor: 8, n: 1 }]);
  });
});

describe('dialects', () => {
  const bottleneck = async (keys: string, args: string): Promise<Readonly<Record<string, unknown>>> => (await bind(keys, `[-1, 1, Bottleneck, ${args}]`)).layers[0]!.bound;

  test('the arguments of Bottleneck', async () => {
    expect(await bottleneck(V5, '[64, False, 2, 0.25]')).toMatchObject({ out: 32, shortcut: false, groups: 2, ratio: 0.25, kernels: [[1, 1], [3, 3]] });
    expect(await bottleneck(V8, "[64, False, 2, '(1, 3)', 0.25]")).toMatchObject({ out: 16, shortcut: false, groups: 2, ratio: 0.25, kernels: [1, 3] });
    expect(await bottleneck(V8, '[64]')).toMatchObject({ kernels: [3, 3], ratio: 0.5 });
  });

  test('Detect is another module in each family; reg_max is a key', async () => {
    expect((await bind(`${V8}\nreg_max: 8`, '[-1, 1, Detect, [nc]]')).layers[0]!.bound).toEqual({ nc: 80, regMax: 8, n: 1 });
    expect(Object.keys((await bind(V5, '[-1, 1, Detect, [nc, anchors]]')).layers[0]!.definition.args)).toEqual(['nc', 'anchors']);
  });

  test('an alias without order or presets leaves the definition as it is', () => {
    const dialect = dialectOf({ family: 'ultralytics' });
    expect(adapt(Conv, resolve(dialect, 'Conv'), { keys: {} })).toBe(Conv);
    expect(resolve(dialect, 'toString')).toEqual({ file: 'toString' });
  });
});

/** `layer_table` rows of the goldens: [index, from, n, module args]. Real modules, whole models. */
const table = ({ layers }: Network<BoundLayer>): [number, number | readonly number[], number, readonly Literal[]][] =>
  layers.map(({ index, from, fromList, repeats, printed }) => [index, fromList ? from : from[0]!, repeats, printed]);

test('yolov5n prints as YOLOv5 does', async () => {
  const anchors = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]];
  const rows = table(await bindNetwork(sourceOf('fixtures/models/yolov5n.yaml')));
  expect(rows.filter(([index]) => [0, 4, 6, 9, 11, 12, 13, 24].includes(index))).toEqual([
    [0, -1, 1, [3, 16, 6, 2, 2]],
    [4, -1, 2, [64, 64, 2]],
    [6, -1, 3, [128, 128, 3]],
    [9, -1, 1, [256, 256, 5]],
    [11, -1, 1, [null, 2, 'nearest']],
    [12, [-1, 6], 1, [1]],
    [13, -1, 1, [256, 128, 1, false]],
    [24, [17, 20, 23], 1, [80, anchors, [64, 128, 256]]],
  ]);
});

test('yolov8-ema prints as Ultralytics does, at scales n and x', async () => {
  const source = sourceOf('fixtures/models/yolov8-ema.yaml');
  const shown = async (scaleName: string): Promise<unknown> => table(await bindNetwork(source, { scale: scaleName })).filter(([index]) => [0, 6, 8, 15, 16, 25].includes(index));
  expect(await shown('n')).toEqual([
    [0, -1, 1, [3, 16, 3, 2]],
    [6, -1, 2, [128, 128, 2, true]],
    [8, -1, 1, [256, 256, 1, true]],
    [15, -1, 1, [192, 64, 1]],
    [16, -1, 1, [64]],
    [25, [16, 20, 24], 1, [80, [64, 128, 256]]],
  ]);
  expect(await shown('x')).toEqual([
    [0, -1, 1, [3, 80, 3, 2]],
    [6, -1, 6, [640, 640, 6, true]],
    [8, -1, 3, [640, 640, 3, true]],
    [15, -1, 3, [960, 320, 3]],
    [16, -1, 1, [320]],
    [25, [16, 20, 24], 1, [80, [320, 640, 640]]],
  ]);
});

test('a YOLOv5 v6 row has act where v7 has the dilation', async () => {
  const text = `${V5}\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2, None, 1, False]]\n  - [-1, 1, DWConv, [64, 3, 1, False]]\nhead: []\n`;
  const { layers } = await bindNetwork({ file: 'v6.yaml', text });
  expect(layers.map(({ bound }) => [bound.dilation, bound.act])).toEqual([[1, false], [1, false]]);
});
