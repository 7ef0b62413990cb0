import { describe, expect, test } from '@jest/globals';
import { Problem, formatProblem, lineAndColumn } from '../compiler/errors.js';
import { parseNetwork, pythonLiteral, scaleOfFile, unscaledFile, type ParseOptions } from '../compiler/yaml/index.js';
import { said, sourceOf } from './front-end.js';

const parse = (text: string, options: ParseOptions = {}, file = 'model.yaml'): ReturnType<typeof parseNetwork> => parseNetwork({ file, text }, options);
const rows = (args: string, keys = ''): string => `nc: 80\n${keys}backbone:\n  - [-1, 1, Conv, ${args}]\nhead: []\n`;
const argsOf = (args: string, keys = ''): unknown => parse(rows(args, keys)).layers[0]!.args;
const scaled = 'nc: 80\nscales:\n  n: [0.33, 0.25, 1024]\n  m: [0.67, 0.75, 768]\nbackbone:\n  - [-1, 1, Conv, [64]]\nhead: []\n';

function problem(run: () => unknown): Problem {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('no problem');
}

describe('arguments', () => {
  test('None is None, however it is written', () => {
    for (const none of ['None', "'None'", '"None"', '~', 'null', 'Null', '']) expect(argsOf(`[64, ${none === '' ? '~' : none}]`)).toEqual([64, null]);
  });

  test('Python literals in strings', () => {
    expect(argsOf(`[True, 'False', '(5, 9, 13)', '[16,16]', '1e-3', "'quoted'", '((1, 1), (3, 3))', '()', '(5,)', '-2.5']`)).toEqual([
      ...[true, false, [5, 9, 13], [16, 16], 1e-3, 'quoted'],
      ...[[[1, 1], [3, 3]], [], [5], -2.5],
    ]);
  });

  test('other strings stay', () => {
    expect(argsOf(`[nearest, nn.ReLU(), '1 + 2', "(1, 2", '{1: 2}']`)).toEqual(['nearest', 'nn.ReLU()', '1 + 2', '(1, 2', '{1: 2}']);
  });

  test('names of keys are their values', () => {
    expect(argsOf('[nc, kpt_shape, wide]', 'kpt_shape: [17, 3]\nwide: None\n')).toEqual([80, [17, 3], null]);
    expect(parse(rows('[nc]'), { nc: 3 }).layers[0]!.args).toEqual([3]);
    expect(argsOf('[constructor, __proto__, toString]')).toEqual(['constructor', '__proto__', 'toString']);
    expect(argsOf('[__proto__]', '__proto__: 5\n')).toEqual([5]);
  });

  test('numbers as PyYAML reads them', () => {
    expect(argsOf('[0x10, 1_000, .5, 012, 0o17, yes, n]')).toEqual([16, 1000, 0.5, 10, 15, true, 'n']);
  });

  test('literals that Python has not', () => {
    for (const text of ['', '012', '1_', '1__0', 'nan', 'true', '[1', '1]', "'a", '1 2', ',', '(,)', '[1,,2]', '0x']) expect(pythonLiteral(text)).toBeUndefined();
    expect(pythonLiteral('('.repeat(100_000))).toBeUndefined();
    expect(pythonLiteral('('.repeat(1000) + ')'.repeat(1000))).toBeUndefined();
    expect(pythonLiteral(' [1, 2.5, -3, +4, 1_000, None, "a\\"b", ] ')).toEqual([1, 2.5, -3, 4, 1000, null, 'a"b']);
  });
});

describe('places', () => {
  const written = (text: string): string[] => {
    const { layers, source } = parse(text);
    const { row, from, repeats, module, args, each } = layers[0]!.spans;
    return [row, from, repeats, module, args, ...each].map(({ start, end }) => source.text.slice(start, end));
  };

  test('of every part of a row', () => {
    expect(written(rows(`[64, 'None', [1, 2], ~]`))).toEqual([`[-1, 1, Conv, [64, 'None', [1, 2], ~]]`, '-1', '1', 'Conv', `[64, 'None', [1, 2], ~]`, '64', `'None'`, '[1, 2]', '~']);
    expect(written(rows('[]'))).toEqual(['[-1, 1, Conv, []]', '-1', '1', 'Conv', '[]']);
    expect(written('nc: 1\nbackbone:\n  -\n    - -1\n    - 1\n    - Conv # a comment\n    - [64,\n       3, # another\n      ]\nhead: []\n').slice(1)).toEqual(['-1', '1', 'Conv', '[64,\n       3, # another\n      ]', '64', '3']);
  });

  test('through anchors, aliases and merge keys', () => {
    expect(written('base: &b {args: &a [64, 3], nc: 5}\n<<: *b\nbackbone:\n  - [-1, 1, Conv, *a]\nhead: []\n').slice(3)).toEqual(['Conv', '*a', '64', '3']);
    const { keys, nc } = parse('base: &b {nc: 5, deep: [1]}\n<<: *b\nbackbone:\n  - [-1, 1, Conv, [64]]\nhead: []\n');
    expect([nc, keys.deep]).toEqual([5, [1]]);
    expect(parse('base: &b {nc: 5}\n<<: *b\nnc: 6\nbackbone:\n  - [-1, 1, Conv, [64]]\nhead: []\n').nc).toBe(6);
  });

  test('with a byte order mark and CRLF', () => {
    const text = '\uFEFFnc: 0\r\nbackbone: []\r\nhead: []\r\n';
    expect(formatProblem(problem(() => parse(text)))).toContain('model.yaml:1:5\n   | nc: 0\n   |     ^');
    const { layers, source } = parse(`\uFEFF${rows('[64]').replaceAll('\n', '\r\n')}`);
    expect(lineAndColumn(source.text, layers[0]!.spans.args.start)).toEqual({ line: 3, column: 19 });
  });
});

describe('scales', () => {
  test('file names, as Ultralytics reads them', () => {
    const letters = ['yolov8n-ema.yaml', 'models/yolo11x.yaml', 'yoloe-11s-seg.yaml', 'yolov5s_SE.yaml', 'a\\yolo12m.yaml'].map(scaleOfFile);
    expect(letters).toEqual(['n', 'x', 's', 's', 'm']);
    for (const file of ['yolov8-ema.yaml', 'yolov8.yaml', 'model.yaml', 'yolov8n/model.yaml', 'yolov10b.yaml']) expect(scaleOfFile(file)).toBeUndefined();
    expect(unscaledFile('models/yolov8n/yolov8n-ema.yaml')).toEqual({ file: 'models/yolov8n/yolov8-ema.yaml', scale: 'n' });
    expect(unscaledFile('yolov8.yaml')).toBeUndefined();
  });

  const own = `depth_multiple: 0.5\nwidth_multiple: 2\n${scaled}`;
  test.each<[string, string, string, string, number]>([
    ['m', 'yolov8n.yaml', `scale: n\n${own}`, 'm', 0.75],
    ['', 'yolov8m.yaml', `scale: n\n${own}`, 'm', 0.75],
    ['', 'model.yaml', `scale: m\n${own}`, 'm', 0.75],
    ['', 'model.yaml', own, '', 2],
    ['', 'model.yaml', scaled, 'n', 0.25],
  ])('asked %j, file %s', (asked, file, text, scale, width) => {
    const network = parse(text, asked === '' ? {} : { scale: asked }, file);
    expect([network.scale ?? '', network.width]).toEqual([scale, width]);
  });

  test('the first scale comes with a warning, others without', () => {
    const warnings: string[] = [];
    const warn = (warning: Problem): void => void warnings.push(warning.message);
    parse(scaled, { warn });
    parse(scaled, { warn, scale: 'm' });
    parse(scaled, { warn }, 'yolov8m.yaml');
    expect(warnings).toEqual(['no scale is given: n is taken']);
  });

  test('max_channels may be infinite', () => {
    expect(parse(scaled.replace('1024', '.inf'), { scale: 'n' }).maxChannels).toBe(Infinity);
    expect(parse(rows('[64]')).maxChannels).toBe(Infinity);
  });
});

describe('keys', () => {
  test('the family is read off anchors', () => {
    expect(parse(rows('[64]')).family).toBe('ultralytics');
    expect(parse(rows('[64]', 'anchors: 3\n')).family).toBe('yolov5');
  });

  test('names, channels, activation, name of the model', () => {
    const network = parse(rows('[64]', 'ch: 4\nactivation: nn.ReLU()\n').replace('nc: 80', 'nc: 2\nnames: {0: person, 1: car}'), {}, 'a/b/mine.v2.yaml');
    expect(network).toMatchObject({ nc: 2, names: ['person', 'car'], inputChannels: 4, activation: 'nn.ReLU()', name: 'mine.v2' });
    expect(parse(rows('[64]'), { names: ['a', 'b'], nc: 2, inputChannels: 1 })).toMatchObject({ names: ['a', 'b'], inputChannels: 1 });
    expect(parse(rows('[64]'))).not.toHaveProperty('names');
  });

  test('options are checked', () => {
    expect(problem(() => parse(rows('[64]'), { names: ['a'] })).code).toBe('bad-option');
    for (const nc of [0, -1, 1.5, NaN, 1e9]) expect(problem(() => parse(rows('[64]'), { nc })).code).toBe('bad-option');
    for (const inputChannels of [0, 1.5, NaN, 1e9]) expect(problem(() => parse(rows('[64]'), { inputChannels })).code).toBe('bad-option');
  });

  test('without nc, a model that does not name it has 80 classes', () => {
    expect(parse(rows('[64]').replace('nc: 80\n', '')).nc).toBe(80);
  });
});

describe('hostile texts', () => {
  const model = sourceOf('fixtures/models/yolov8.yaml').text;
  const bomb = `a0: &a0 [1, 2]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}`;
  const merges = `a: &a {${Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join(', ')}}\nb:\n${'  - {<<: *a}\n'.repeat(20_000)}`;
  const texts: Record<string, [text: string, code: string]> = {
    'lists 100,000 deep': ['['.repeat(100_000), 'too-large'],
    'closed lists 100,000 deep': [`a: ${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'too-large'],
    'mappings 100,000 deep': ['{a: '.repeat(100_000), 'too-large'],
    'block lists 100,000 deep': ['- '.repeat(100_000), 'too-large'],
    'keys 100,000 deep': ['? '.repeat(100_000), 'too-large'],
    'depth by aliases': [`a0: &a0 [1]\n${Array.from({ length: 9000 }, (_, i) => `a${i + 1}: &a${i + 1} [[[[*a${i}]]]]\n`).join('')}`, 'too-large'],
    'an alias bomb': [bomb, 'too-large'],
    'an alias bomb in arguments': [rows('[*a40]', bomb), 'too-large'],
    'merge keys': [merges, 'too-large'],
    'two megabytes': [`a: ${'x'.repeat(2 << 20)}`, 'too-large'],
    'a megabyte of values': [`a:\n${'- 1\n'.repeat(250_000)}`, 'too-large'],
    'a megabyte in one key': [':'.repeat(1_000_000), 'missing-key'],
    'a megabyte of blanks': [' \n'.repeat(500_000), 'bad-yaml'],
    'a megabyte unclosed': [`a: "${'x'.repeat(1_000_000)}`, 'bad-yaml'],
    '30,000 rows': [`nc: 1\nbackbone:\n${'  - [-1, 1, Conv, [8]]\n'.repeat(30_000)}head: []\n`, 'too-large'],
    'a module name of 100 kB': [rows('[64]').replace('Conv', 'C'.repeat(100_000)), 'unknown-module'],
    'an argument of 100 kB': [rows(`['${'('.repeat(100_000)}']`), 'bad-argument'],
    'zero bytes': ['nc: 1\0', 'bad-yaml'],
    'binary data': [String.fromCharCode(...Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256)), 'bad-yaml'],
    'lone surrogates': ['nc: \uD800', 'bad-yaml'],
    'nothing': ['', 'bad-yaml'],
    'a byte order mark alone': ['\uFEFF', 'bad-yaml'],
    'a __proto__ mapping for a document': ['__proto__: {nc: 80, backbone: [], head: []}', 'missing-key'],
  };

  test.each(Object.entries(texts))('%s', async (_, [text, code]) => {
    const message = await said({ file: 'model.yaml', text }, {});
    expect(message).toMatch(new RegExp(`^error\\[${code}\\]: .*\n  --> model\\.yaml:\\d+:\\d+.*\n   \\| .*\n   \\| +\\^+\n  help: `));
    expect(message.length).toBeLessThan(1500);
  }, 20_000);

  test('a mutilated model is compiled or refused, never a crash', async () => {
    const bits = ['[', ']', '{', '}', ':', '- ', '\n', '\t', '&a ', '*a', '<<: ', '"', "'", '~', 'None', '-1', '1e9', '.inf', 'anchors', '!', '|', '>', '#', ',', '?', '\0', '__proto__', '%', '@'];
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 2000; i++) {
      let text = model;
      for (let edits = 1 + random(4); edits > 0; edits--) {
        const at = random(text.length);
        text = text.slice(0, at) + (random(3) > 0 ? bits[random(bits.length)]! : '') + text.slice(at + random(6));
      }
      expect(await said({ file: 'model.yaml', text }, {})).not.toMatch(/\[internal\]|undefined|\[object/);
    }
  });
});
