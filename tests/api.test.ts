import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { compile, Problem, summarize, verify, type CompileOptions, type ModuleRequest, type Progress } from '../compiler/index.js';
import { f32, problemOfAsync, safetensors, type MadeTensor } from './made-files.js';

const { onnx } = onnxProto;
const model = 'fixtures/models/yolov8.yaml';
const small = { model, scale: 'n', imgsz: [64, 32] } as const satisfies CompileOptions;
const se: ModuleRequest = { module: 'SE', args: '[64]', inputs: [[1, 64, 8, 8]] };
const golden = 'fixtures/goldens/modules/SE__sq64.safetensors';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const output = (): string => join(folder, 'out.onnx');

describe('compile', () => {
  test('a model: what the result tells', async () => {
    const { model: bytes, ...result } = await compile(small);
    expect(result).toEqual({
      bytes: bytes!.length,
      sha256: createHash('sha256').update(bytes!).digest('hex'),
      opset: 17,
      irVersion: 8,
      inputs: [{ name: 'images', dtype: 'float32', shape: [1, 3, 64, 32] }],
      outputs: [{ name: 'output0', dtype: 'float32', shape: [1, 84, 42] }],
      nodes: onnx.ModelProto.decode(bytes!).graph!.node!.length,
      parameters: 3157200,
      gflops: expect.any(Number),
      seconds: expect.any(Number),
      warnings: [],
    });
    // 8.7 at 640 by 640, as Ultralytics says of yolov8n.
    expect((await compile({ ...small, imgsz: [640, 640] })).gflops).toBeCloseTo(8.7, 0);
  });

  test('a module: open sizes by name, no operations', async () => {
    const { inputs, outputs, gflops, parameters } = await compile({ module: se, dynamic: 'all' });
    expect({ inputs, outputs, gflops, parameters }).toEqual({
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 64, 'height', 'width'] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 64, 'height', 'width'] }],
      gflops: null,
      parameters: 2 * 64 * 4,
    });
  });

  test('a file holds the bytes that memory does; nothing else is left beside it', async () => {
    const [inMemory, inFile] = [await compile(small), await compile({ ...small, output: output() })];
    expect(inFile.output).toBe(output());
    expect(inFile.model).toBeUndefined();
    expect(Buffer.compare(readFileSync(output()), inMemory.model!)).toBe(0);
    expect(inFile.sha256).toBe(inMemory.sha256);
    expect(readdirSync(folder)).toEqual(['out.onnx']);
  });

  test('the same options give the same bytes; a path or its text', async () => {
    const first = await compile(small);
    expect((await compile(small)).sha256).toBe(first.sha256);
    expect((await compile({ ...small, model: { file: model, text: readFileSync(model, 'utf8') } })).sha256).toBe(first.sha256);
    expect((await compile({ ...small, seed: 1 })).sha256).not.toBe(first.sha256);
    expect((await compile({ ...small, hash: false })).sha256).toBeUndefined();
  });

  test('progress grows to the end', async () => {
    const seen: Progress[] = [];
    const { bytes } = await compile({ model: 'fixtures/models/yolov5s_SE.yaml', imgsz: [64, 64], onProgress: (progress) => void seen.push(progress) });
    expect(seen.length).toBeGreaterThan(2);
    for (const [i, { stage, done, total }] of seen.entries()) {
      expect([stage, total]).toEqual(['write', bytes]);
      expect(done).toBeGreaterThan(seen[i - 1]?.done ?? 0);
      expect(done).toBeLessThanOrEqual(total);
    }
  });

  test('a golden must pass before the file takes its name', async () => {
    const stages = new Set<string>();
    const shape = { module: 'SE', args: [64], inputs: inputsOf(golden) };
    const good = await compile({ module: shape, output: output(), verify: [golden], provider: 'cpu', onProgress: ({ stage }) => void stages.add(stage) });
    expect(good.verification).toMatchObject({ passed: 1, failed: 0, provider: { requested: 'cpu', ran: ['CPUExecutionProvider'] } });
    expect(stages).toEqual(new Set(['write', 'verify']));
    expect(existsSync(output())).toBe(true);
    rmSync(output());
    const bad = await compile({ module: shape, seed: 99, output: output(), verify: [golden], provider: 'cpu' });
    expect(bad).toMatchObject({ verification: { passed: 0, failed: 1 } });
    expect(bad.output).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** The shape of a golden's input, from its own metadata. */
function inputsOf(file: string): ModuleRequest['inputs'] {
  const bytes = readFileSync(file);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()) as Record<'input.x', { readonly shape: [number, number, number, number] }>;
  return [header['input.x'].shape];
}

describe('stopping', () => {
  test('before anything is done', async () => {
    expect(await problemOfAsync(compile({ ...small, output: output(), signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
    expect(await problemOfAsync(verify({ goldens: [golden], provider: 'cpu', signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('while it is written: what was there stays', async () => {
    writeFileSync(output(), 'old');
    const controller = new AbortController();
    const stopped = compile({ ...small, output: output(), signal: controller.signal, onProgress: () => controller.abort() });
    expect(await problemOfAsync(stopped)).toMatchObject({ code: 'aborted' });
    expect(readdirSync(folder)).toEqual(['out.onnx']);
    expect(readFileSync(output(), 'utf8')).toBe('old');
  });

  test('from outside, by a timer: writing lets others run', async () => {
    const controller = new AbortController();
    const started = compile({ model: 'fixtures/models/yolov5s.yaml', imgsz: [64, 64], output: output(), signal: controller.signal });
    setImmediate(() => controller.abort());
    expect(await problemOfAsync(started)).toMatchObject({ code: 'aborted' });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('an error in a callback leaves nothing behind', async () => {
    await expect(compile({ ...small, output: output(), onProgress: () => { throw new Error('mine'); } })).rejects.toThrow('mine');
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('options', () => {
  test('an image size is rounded up to the stride, and that is said', async () => {
    const said: Problem[] = [];
    const { inputs, warnings } = await compile({ ...small, imgsz: [33, 64], onWarning: (warning) => void said.push(warning) });
    expect(inputs[0]!.shape).toEqual([1, 3, 64, 64]);
    expect(warnings).toEqual(['warning[bad-imgsz]: image size 33 x 64 is not a multiple of the stride 32: 64 x 64 is used']);
    expect(said.map(({ code }) => code)).toEqual(['bad-imgsz']);
    expect((await compile({ ...small, imgsz: [64, 64] })).warnings).toEqual([]);
  });

  test.each<[string, CompileOptions, string]>([
    ['batch 0', { ...small, batch: 0 }, 'bad-option'],
    ['half a batch', { ...small, batch: 1.5 }, 'bad-option'],
    ['a batch that is no number', { ...small, batch: NaN }, 'bad-option'],
    ['opset 10', { ...small, opset: 10 }, 'bad-option'],
    ['opset 23', { ...small, opset: 23 }, 'bad-option'],
    ['opset 17.5', { ...small, opset: 17.5 }, 'bad-option'],
    ['image size 0', { ...small, imgsz: [0, 64] }, 'bad-imgsz'],
    ['an image size that is no number', { ...small, imgsz: [64, NaN] }, 'bad-imgsz'],
    ['an enormous image', { ...small, imgsz: [1e6, 64] }, 'bad-imgsz'],
    ['a negative image', { ...small, imgsz: [-32, 64] }, 'bad-imgsz'],
    ['nc 0', { ...small, nc: 0 }, 'bad-option'],
    ['half a class', { ...small, nc: 1.5 }, 'bad-option'],
    ['too few names', { ...small, nc: 3, names: ['a', 'b'] }, 'bad-option'],
    ['a scale that is not there', { ...small, scale: 'q' }, 'bad-scale'],
    ['a pass that is not there', { ...small, passes: ['fold-batchnorm'] }, 'bad-option'],
    ['a seed that is no integer', { ...small, seed: 0.5 }, 'bad-option'],
    ['a gain below 0', { ...small, gain: -1 }, 'bad-option'],
    ['nothing', {}, 'bad-option'],
    ['a model and a module', { ...small, module: se }, 'bad-option'],
    ['a file that is not there', { model: 'nowhere.yaml' }, 'unreadable'],
    ['a target that is a folder', { ...small, output: tmpdir() }, 'unwritable'],
    ['a module that is not there', { module: { ...se, module: 'SEE' } }, 'unknown-module'],
    ['a module without inputs', { module: { ...se, inputs: [] } }, 'bad-option'],
    ['an input of no size', { module: { ...se, inputs: [[1, 64, 0, 8]] } }, 'bad-option'],
    ['an input of half a size', { module: { ...se, inputs: [[1, 64, 8, 0.5]] } }, 'bad-option'],
    ['arguments that do not fit', { module: { ...se, args: '[64, -1]' } }, 'bad-argument'],
    ['a checkpoint that is not there', { ...small, weights: 'best.pt' }, 'unreadable'],
    ['a yaml for weights', { ...small, weights: small.model }, 'bad-weights'],
    ['weights that are not there', { ...small, weights: 'nowhere.safetensors' }, 'unreadable'],
    ['a golden that is not there', { module: se, verify: ['nowhere.safetensors'] }, 'unreadable'],
  ])('%s', async (_, options, code) => {
    const problem = await problemOfAsync(compile({ output: output(), ...options }));
    expect(problem.code).toBe(code);
    expect(problem.message).not.toMatch(/undefined|\[object|Symbol/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('passes can be left out', async () => {
    const nodes = async (passes: readonly string[] | undefined): Promise<number> => (await compile({ ...small, ...(passes ? { passes } : {}) })).nodes;
    const [all, none, one] = [await nodes(undefined), await nodes([]), await nodes(['fold-batch-norm'])];
    expect(one).toBeLessThan(none);
    expect(all).toBeLessThan(one);
  });

  test('names and nc', async () => {
    const { outputs } = await compile({ ...small, nc: 3, names: ['a', 'b', 'c'] });
    expect(outputs[0]!.shape).toEqual([1, 7, 42]);
  });

  test('summarize and verify refuse theirs', async () => {
    expect(await problemOfAsync(summarize({ model, imgsz: [0, 0] }))).toMatchObject({ code: 'bad-imgsz' });
    expect(await problemOfAsync(summarize({ model, scale: 'q' }))).toMatchObject({ code: 'bad-scale' });
    expect(await problemOfAsync(verify({ goldens: [], provider: 'cpu' }))).toMatchObject({ code: 'bad-option' });
    expect(await problemOfAsync(verify({ goldens: [golden], provider: 'cpu', atol: -1 }))).toMatchObject({ code: 'bad-option' });
    expect(await problemOfAsync(verify({ goldens: [golden], provider: 'cpu', opset: 3 }).then(({ cases }) => Promise.reject(new Problem(cases[0]!.error!.code, ''))))).toMatchObject({ code: 'bad-option' });
  });
});

describe('weights from a safetensors file', () => {
  /** The state_dict that a seeded compilation has, out of its own initializers: nothing is folded without passes. */
  async function stateDict(options: CompileOptions): Promise<Record<string, MadeTensor>> {
    const { model: bytes } = await compile({ ...options, passes: [], opset: 22 });
    const tensors = onnx.ModelProto.decode(bytes!).graph!.initializer!.filter(({ name }) => !(name!).startsWith("constant"));
    return Object.fromEntries(tensors.map(({ name, dims, rawData }) => [name!, { dtype: 'F32', shape: dims!.map(Number), bytes: Uint8Array.from(rawData!) }]));
  }
  const file = (): string => join(folder, 'weights.safetensors');

  test.each<[string, CompileOptions]>([['a model', { ...small, seed: 5 }], ['a module', { module: { module: 'CBAM', args: '[64]', inputs: [[1, 64, 8, 8]] }, seed: 5 }]])('%s: the bytes are those of the same numbers seeded', async (_, options) => {
    const tensors = await stateDict(options);
    expect(Object.keys(tensors).length).toBeGreaterThan(2);
    writeFileSync(file(), safetensors(tensors));
    const { seed, ...rest } = options;
    const [seeded, read] = [await compile({ ...rest, ...(seed === undefined ? {} : { seed }) }), await compile({ ...rest, weights: file() })];
    expect(read.warnings).toEqual([]);
    expect(Buffer.compare(read.model!, seeded.model!)).toBe(0);
    expect((await compile(rest)).sha256).not.toBe(read.sha256);
  });

  test('missing, misshapen and superfluous keys are named, all at once', async () => {
    const tensors = await stateDict(small);
    const keys = Object.keys(tensors);
    const [first, second] = [keys.find((key) => key.endsWith('cv1.conv.weight'))!, keys.find((key) => key.endsWith('bn.bias'))!];
    const { [first]: removed, ...rest } = tensors;
    expect(removed).toBeDefined();
    writeFileSync(file(), safetensors({ ...rest, [second]: f32([3], [1, 2, 3]) }));
    const problem = await problemOfAsync(compile({ ...small, weights: file(), output: output() }));
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toContain(`${first} is missing`);
    expect(problem.message).toContain(`${second} is [3], the model needs`);
    expect(readdirSync(folder)).toEqual(['weights.safetensors']);
    writeFileSync(file(), safetensors({ ...tensors, 'model.99.weight': f32([1], [1]) }));
    expect((await problemOfAsync(compile({ ...small, weights: file() }))).message).toContain('model.99.weight is not in the model');
  });
});

describe('options as JavaScript gives them are checked, not trusted', () => {
  test.each<[string, unknown]>([
    ['no options', undefined],
    ['a number for a model', { model: 5 }],
    ['a source without text', { model: { file: 'x.yaml' } }],
    ['a word for dynamic', { ...small, dynamic: 'height' }],
    ['a word for verify', { ...small, verify: golden }],
    ['a number for imgsz', { ...small, imgsz: 64 }],
    ['true for half', { ...small, half: true }],
    ['a module without inputs', { module: { module: 'SE', args: '[64]' } }],
    ['a provider that is none', { ...small, provider: 'gpu' }],
  ])('%s', async (_, options) => {
    expect((await problemOfAsync(compile(options as CompileOptions))).code).toBe('bad-option');
  });
});

test('a float16 file is held to float16’s bounds', async () => {
  const file = output();
  await compile({ model: 'fixtures/models/yolov5n.yaml', imgsz: [128, 128], half: 'compute', output: file });
  const report = await verify({ model: file, goldens: ['fixtures/goldens/models/yolov5n.safetensors'], provider: 'cpu' });
  expect(report.failed).toBe(0);
  expect(report.cases[0]!.outputs[0]!.parts!.map(({ bound }) => bound)).toEqual([2, 0.01]);
});
