/** Targets: what comes with the compiler, what users bring, and what they do to a graph. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, listTargets, type CompileOptions } from '../compiler/index.js';
import { findTarget } from '../compiler/node/targets.js';
import { graphText } from '../compiler/node/show.js';
import { OPSETS } from '../compiler/onnx/emit.js';
import { graphPasses } from '../passes/index.js';
import { runIn } from './command-line.js';
import { problemOf, problemOfAsync } from './made-files.js';

const NAMES = ['deepstream', 'opencv', 'openvino', 'ort', 'tensorrt', 'triton', 'web'];
const model = 'fixtures/models/yolov8n.yaml';

describe('the targets that come with the compiler', () => {
  test('are these', () => {
    expect(listTargets().map(({ name }) => name)).toEqual(NAMES);
    expect(readdirSync('passes/targets').filter((file) => file.endsWith('.json'))).toEqual(NAMES.map((name) => `${name}.json`));
  });

  test.each(NAMES)('%s gives sources for what it says, and an opset that it accepts', (name) => {
    const target = findTarget(name);
    const [least, most] = target.opsets;
    expect(target.name).toBe(name);
    expect(target.opset).toBeGreaterThanOrEqual(Math.max(least, OPSETS.least));
    expect(target.opset).toBeLessThanOrEqual(Math.min(most, OPSETS.most));
    for (const fact of ['opset', 'opsets', 'irVersion']) expect(target.sources.map((source) => source.fact)).toContain(fact);
    for (const { url } of target.sources) expect(url).toMatch(/^https:\/\//);
  });

  test.each(NAMES)('%s compiles without a warning to what it reads', async (name) => {
    const target = findTarget(name);
    const { opset, irVersion, inputs, warnings } = await compile({ model, imgsz: [64, 64], target: name, hash: false });
    expect(warnings).toEqual([]);
    expect(opset).toBe(target.opset);
    expect(irVersion).toBeLessThanOrEqual(target.irVersion);
    expect(inputs[0]!.shape.map((size) => typeof size === 'string')).toEqual([target.dynamic !== 'none', false, target.dynamic === 'all', target.dynamic === 'all']);
  });

  test.each(NAMES)('%s gets no operator that it lacks', async (name) => {
    for (const yaml of ['fixtures/models/yolov8n-ema.yaml', 'fixtures/models/yolov5s_C3_DAttention.yaml', 'fixtures/models/yolov8n.yaml']) {
      const text = await graphText({ model: yaml, imgsz: [128, 128], target: name });
      for (const op of findTarget(name).lacks) {
        if (!['Softmax', 'AveragePool'].includes(op)) expect(text).not.toContain(` = ${op}(`);
      }
      // Softmax is on the last axis, pooling without padding.
      if (findTarget(name).lacks.includes('Softmax')) for (const [, shape, axis] of text.matchAll(/: float32\[([^\]]*)\] = Softmax\(.*\{axis: (\d+)\}/g)) expect(Number(axis)).toBe(shape!.split(',').length - 1);
    }
  });
});

describe('what the user says counts', () => {
  const opsetOf = async (options: CompileOptions): Promise<readonly [number, readonly string[]]> => {
    const { opset, warnings } = await compile({ model, imgsz: [64, 64], hash: false, ...options });
    return [opset, warnings];
  };

  test('an opset that the target accepts', async () => {
    expect(await opsetOf({ target: 'tensorrt', opset: 13 })).toEqual([13, []]);
  });

  test('an opset that it does not accept, with a warning', async () => {
    const [opset, warnings] = await opsetOf({ target: 'opencv', opset: 17 });
    expect(opset).toBe(17);
    expect(warnings.join()).toMatch(/^warning\[bad-target\]: opencv accepts opsets 11 to 12, not 17/);
  });

  test('an IR version that it does not read, with a warning', async () => {
    const { warnings } = await compile({ model, imgsz: [64, 64], hash: false, target: { ...findTarget('ort'), opsets: [11, 22], irVersion: 8 }, opset: 21 });
    expect(warnings.join()).toMatch(/ort reads IR versions up to 8, this file has 10/);
  });

  test('open sizes', async () => {
    expect((await compile({ model, imgsz: [64, 64], hash: false, target: 'tensorrt', dynamic: 'none' })).inputs[0]!.shape[0]).toBe(1);
  });

  test('passes, added to and taken from what the target wants', async () => {
    const nodes = async (options: CompileOptions): Promise<number> => (await compile({ model, imgsz: [64, 64], hash: false, ...options })).nodes;
    const [usual, ort] = [await nodes({}), await nodes({ target: 'ort' })];
    expect(ort).toBeGreaterThan(usual);
    expect(await nodes({ target: 'ort', passes: ['-split-convs', '-distribute-convs'] })).toBe(usual);
    expect(await nodes({ passes: ['+split-convs', '+distribute-convs'] })).toBe(ort);
    expect(await nodes({ passes: graphPasses.filter(({ optional = false }) => !optional).map(({ name }) => name) })).toBe(usual);
  });

  test('names with and without signs are not mixed', async () => {
    expect((await problemOfAsync(compile({ model, passes: ['+winograd', 'drop-dead'] }))).message).toMatch(/^passes are listed, or added and taken away with \+ and -, not both/);
  });
});

describe('a target of one’s own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'yolonnx-targets-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const board = { ...findTarget('ort'), name: 'board', opset: 13, opsets: [13, 13], dynamic: 'batch' };

  test('is a file of the same form', async () => {
    const { opset, inputs } = await compile({ model, imgsz: [64, 64], hash: false, target: file('board.json', board) });
    expect([opset, inputs[0]!.shape[0]]).toEqual([13, 'batch']);
  });

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /is not JSON/],
    ['no object', [], /is not a target: an object is expected/],
    ['a field that is missing', { ...board, opset: undefined }, /: opset must be an integer, got nothing$/],
    ['a field that targets do not have', { ...board, opsett: 3 }, /has the field opsett/],
    ['an operator that has no expansion', { ...board, lacks: ['Conv'] }, /: lacks must be a list of operators that can be written with others, got \["Conv"\]$/],
    ['a pass that there is not', { ...board, rewrites: { faster: true } }, /: rewrites must be true or false by the name of a pass/],
    ['a pass that always runs', { ...board, rewrites: { 'lower-calls': false } }, /: rewrites must be/],
    ['sizes that cannot stay open', { ...board, dynamic: 'width' }, /: dynamic must be 'none', 'batch' or 'all', got "width"$/],
  ])('%s', (_, content, message) => {
    const problem = problemOf(() => findTarget(file('wrong.json', content)));
    expect(problem.code).toBe('bad-target');
    expect(problem.message).toMatch(message);
  });

  test('a name that there is not', () => {
    expect(() => findTarget('tensort')).toThrow('there is no target tensort');
    expect(problemOf(() => findTarget('./none.json')).code).toBe('unreadable');
  });
});

describe('on the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'yolonnx-targets-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('`targets` lists them, and tells of one', () => {
    expect(runIn('.', ['targets']).out.match(/│ (\w+) +│ \S/g)!.length).toBeGreaterThanOrEqual(NAMES.length);
    expect(runIn('.', ['targets', 'opencv']).out).toMatch(/^opencv: OpenCV[^]*\n {2}opset {7}12, accepts 11 to 12\n[^]*\nNotes\n[^]*\nSources\n/);
    expect(JSON.parse(runIn('.', ['targets', 'opencv', '--json']).out)).toEqual(findTarget('opencv'));
    const { code, err } = runIn('.', ['targets', 'openvno']);
    expect(code).toBe(2);
    expect(err).toMatch(/^error\[bad-target\]: there is no target openvno\n {2}help: Did you mean openvino\?/);
  });

  test('`--target` and `--passes` make the file, and show the graph', () => {
    const { code, out } = runIn('.', ['compile', model, '--imgsz', '64', '--target', 'tensorrt', '--passes=-softmax-last', '--json', '-o', join(folder, 'rt.onnx')]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ opset: 17, inputs: [{ shape: ['batch', 3, 64, 64] }] });
    expect(runIn('.', ['show', model, '--imgsz', '64', '--target', 'ort', '--passes', '+winograd']).out).toContain('output output0');
  });

  test('`--profile` tells time and memory by stage', () => {
    const args = ['compile', model, '--imgsz', '64', '--profile', '-o', join(folder, 'profile.onnx')];
    expect(runIn('.', args).err).toMatch(/│ stage +│ +ms │ resident MiB │ peak MiB │[^]*│ start [^]*│ record [^]*│ fold-batch-norm [^]*│ write [^]*│ total /);
    const { profile } = JSON.parse(runIn('.', [...args, '--json']).out) as { profile: { stage: string; milliseconds: number; peak: number }[] };
    expect(profile.map(({ stage }) => stage)).toEqual(['start', 'yaml', 'strides', 'record', ...graphPasses.filter(({ optional = false }) => !optional).map(({ name }) => name), 'encode', 'write', 'commit']);
    for (const { milliseconds, peak } of profile) expect(milliseconds >= 0 && peak > 1).toBe(true);
  });
});

test('the README’s table of targets is that of the files', () => {
  const table = /<!-- targets -->\n([^]*?)\n<!-- \/targets -->/.exec(readFileSync('README.md', 'utf8'))?.[1];
  const rows = listTargets().map(({ name, doc, opset, opsets, dynamic, lacks }) => `| \`${name}\` | ${doc} | ${opset} (${opsets.join(' to ')}) | ${dynamic} | ${lacks.join(', ') || 'nothing'} |`);
  expect(table).toBe(['| target | for | opset (accepted) | open sizes | written with other operators |', '|---|---|---|---|---|', ...rows].join('\n'));
});
