/** What a weights file says of its model beside the numbers, against a yaml: yaml, scale, classes, activations, eps, strides. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import { compile, listWeights, type CompileOptions, type Problem } from '../compiler/index.js';
import { openSafetensors } from '../compiler/weights/safetensors.js';
import { graphText } from '../compiler/node/show.js';
import { f32, memorySource, problemOfAsync, safetensors, type MadeTensor } from './made-files.js';
import { NONE, called, dict, fields, float, int, ints, list, text, tuple, type Part } from './made-pickle.js';
import { nnModule, ordered, parameter, torchZip } from './made-torch.js';

const { onnx } = onnxProto;

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-facts-'))));
beforeEach(() => {
  rmSync(folder, { recursive: true });
  mkdirSync(join(folder, 'sub'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: Uint8Array | string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** One Conv: 3 channels to 8, three by three, with a stride of 2. */
const yaml = 'nc: 1\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\nhead: []\n';
const shapes = { 'conv.weight': [8, 3, 3, 3], 'bn.weight': [8], 'bn.bias': [8], 'bn.running_mean': [8], 'bn.running_var': [8] } as const;
const source = { file: 'model.yaml', text: yaml };

const filled = (shape: readonly number[], value = 1): MadeTensor => f32(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(value));
/** The tensors of layers that are all such a Conv, by their state_dict keys. */
const convTensors = (...prefixes: readonly string[]): Record<string, MadeTensor> => Object.fromEntries(prefixes.flatMap((prefix) => Object.entries(shapes).map(([key, shape]) => [prefix + key, filled(shape)])));

interface MadeConv {
  readonly conv?: Readonly<Record<string, Part>>;
  readonly bn?: Readonly<Record<string, Part>>;
  readonly act?: Part;
  readonly model?: Readonly<Record<string, unknown>>;
}

const pair = (value: number): Part => ints([value, value]);
const silu = nnModule('torch.nn.modules.activation.SiLU');
const rows = list(list(int(-1), int(1), text('Conv'), list(int(8), int(3), int(2))));
const pickledYaml = fields({ nc: int(1), backbone: rows, head: ']' });

/** A pickled model of that one Conv, its storages all ones. */
function checkpoint({ conv = {}, bn = {}, act = silu, model = { yaml: pickledYaml } }: MadeConv = {}): Uint8Array {
  const layer = nnModule('models.common.Conv', {
    modules: {
      conv: nnModule('torch.nn.modules.conv.Conv2d', { parameters: { weight: parameter('0', shapes['conv.weight']), bias: NONE }, stride: pair(2), padding: pair(1), dilation: pair(1), groups: int(1), padding_mode: text('zeros'), ...conv }),
      bn: nnModule('torch.nn.modules.batchnorm.BatchNorm2d', { parameters: { weight: parameter('1', [8]), bias: parameter('1', [8]) }, buffers: { running_mean: parameter('1', [8]), running_var: parameter('1', [8]) }, eps: float(0.001), ...bn }),
      act,
    },
  });
  const root = nnModule('models.yolo.Model', { modules: { model: nnModule('torch.nn.modules.container.Sequential', { modules: { 0: layer } }) }, ...model });
  const ones = (count: number): Uint8Array => new Uint8Array(new Float32Array(count).fill(1).buffer);
  return torchZip(fields({ model: root }), { 0: ones(216), 1: ones(8) });
}

/** The recorded graph, of the file alone or with a yaml beside it. */
const graphOf = (made: MadeConv, beside?: string): Promise<string> => {
  const best = file('best.pt', checkpoint(made));
  return graphText({ after: 'record', imgsz: [32, 32], ...(beside === undefined ? { model: best } : { model: file('beside.yaml', beside), weights: best }) });
};
const refused = (options: Partial<CompileOptions>): Promise<Problem> => problemOfAsync(compile({ imgsz: [32, 32], hash: false, ...options }));

describe('a pickled model', () => {
  test('eps', async () => {
    expect(await graphOf({})).toContain('{epsilon: 0.001}');
    expect(await graphOf({ bn: { eps: float(0.25) } })).toContain('{epsilon: 0.25}');
    expect(await graphOf({ bn: { eps: float(0.25) } }, yaml)).toContain('{epsilon: 0.25}');
    for (const odd of [text('0.5'), NONE, float(-1), float(NaN)]) expect(await graphOf({ bn: { eps: odd } })).toContain('{epsilon: 0.001}');
  });

  const act = (name: string, attributes: Readonly<Record<string, Part>> = {}): Part => nnModule(`torch.nn.modules.activation.${name}`, attributes);
  test.each<[string, Part, RegExp]>([
    ['SiLU', silu, /= Sigmoid\(/],
    ['ReLU', act('ReLU', { inplace: '\x88' }), /= Relu\(/],
    ['LeakyReLU', act('LeakyReLU', { negative_slope: float(0.25) }), /= LeakyRelu\(.*alpha: 0\.25/],
    ['ELU', act('ELU', { alpha: float(0.5) }), /= Elu\(.*alpha: 0\.5/],
    ['Hardswish', act('Hardswish'), /HardSwish\(/],
    ['GELU', act('GELU', { approximate: text('none') }), /Gelu\(/],
    ['none', nnModule('torch.nn.modules.linear.Identity'), /^(?!.*(Sigmoid|Relu))/s],
  ])('activation: %s', async (_, module, wanted) => {
    expect(await graphOf({ act: module })).toMatch(wanted);
    // A yaml beside it that says nothing of activations leaves it so.
    expect(await graphOf({ act: module }, yaml)).toMatch(wanted);
  });

  test('an activation that a yaml beside it names is that', async () => {
    const text = await graphOf({ act: act('ReLU') }, `activation: nn.Hardswish()\n${yaml}`);
    expect(text).toMatch(/HardSwish\(/);
    expect(text).not.toMatch(/Relu\(/);
  });

  test.each<[string, MadeConv, RegExp]>([
    ['a stride', { conv: { stride: pair(1) } }, /^model\.0\.conv has stride \[1, 1\] in .*best\.pt, the yaml makes it \[2, 2\]$/],
    ['a stride of two numbers', { conv: { stride: ints([2, 1]) } }, /^model\.0\.conv has stride \[2, 1\] in/],
    ['a stride that is one number', { conv: { stride: int(1) } }, /^model\.0\.conv has stride \[1, 1\] in/],
    ['padding', { conv: { padding: pair(0) } }, /^model\.0\.conv has padding \[0, 0\] in .*, the yaml makes it \[1, 1\]$/],
    ['dilation', { conv: { dilation: pair(2) } }, /^model\.0\.conv has dilation \[2, 2\] in .*, the yaml makes it \[1, 1\]$/],
    ['groups', { conv: { groups: int(3) } }, /^model\.0\.conv has groups \[3\] in .*, the yaml makes it \[1\]$/],
    ['what it pads with', { conv: { padding_mode: text('reflect') } }, /^a convolution in .*best\.pt pads with 'reflect', which is not available$/],
    ['an approximated GELU', { act: act('GELU', { approximate: text('tanh') }) }, /^a GELU in .*best\.pt is approximated \('tanh'\), which is not available$/],
    ['an activation of one’s own', { act: nnModule('my.act.Swoosh') }, /^.*best\.pt has the activation my\.act\.Swoosh, which is not PyTorch's$/],
    ['an activation of PyTorch’s that is not known', { act: act('Softsign') }, /^activation nn\.Softsign\(\) is not known$/],
  ])('%s that the yaml does not make is refused', async (_, made, message) => {
    const best = file('best.pt', checkpoint(made));
    for (const options of [{ model: best }, { model: source, weights: best }]) expect((await refused(options)).message).toMatch(message);
  });

  test.each<[string, Readonly<Record<string, Part>>]>([['the same as one number', { stride: int(2), padding: int(1) }], ['a word', { padding: text('same') }], ['nothing', { stride: NONE, padding: NONE, dilation: NONE, groups: NONE, padding_mode: NONE }]])('attributes that say %s are fine', async (_, conv) => {
    expect(await graphOf({ conv })).toContain('strides: [2, 2], pads: [1, 1, 1, 1]');
  });

  test('a pool’s window', async () => {
    const conv = (name: string, key: string, channels: readonly [number, number]): [string, Part] => [name, nnModule('models.common.Conv', { modules: { conv: nnModule('torch.nn.modules.conv.Conv2d', { parameters: { weight: parameter(`${key}w`, [channels[0], channels[1], 1, 1]) } }), bn: nnModule('torch.nn.modules.batchnorm.BatchNorm2d', { parameters: { weight: parameter(key, [channels[0]]), bias: parameter(key, [channels[0]]) }, buffers: { running_mean: parameter(key, [channels[0]]), running_var: parameter(key, [channels[0]]) } }) } })];
    const pool = (kernel: number): Uint8Array => {
      const sppf = nnModule('models.common.SPPF', { modules: Object.fromEntries([conv('cv1', 'a', [1, 3]), conv('cv2', 'b', [8, 4]), ['m', nnModule('torch.nn.modules.pooling.MaxPool2d', { kernel_size: int(kernel), stride: int(1), padding: int(2) })]]) });
      const zeros = (count: number): Uint8Array => new Uint8Array(4 * count);
      return torchZip(nnModule('models.yolo.Model', { modules: { model: nnModule('S.S', { modules: { 0: sppf } }) } }), { a: zeros(1), aw: zeros(3), b: zeros(8), bw: zeros(32) });
    };
    const model = { file: 'model.yaml', text: 'nc: 1\nbackbone:\n  - [-1, 1, SPPF, [8, 5]]\nhead: []\n' };
    expect((await compile({ model, weights: file('5.pt', pool(5)), imgsz: [32, 32] })).warnings).toEqual([]);
    expect((await refused({ model, weights: file('3.pt', pool(3)) })).message).toMatch(/^model\.0\.m has kernel_size \[3, 3\] in .*3\.pt, the yaml makes it \[5, 5\]$/);
  });

  test('its number of classes, where the head has another than the yaml: the head is believed, and it is said', async () => {
    const { warnings } = await compile({ model: 'fixtures/checkpoints/yolov5u-yaml_nc80.pt', imgsz: [64, 64] });
    expect(warnings).toEqual([expect.stringMatching(/^warning\[bad-weights\]: the yaml in .*yolov5u-yaml_nc80\.pt has nc 80, the trained head 3: the head is believed$/)]);
  });

  test('names come in the order of their numbers', async () => {
    const names = dict([int(1), text('dog')], [int(0), text('cat')]);
    const best = file('best.pt', checkpoint({ model: { yaml: pickledYaml, names } }));
    expect((await listWeights({ file: best })).names).toEqual(['cat', 'dog']);
  });

  test('its yaml is text again, whatever stands in it', async () => {
    const odd = fields({ nc: int(1), 'a: b': text('x # y'), on: text('yes'), empty: text(''), n: NONE, inf: float(Infinity), scales: fields({ n: list(float(0.33), float(0.5), int(1024)) }), backbone: rows, head: called('collections', 'OrderedDict'), ch: int(3) });
    const listing = await listWeights({ file: file('best.pt', checkpoint({ model: { yaml: odd } })) });
    expect(listing.yaml).toBe('nc: 1\n"a: b": "x # y"\n"on": "yes"\nempty: ""\n"n": null\ninf: .inf\nscales:\n  "n": [0.33, 0.5, 1024]\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\nhead: {}\nch: 3\n');
  });
});

describe('convolutions that BatchNorm was fused into', () => {
  const fused = { 'model.0.conv.weight': filled([8, 3, 3, 3]), 'model.0.conv.bias': filled([8], 2) };
  const text = (tensors: Readonly<Record<string, MadeTensor>>): Promise<string> => graphText({ model: file('m.yaml', yaml), weights: file('w.safetensors', safetensors(tensors)), after: 'record', imgsz: [32, 32] });

  test('have a bias and no BatchNorm', async () => {
    const graph = await text(fused);
    expect(graph).toContain('Conv(images, model.0.conv.weight[8, 3, 3, 3], model.0.conv.bias[8])');
    expect(graph).not.toContain('BatchNormalization');
  });

  test('a bias and a BatchNorm are both computed', async () => {
    const graph = await text({ ...fused, ...convTensors('model.0.') });
    expect(graph).toContain('model.0.conv.bias[8]');
    expect(graph).toContain('BatchNormalization');
  });

  test('neither a bias nor a BatchNorm is a misfit', async () => {
    const problem = await problemOfAsync(text({ 'model.0.conv.weight': filled([8, 3, 3, 3]) }));
    expect(problem.message).toContain('4 missing (of 5 tensors)');
  });
});

describe('where the yaml comes from', () => {
  const weights = safetensors(convTensors('model.0.'));

  test('beside the file, under its name', async () => {
    const best = file('best.safetensors', weights);
    const missing = await refused({ model: best });
    expect(missing).toMatchObject({ code: 'bad-weights', message: `${best} does not tell what its model is: it holds a state_dict without a yaml`, help: `Give the yaml that it was trained with: yolonnx compile model.yaml --weights ${best}` });
    for (const extension of ['yml', 'yaml']) {
      file(`best.${extension}`, yaml);
      expect((await compile({ model: best, imgsz: [32, 32] })).parameters).toBe(232);
      rmSync(join(folder, `best.${extension}`));
    }
  });

  test('the file’s own before one beside it', async () => {
    file('best.yaml', 'not: a model\n');
    expect((await compile({ model: file('best.pt', checkpoint()), imgsz: [32, 32] })).parameters).toBe(232);
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ['its text', { yaml }],
    ['a path from the file’s folder', { yaml: 'sub/model.yaml' }],
    ['a path under another key', { yaml_file: 'sub/model.yaml' }],
    ['the text, whatever the path', { yaml, yaml_file: 'gone.yaml' }],
  ])('metadata of safetensors: %s', async (_, metadata) => {
    file('sub/model.yaml', yaml);
    expect((await compile({ model: file('best.safetensors', safetensors(convTensors('model.0.'), metadata)), imgsz: [32, 32] })).parameters).toBe(232);
  });

  test('a path that leads nowhere is told', async () => {
    const problem = await refused({ model: file('best.safetensors', safetensors(convTensors('model.0.'), { yaml: 'gone.yaml' })) });
    expect([problem.code, problem.message]).toEqual(['unreadable', expect.stringContaining('gone.yaml')]);
  });

  test('a yaml of the file that is at fault is shown in its place', async () => {
    const broken = fields({ nc: int(1), backbone: list(list(int(-1), int(1), text('Konv'), list(int(4)))), head: ']' });
    const problem = await refused({ model: file('best.pt', checkpoint({ model: { yaml: broken } })) });
    expect(problem).toMatchObject({ code: 'unknown-module', place: { source: { file: join(folder, 'best.pt') } } });
  });

  test('the yaml of one file, the weights of another', async () => {
    const [old, best] = [file('old.pt', checkpoint()), file('best.safetensors', safetensors({ ...convTensors('model.0.'), 'model.0.bn.bias': filled([8], 7) }))];
    const { model, weights: told } = await compile({ model: old, weights: best, imgsz: [32, 32], passes: [] });
    expect(told).toEqual({ file: best, holds: 'state_dict', unused: [] });
    const bias = onnx.ModelProto.decode(model!).graph!.initializer!.find(({ name }) => name?.includes('bn.bias'))!;
    expect([...new Float32Array(new Uint8Array(bias.rawData!).buffer)]).toEqual([7, 7, 7, 7, 7, 7, 7, 7]);
  });
});

describe('rules, aliases and wrappers', () => {
  const two = { file: 'two.yaml', text: 'nc: 1\nbackbone:\n  - [-1, 1, MyConv, [8, 3, 2]]\nhead: []\n' };

  test.each<[string, string, Partial<CompileOptions>]>([
    ['as they are', 'model.0.', {}],
    ['in a wrapper', 'module.model.0.', {}],
    ['of an inner Sequential', '0.', {}],
    ['renamed', 'net.first.', { keyMap: ['net.first.*=model.0.*'] }],
  ])('keys %s', async (_, prefix, options) => {
    const { weights } = await compile({ model: source, weights: file('w.safetensors', safetensors(convTensors(prefix))), imgsz: [32, 32], ...options });
    expect(weights!.unused).toEqual([]);
  });

  test('tensors left out by a rule are as if they were not there', async () => {
    const weights = file('w.safetensors', safetensors({ ...convTensors('model.0.'), 'aux.w': filled([1]) }));
    expect((await refused({ model: source, weights })).message).toContain('aux.w is not in the model');
    expect((await compile({ model: source, weights, keyMap: ['aux.*='], imgsz: [32, 32] })).weights!.unused).toEqual([]);
    expect((await refused({ model: source, weights, keyMap: ['aux.*=', 'model.0.bn.bias='] })).message).toContain('1 missing (of 5 tensors)');
  });

  test('rules without weights are refused', async () => {
    expect(await refused({ model: source, keyMap: ['a=b'] })).toMatchObject({ code: 'bad-option', message: 'a key map renames the tensors of a file, but no weights are given' });
  });

  test('a module with rules: facts move with the tensors', async () => {
    const best = file('best.pt', checkpoint({ conv: { stride: pair(1) } }));
    expect((await refused({ model: best, keyMap: ['model.0.conv.*=model.0.conv.*'] })).message).toMatch(/^model\.0\.conv has stride \[1, 1\]/);
  });

  test('one module alone takes its own keys, from any form of file', async () => {
    const module = { module: 'SE', args: '[8, 4]', inputs: [[1, 8, 4, 4]] };
    const weights = [file('se.safetensors', safetensors({ 'module.l1.weight': filled([2, 8]), 'module.l2.weight': filled([8, 2]) })), file('se.pt', torchZip(fields({ 'l1.weight': parameter('0', [2, 8]), 'l2.weight': parameter('0', [8, 2]) }), { 0: new Uint8Array(new Float32Array(16).fill(1).buffer) }))];
    const [first, second] = await Promise.all(weights.map((path) => compile({ module, weights: path })));
    expect(onnx.ModelProto.decode(second!.model!).graph!.initializer).toEqual(onnx.ModelProto.decode(first!.model!).graph!.initializer);
    expect([first!.weights!.unused, second!.weights!.holds]).toEqual([[], 'state_dict']);
    expect((await refused({ module: { ...module, args: '[8, 2]' }, weights: weights[0]! })).message).toContain('l1.weight is [2, 8], the model needs [4, 8]');
  });

  test('a row under a name of one’s own', async () => {
    const weights = file('w.safetensors', safetensors(convTensors('model.0.')));
    expect(await refused({ model: two, weights })).toMatchObject({ code: 'unknown-module', message: 'there is no module MyConv', help: expect.stringContaining('--alias MyConv=Conv') });
    expect((await compile({ model: two, weights, aliases: { MyConv: 'Conv' }, imgsz: [32, 32] })).parameters).toBe(232);
    expect((await refused({ model: two, weights, aliases: { MyConv: 'Konv' } })).code).toBe('unknown-module');
  });
});

describe('advice', () => {
  const root = 'fixtures/checkpoints';
  const yamlOf = (name: string): string => openSafetensors(memorySource(readFileSync(`${root}/${name}.safetensors`))).metadata.get('yaml')!;

  test.each<[string, string, (text: string) => string, Partial<CompileOptions>, string]>([
    ['the number of classes', 'yolov5u-zip_p5', (text) => text.replace(/^nc: 3/m, 'nc: 80'), {}, 'The weights are of a model with nc 3: add --nc 3.'],
    ['the scale', 'yolov8u-sd_yolo_wrapper', (text) => text, { scale: 's' }, 'The weights are of scale t: add --scale t.'],
    ['another yaml', 'yolov5u-zip_p5', (text) => text.replace(/^width_multiple: .*/m, 'width_multiple: 0.5'), {}, 'Check that the yaml, its scale and nc are those that the weights were trained with. --key-map "old.*=new.*" renames keys, --alias MyName=Name takes a row for another module.'],
  ])('%s', async (_, name, change, options, help) => {
    const given = yamlOf(name);
    const text = change(given);
    const request = { model: { file: 'm.yaml', text }, weights: `${root}/${name}.pt`, imgsz: [64, 64] as const, ...options };
    const problem = await refused(request);
    expect([problem.code, problem.help]).toEqual(['bad-weights', help]);
    const added = /add --(\w+) (\w+)/.exec(help);
    if (added) expect((await compile({ ...request, [added[1]!]: added[1] === 'nc' ? Number(added[2]) : added[2] })).weights!.holds).not.toBe('');
  });

  test('where nothing says which scale, that which fits is taken', async () => {
    const { warnings } = await compile({ model: `${root}/yolov8u-yaml_no_scale_last.pt`, imgsz: [64, 64] });
    expect(warnings).toEqual([expect.stringMatching(/^warning\[bad-scale\]: no scale is given: t is taken, which .*yolov8u-yaml_no_scale_last\.pt fits\n {2}help: --scale t says the same\.$/)]);
  });

  test('a row that the pickled model has under another class says so', async () => {
    const text = yamlOf('yolov8u_MyEMA').replace('MyEMA, [4]', 'CBAM, [128]');
    const problem = await refused({ model: { file: 'm.yaml', text }, scale: 't', weights: `${root}/yolov8u_MyEMA.pt`, imgsz: [64, 64] });
    expect(problem.message).toMatch(/ \(layer 4, CBAM; my_project\.attn\.MyEMA in the file\)$/m);
  });
});

test('attributes of the head are facts of the model', async () => {
  const { nc, regMax, kptShape, stride, task, scale, names } = await listWeights({ file: 'fixtures/checkpoints/yolov8u-pose_5x2.pt' });
  expect({ nc, regMax, kptShape, stride, task, scale, names: names!.length }).toEqual({ nc: 1, regMax: 4, kptShape: [5, 2], stride: [8, 16], task: 'pose', scale: 't', names: 1 });
  const { anchors } = await listWeights({ file: 'fixtures/checkpoints/yolov5u-autoanchor.pt' });
  expect(anchors!.map((level) => level.length)).toEqual([6, 6]);
});

test('tuples, ordered dicts and lists of a pickled yaml read alike', async () => {
  const of = (backbone: Part, head: Part): Promise<string | undefined> => listWeights({ file: file('best.pt', checkpoint({ model: { yaml: ordered({ nc: int(1), backbone, head }) } })) }).then((listing) => listing.yaml);
  expect(await of(tuple(tuple(int(-1), int(1), text('Conv'), ints([8, 3, 2]))), ']')).toBe(await of(rows, ')'));
});

describe('which keys belong to what', () => {
  /** The layer alone in a Sequential that was saved as it is: paths `0`, keys `0.conv.weight`. */
  const bn = nnModule('torch.nn.modules.batchnorm.BatchNorm2d', { parameters: { weight: parameter('1', [8]), bias: parameter('1', [8]) }, buffers: { running_mean: parameter('1', [8]), running_var: parameter('1', [8]) }, eps: float(0.5) });
  const inner = nnModule('torch.nn.modules.container.Sequential', {
    modules: { 0: nnModule('models.common.Conv', { modules: { conv: nnModule('torch.nn.modules.conv.Conv2d', { parameters: { weight: parameter('0', shapes['conv.weight']), bias: NONE } }), bn, act: silu } }) },
  });
  const ones = (count: number): Uint8Array => new Uint8Array(new Float32Array(count).fill(1).buffer);

  test('an inner Sequential states its layers’ eps', async () => {
    const weights = file('inner.pt', torchZip(inner, { 0: ones(8 * 27), 1: ones(8) }));
    const { warnings } = await compile({ model: source, weights, imgsz: [32, 32] });
    expect(warnings).toEqual([expect.stringContaining('the trained layers have eps 0.5, their definition has 0.001')]);
  });

  test('copies of a module alone have keys that begin with a number', async () => {
    const copies = convTensors('0.', '1.');
    const square = Object.fromEntries(Object.entries(copies).map(([key, tensor]) => [key, key.endsWith('conv.weight') ? filled([8, 8, 3, 3]) : tensor]));
    const weights = file('copies.safetensors', safetensors(square));
    const { weights: used } = await compile({ module: { module: 'Conv', args: '[8, 3]', inputs: [[1, 8, 4, 4]], repeats: 2 }, weights });
    expect(used?.unused).toEqual([]);
  });

  test('a fused convolution stands for one BatchNorm, not for the next as well', async () => {
    const text = 'nc: 1\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2, null, 1, 1, False]]\n  - [-1, 1, NAMAttention, [8]]\nhead: []\n';
    const fused = { 'model.0.conv.weight': filled([8, 3, 3, 3]), 'model.0.conv.bias': filled([8]) };
    const problem = await problemOfAsync(compile({ model: { file: 'nam.yaml', text }, weights: file('fused.safetensors', safetensors(fused)), imgsz: [32, 32] }));
    expect(problem.message).toMatch(/4 missing[^]*model\.1\.Channel_Att\.bn2\.weight is missing/);
  });

  test('a bias that no definition has is used, and told', async () => {
    const biased = { ...convTensors('model.0.'), 'model.0.conv.bias': filled([8]) };
    const { warnings } = await compile({ model: source, weights: file('biased.safetensors', safetensors(biased)), imgsz: [32, 32] });
    expect(warnings).toEqual([]);
    const cbam = await stateDictOf('CBAM', '[8, 2, 3]', [1, 8, 4, 4]);
    const told = await compile({ module: { module: 'CBAM', args: '[8, 2, 3]', inputs: [[1, 8, 4, 4]] }, weights: file('cbam.safetensors', safetensors({ ...cbam, 'channel_attention.f1.bias': filled([4]) })) });
    expect(told.warnings).toEqual([expect.stringMatching(/a bias where the definition has none, which is added: channel_attention\.f1$/)]);
  });

  test.each([384, 896, 19_280])('a header of %d bytes does not make safetensors a pickle or a zip', async (length) => {
    const plain = safetensors(convTensors('model.0.'));
    const [headerLength] = new Uint32Array(plain.slice(0, 4).buffer);
    const header = Buffer.from(plain.subarray(8, 8 + headerLength!));
    const size = header.length > length ? length + 65_536 : length;
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, size, true);
    const padded = new Uint8Array(Buffer.concat([head, header, Buffer.alloc(size - header.length, ' '), plain.subarray(8 + headerLength!)]));
    expect((await listWeights({ file: file('padded.safetensors', padded) })).totals.tensors).toBe(5);
  });

  test('a letter for a scale without scales does not count', async () => {
    const model = { yaml: fields({ nc: int(1), backbone: rows, head: ']', scale: text('n'), depth_multiple: float(1), width_multiple: float(1) }) };
    expect((await compile({ model: file('flat.pt', checkpoint({ model })), imgsz: [32, 32] })).warnings).toEqual([]);
  });
});

/** All tensors of a module, as a compilation without weights would ask for them. */
async function stateDictOf(module: string, args: string, shape: readonly number[]): Promise<Record<string, MadeTensor>> {
  const problem = await problemOfAsync(compile({ module: { module, args, inputs: [shape] }, weights: file('empty.safetensors', safetensors({ x: filled([1]) })) }));
  const keys = [...problem.message.matchAll(/^ {4}(\S+) is missing/gm)].map(([, key]) => key!);
  const found: Record<string, MadeTensor> = Object.fromEntries(keys.map((key) => [key, filled([1])]));
  const sizes = await problemOfAsync(compile({ module: { module, args, inputs: [shape] }, weights: file('ones.safetensors', safetensors(found)) }));
  for (const [, key, needed] of sizes.message.matchAll(/^ {4}(\S+) is \[1\], the model needs \[([\d, ]+)\]/gm)) found[key!] = filled(needed!.split(', ').map(Number));
  return found;
}
