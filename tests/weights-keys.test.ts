/** Names of tensors: rules that change them, prefixes that are stripped, and what is said where they do not fit. */
import { describe, expect, test } from '@jest/globals';
import { asNetwork, mapKeys, prefixOf, withoutPrefix, type Checkpoint } from '../compiler/weights/checkpoint.js';
import type { DType } from '../compiler/weights/dtypes.js';
import { keyMap } from '../compiler/weights/key-map.js';
import type { ModuleFacts, WeightSource } from '../compiler/weights/source.js';
import { stateDictWeights, type StoredTensor } from '../compiler/weights/state-dict.js';
import { problemOf } from './made-files.js';

const stored = (shape: readonly number[] = [1], dtype: DType = 'F32'): StoredTensor => ({
  dtype,
  shape,
  size: shape.reduce((product, size) => product * size, 1),
  bytes: () => undefined,
  ...(dtype === 'F32' ? { read: (into: Float32Array) => void into.fill(9) } : {}),
});
const facts = (path: string): ModuleFacts => ({ path, file: 'best.pt', attribute: () => undefined });

/** Tensors of one element by their keys. */
const tensorsOf = (...keys: readonly string[]): Map<string, StoredTensor> => new Map(keys.map((key) => [key, stored()]));

describe('rules', () => {
  test.each<[string, readonly string[], string, string | undefined]>([
    ['none', [], 'model.0.w', 'model.0.w'],
    ['one that does not match', ['model.1.*=x.*'], 'model.0.w', 'model.0.w'],
    ['a whole key', ['a.b=c.d'], 'a.b', 'c.d'],
    ['a whole key is not a part of one', ['a.b=c.d'], 'a.b.w', 'a.b.w'],
    ['a star', ['fc.*=fc1.*'], 'fc.weight', 'fc1.weight'],
    ['a star for nothing', ['fc*=fc1*'], 'fc', 'fc1'],
    ['two stars, in order', ['a.*.m.*=b.*.n.*'], 'a.1.m.w', 'b.1.n.w'],
    ['each star as short as it can be', ['*.*=*-*'], 'a.b.c', 'a-b.c'],
    ['fewer stars on the new side', ['a.*.*=b.*'], 'a.1.w', 'b.1'],
    ['no star on the new side', ['a.*=b'], 'a.1.w', 'b'],
    ['a prefix for every key', ['*=model.*'], '0.w', 'model.0.w'],
    ['an end', ['*.norm.*=*.bn.*'], 'model.3.cv1.norm.bias', 'model.3.cv1.bn.bias'],
    ['ends that overlap do not match', ['ab*ba=x'], 'aba', 'aba'],
    ['ends that touch do', ['ab*ba=x*'], 'abba', 'x'],
    ['the first that matches counts', ['a.b=1', 'a.*=2.*', '*=3.*'], 'a.b', '1'],
    ['later rules do not see what earlier ones made', ['a=b', 'b=c'], 'a', 'b'],
    ['an empty new side leaves out', ['aux.*='], 'aux.w', undefined],
    ['an exception before it', ['aux.keep=keep', 'aux.*='], 'aux.keep', 'keep'],
    ['signs of other languages are plain text', ['a+(b).[c]$^\\d=x'], 'a+(b).[c]$^\\d', 'x'],
    ['blanks around the sides', [' a = b '], 'a', 'b'],
    ['names of objects', ['__proto__=constructor'], '__proto__', 'constructor'],
  ])('%s', (_, rules, key, wanted) => {
    expect(keyMap(rules)(key)).toBe(wanted);
  });

  test.each<[string, string, RegExp]>([
    ['no sign', 'a.b', /^a key map must be old=new, got 'a\.b'$/],
    ['no old side', '=b', /^a key map must be old=new, got '=b'$/],
    ['blanks for an old side', '  =b', /^a key map must be old=new/],
    ['nothing', '', /^a key map must be old=new, got ''$/],
    ['two signs', 'a=b=c', /^a key map must be old=new, got 'a=b=c'$/],
    ['a star from nowhere', 'a=b.*', /^the key map 'a=b\.\*' has more \* on its new side than on its old one$/],
  ])('refuses %s', (_, rule, message) => {
    expect(problemOf(() => keyMap(['x=y', rule]))).toMatchObject({ code: 'bad-option', message: expect.stringMatching(message) });
  });

  test('a text that could match in many ways ends at once', () => {
    const key = 'a'.repeat(900);
    expect(keyMap([`${'*a'.repeat(30)}*b=x`])(key)).toBe(key);
  });

  const checkpoint = (tensors: ReadonlyMap<string, StoredTensor>, ...modules: readonly string[]): Checkpoint => ({
    name: 'best.pt', container: 'zip', holds: 'state_dict', tensors, modules: new Map(modules.map((path) => [path, facts(`my.${path}`)])), model: {}, info: {}, classes: [],
  });

  test('of a checkpoint: tensors move, in their order, and modules with them', () => {
    const { tensors, modules } = mapKeys(checkpoint(tensorsOf('model.4.pw.w', 'model.4.pw.b', 'aux.w', 'model.5.w'), 'model.4', 'model.4.pw', 'aux'), keyMap(['model.4.pw.*=model.4.conv1x1.*', 'aux.*=']));
    expect([...tensors.keys()]).toEqual(['model.4.conv1x1.w', 'model.4.conv1x1.b', 'model.5.w']);
    expect([...modules].map(([path, { path: name }]) => [path, name])).toEqual(expect.arrayContaining([['model.4', 'my.model.4'], ['model.4.conv1x1', 'my.model.4.pw']]));
  });

  test.each<[string, readonly string[], string, string]>([
    ['two rules', ['a.*=c.*', 'b.*=c.*'], 'c.w', 'b.w'],
    ['a rule and a name that is there', ['b.*=a.*'], 'a.w', 'b.w'],
    ['a rule that forgets its star', ['*.w=w'], 'w', 'b.w'],
  ])('two tensors of one name are refused: %s', (_, rules, name, other) => {
    expect(problemOf(() => mapKeys(checkpoint(tensorsOf('a.w', 'b.w')), keyMap(rules)))).toMatchObject({
      code: 'bad-option',
      message: `the key map gives two tensors of best.pt the name ${name}`,
      help: `One of them is ${other}. Make the patterns narrower.`,
    });
  });
});

describe('prefixes', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['a model’s own keys stay', ['model.0.conv.weight', 'model.1.w'], ['model.0.conv.weight', 'model.1.w']],
    ['DataParallel', ['module.model.0.w', 'module.model.1.w'], ['model.0.w', 'model.1.w']],
    ['torch.compile', ['_orig_mod.model.0.w'], ['model.0.w']],
    ['one in the other', ['module._orig_mod.model.0.w'], ['model.0.w']],
    ['the other way round, twice', ['_orig_mod.module._orig_mod.model.0.w'], ['model.0.w']],
    ['the YOLO class', ['model.model.0.w', 'model.model.10.w'], ['model.0.w', 'model.10.w']],
    ['Lightning', ['net.model.0.w', 'net.model.1.w'], ['model.0.w', 'model.1.w']],
    ['an inner Sequential', ['0.conv.weight', '12.w'], ['model.0.conv.weight', 'model.12.w']],
    ['a DataParallel of it', ['module.0.conv.weight'], ['model.0.conv.weight']],
    ['a lone module', ['l1.weight', 'l2.weight'], ['l1.weight', 'l2.weight']],
    ['a lone module in a wrapper', ['module.l1.weight', 'module.l2.weight'], ['l1.weight', 'l2.weight']],
    ['what not all share stays', ['module.model.0.w', 'model.1.w'], ['module.model.0.w', 'model.1.w']],
    ['what only some count stays', ['0.w', 'fc.w'], ['0.w', 'fc.w']],
    ['nothing', [], []],
  ])('%s', (_, keys, wanted) => {
    const tensors = withoutPrefix(new Map(keys.map((key) => [key, stored()])), prefixOf(keys));
    expect([...asNetwork({ name: 'best.pt', container: 'zip', holds: 'state_dict', tensors, modules: new Map(), model: {}, info: {}, classes: [] }).tensors.keys()]).toEqual(wanted);
  });
});

/** Asks for tensors of the given shapes, then ends: the problem. */
function misfit(weights: WeightSource, asked: Readonly<Record<string, readonly number[]>>, layerOf?: (key: string) => string | undefined): { readonly lines: readonly string[]; readonly help: string | undefined } {
  for (const [key, shape] of Object.entries(asked)) weights.tensor(key, shape)(new Float32Array(1), 0);
  const { code, message, help } = problemOf(() => weights.finish(layerOf));
  expect(code).toBe('bad-weights');
  return { lines: message.split('\n').map((line) => line.trim()), help };
}

const layerOf = (key: string): string | undefined => (key.startsWith('model.0.') ? 'layer 0, Conv' : undefined);

describe('what does not fit', () => {
  const OTHER_MODEL = 'None of the keys agree: are these the weights of another model? --key-map "old.*=new.*" renames keys.';
  const ONLY_NAMES = 'Where only names differ, --key-map "old.*=new.*" gives tensors the names that the model has; --alias MyName=Name takes a row for another module.';
  const MORE_TRAINED = 'Check that the yaml has every layer that was trained. --key-map "old.*=" leaves tensors out.';
  const OTHER_YAML = 'Check that the yaml, its scale and nc are those that the weights were trained with. --key-map "old.*=new.*" renames keys, --alias MyName=Name takes a row for another module.';

  test.each<[string, Readonly<Record<string, StoredTensor>>, Readonly<Record<string, readonly number[]>>, readonly string[], string]>([
    ['missing', { a: stored() }, { a: [1], b: [2] }, ['best.pt does not fit the model: 1 missing (of 2 tensors)', 'b is missing'], OTHER_YAML],
    ['unexpected', { a: stored(), b: stored() }, { a: [1] }, ['best.pt does not fit the model: 1 unexpected (of 1 tensor)', 'b is not in the model'], MORE_TRAINED],
    ['of another shape', { a: stored([2, 3]) }, { a: [3, 2] }, ['best.pt does not fit the model: 1 of another shape or type (of 1 tensor)', 'a is [2, 3], the model needs [3, 2]'], OTHER_YAML],
    ['of another rank', { a: stored([2, 1]) }, { a: [2] }, ['best.pt does not fit the model: 1 of another shape or type (of 1 tensor)', 'a is [2, 1], the model needs [2]'], OTHER_YAML],
    ['of a type that holds no weights', { a: stored([1], 'I64') }, { a: [1] }, ['best.pt does not fit the model: 1 of another shape or type (of 1 tensor)', 'a holds I64, which are no weights'], OTHER_YAML],
    [
      'all at once, shapes first',
      { x: stored(), 'model.0.b': stored([2]), same: stored() },
      { gone: [1], 'model.0.b': [3], same: [1] },
      ['best.pt does not fit the model: 1 missing, 1 unexpected, 1 of another shape or type (of 3 tensors)', 'model.0.b is [2], the model needs [3] (layer 0, Conv)', 'gone is missing', 'x is not in the model'],
      OTHER_YAML,
    ],
    ['another name for one', { same: stored(), 'model.0.fc.weight': stored() }, { same: [1], 'model.0.fc1.weight': [1] }, ['best.pt does not fit the model: 1 missing, 1 unexpected (of 2 tensors)', 'model.0.fc1.weight is missing; the file has model.0.fc.weight (layer 0, Conv)'], ONLY_NAMES],
    ['another model', { a: stored() }, { 'model.1.zebra': [1] }, ['best.pt does not fit the model: 1 missing, 1 unexpected (of 1 tensor)', 'model.1.zebra is missing', 'a is not in the model'], OTHER_MODEL],
    ['a prefix that not all share', { 'net.model.0.w': stored(), 'other.w': stored() }, { 'model.0.w': [1] }, ['best.pt does not fit the model: 1 missing, 2 unexpected (of 1 tensor)', 'model.0.w is missing; the file has net.model.0.w (layer 0, Conv)', 'other.w is not in the model'], OTHER_MODEL],
    [
      'the nearest of the same shape',
      { same: stored(), 'model.2.ca.weight': stored([2]), 'model.2.cx.weight': stored([3]) },
      { same: [1], 'model.2.cb.weight': [3] },
      ['best.pt does not fit the model: 1 missing, 2 unexpected (of 2 tensors)', 'model.2.cb.weight is missing; the file has model.2.cx.weight', 'model.2.ca.weight is not in the model'],
      OTHER_YAML,
    ],
  ])('%s', (_, tensors, asked, lines, help) => {
    expect(misfit(stateDictWeights({ name: 'best.pt', tensors: new Map(Object.entries(tensors)) }), asked, layerOf)).toEqual({ lines, help });
  });

  test('eight of a kind are shown', () => {
    const many = Array.from({ length: 20 }, (_, i) => `model.${i}.weight`);
    const weights = stateDictWeights({ name: 'best.pt', tensors: new Map(many.map((key) => [key, stored([2])])) });
    const { lines } = misfit(weights, Object.fromEntries(many.map((key) => [key, [3]])));
    expect(lines).toEqual(['best.pt does not fit the model: 20 of another shape or type (of 20 tensors)', ...many.slice(0, 8).map((key) => `${key} is [2], the model needs [3]`), 'and 12 more']);
  });

  test('the class in the file, where it is not that of the row', () => {
    const modules = new Map([['model.0', facts('my.attn.MyConv')], ['model.1', facts('models.common.SE')]]);
    const weights = stateDictWeights({ name: 'best.pt', tensors: tensorsOf('same'), modules });
    expect(misfit(weights, { same: [1], 'model.0.w': [1], 'model.1.w': [1], 'model.2.w': [1] }, (key) => `layer ${key[6]!}, ${key[6] === '1' ? 'SE' : 'Conv'}`).lines.slice(1)).toEqual([
      'model.0.w is missing (layer 0, Conv; my.attn.MyConv in the file)',
      'model.1.w is missing (layer 1, SE)',
      'model.2.w is missing (layer 2, Conv)',
    ]);
  });

  test('layers that have more in the file: the arguments may differ', () => {
    const weights = stateDictWeights({ name: 'best.pt', tensors: tensorsOf('model.0.w', 'model.0.bias') });
    expect(misfit(weights, { 'model.0.w': [1] }, layerOf).help).toBe('Check that the yaml has every layer that was trained and the same arguments. --key-map "old.*=" leaves tensors out.');
  });
});

describe('what is left over', () => {
  test.each([
    ['model.0.bn.num_batches_tracked'], ['model.9.anchors'], ['model.9.anchor_grid'], ['model.9.strides'], ['model.9.stride'], ['model.0.total_ops'], ['total_params'], ['model.3.m.0.total_ops'],
  ])('%s is not read, and that is well', (key) => {
    const weights = stateDictWeights({ name: 'best.pt', tensors: tensorsOf('model.0.w', key) });
    weights.tensor('model.0.w', [1]);
    expect(weights.finish()).toEqual({ unused: [key], remarks: [] });
  });

  test.each([['model.0.my_anchors'], ['model.0.total_ops.weight'], ['model.9.one2one.weight'], ['model.0.strider']])('%s is not in the model', (key) => {
    const weights = stateDictWeights({ name: 'best.pt', tensors: tensorsOf('model.0.w', key) });
    weights.tensor('model.0.w', [1]);
    expect(problemOf(() => weights.finish()).message).toContain(`${key} is not in the model`);
  });

  test('integers are never weights that nothing reads', () => {
    const weights = stateDictWeights({ name: 'best.pt', tensors: new Map([['w', stored()], ['model.0.relative_index', stored([4], 'I64')]]) });
    weights.tensor('w', [1]);
    expect(weights.finish()).toEqual({ unused: ['model.0.relative_index'], remarks: [] });
  });

  test.each([[['model.9.one2one_cv2.0.w'], '1 tensor'], [['model.9.one2one_cv2.0.w', 'model.9.one2one_cv3.1.b'], '2 tensors']] as const)('one-to-one branches are remarked on: %j', (keys, count) => {
    const weights = stateDictWeights({ name: 'best.pt', tensors: tensorsOf('w', ...keys) });
    weights.tensor('w', [1]);
    expect(weights.finish()).toEqual({ unused: [...keys], remarks: [`best.pt has ${count} of a one-to-one branch (end2end), which is not compiled`] });
  });

  test('what stands beside the layers of a model object is for training', () => {
    const tensors = tensorsOf('model.0.w', 'criterion.weight', 'aux.0.w');
    const object = stateDictWeights({ name: 'best.pt', tensors, modules: new Map([['model', facts('torch.nn.modules.container.Sequential')], ['aux', facts('my.Aux')]]) });
    object.tensor('model.0.w', [1]);
    expect(object.finish()).toEqual({ unused: ['criterion.weight', 'aux.0.w'], remarks: [] });
    const alone = stateDictWeights({ name: 'best.pt', tensors });
    alone.tensor('model.0.w', [1]);
    expect(problemOf(() => alone.finish()).message).toContain('2 unexpected');
  });

  test('kept values: the file’s where it has them and they are numbers; of another shape they do not fit', () => {
    const tensors = new Map([['a', stored()], ['b', stored([1], 'I64')], ['c', stored([2])]]);
    const valueOf = (key: string): number => {
      const into = new Float32Array(1);
      stateDictWeights({ name: 'best.pt', tensors }).tensor(key, [1], [5])(into, 0);
      return into[0]!;
    };
    expect(['a', 'b', 'gone'].map(valueOf)).toEqual([9, 5, 5]);
    const weights = stateDictWeights({ name: 'best.pt', tensors });
    weights.tensor('c', [1], [5]);
    expect(problemOf(() => weights.finish()).message).toContain('c is [2], the model needs [1]');
  });
});
