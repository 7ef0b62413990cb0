/** Models whose tensors are in a second file: what is in both, when it is used, and that both appear or neither. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import onnxProto from 'onnx-proto';
import { compile, verify, type CompileOptions, type CompileResult, type Progress } from '../compiler/index.js';
import type { Param } from '../compiler/ir/graph.js';
import type { ModelSink } from '../compiler/io.js';
import { modelOutput } from '../compiler/node/model-output.js';
import { nodeRunner } from '../compiler/node/runner.js';
import { emit, type Emitted } from '../compiler/onnx/emit.js';
import { placesFor } from '../compiler/onnx/external.js';
import type { Tensor } from '../compiler/runner.js';
import { recordGraph } from './graphs.js';
import { problemOf, problemOfAsync } from './made-files.js';

const { onnx } = onnxProto;
const EXTERNAL = onnx.TensorProto.DataLocation.EXTERNAL;

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-external-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const output = (): string => path('out.onnx');
const data = (): string => path('out.onnx.data');
const files = (): string[] => readdirSync(folder).sort();

const small = { model: 'fixtures/models/yolov8.yaml', scale: 'n', imgsz: [64, 32] } as const satisfies CompileOptions;
const soca = { module: { module: 'SOCA', args: '[64]', inputs: [[1, 64, 16, 16]] } } as const satisfies CompileOptions;
const socaGolden = 'fixtures/goldens/modules/SOCA__sq64.safetensors';
/** All tensors are below 1 KiB. */
const tiny = { module: { module: 'SE', args: '[16]', inputs: [[1, 16, 4, 4]] } } as const satisfies CompileOptions;

/** Compiled to `out.onnx` with external data. */
const external = (options: CompileOptions): Promise<CompileResult> => compile({ output: output(), externalData: 'always', ...options });

interface Stored {
  readonly name: string;
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

function storedIn(model: onnxProto.onnx.ModelProto): Stored[] {
  const outside = model.graph!.initializer!.filter(({ dataLocation }) => dataLocation === EXTERNAL);
  return outside.map(({ name, externalData }) => {
    const { location, offset, length, ...others } = Object.fromEntries(externalData!.map(({ key, value }) => [key!, value!]));
    expect(others).toEqual({});
    return { name: name!, location: location!, offset: Number(offset), length: Number(length) };
  });
}

/** The file as it is without external data: every tensor's bytes put back into it. */
function whole(model: onnxProto.onnx.ModelProto, bytes: Uint8Array): Uint8Array {
  const stored = new Map(storedIn(model).map((item) => [item.name, item]));
  for (const tensor of model.graph!.initializer!) {
    const place = stored.get(tensor.name!);
    if (!place) continue;
    expect(tensor.rawData).toHaveLength(0);
    tensor.rawData = bytes.subarray(place.offset, place.offset + place.length);
    tensor.externalData = [];
    delete tensor.dataLocation;
  }
  return onnx.ModelProto.encode(model).finish();
}

const forms: Readonly<Record<string, CompileOptions>> = {
  'YOLOv5': { model: 'fixtures/models/yolov5n_PSA.yaml', imgsz: [64, 64] },
  'YOLOv8, all sizes open, opset 11': { model: 'fixtures/models/yolov8-ema.yaml', scale: 'n', imgsz: [64, 64], dynamic: 'all', opset: 11 },
  'no passes, opset 22': { ...small, passes: [], opset: 22 },
  'float16': { ...small, half: 'compute' },
  'float16 inputs and outputs': { ...small, half: 'io' },
  'a checkpoint': { model: 'fixtures/checkpoints/yolov5u-v7-best_pip.pt', imgsz: [64, 64] },
  'a compressed checkpoint, which is read in one pass': { model: 'fixtures/checkpoints/yolov5u-repack_deflated.pt', imgsz: [64, 64] },
  'functions': { ...soca, customOps: { form: 'function' } },
  'opaque operators': { ...soca, customOps: { form: 'opaque' } },
};

describe('what is written', () => {
  test.each(Object.entries(forms))('%s: the tensors of the ordinary file, in place', async (_, options) => {
    const ordinary = (await compile(options)).model!;
    const result = await external(options);
    expect(files()).toEqual(['out.onnx', 'out.onnx.data']);
    const [model, bytes] = [readFileSync(output()), readFileSync(data())];
    expect(result).toMatchObject({ bytes: model.length, externalData: { file: data(), bytes: bytes.length } });
    const decoded = onnx.ModelProto.decode(model);
    expect(Buffer.compare(onnx.ModelProto.encode(decoded).finish(), model)).toBe(0);
    const stored = storedIn(decoded);
    let end = 0;
    for (const { location, offset, length } of stored) {
      expect(location).toBe('out.onnx.data');
      expect(length).toBeGreaterThanOrEqual(1024);
      expect(offset % (length < 2 ** 20 ? 4096 : 65_536)).toBe(0);
      // In order and without overlap; what is between them is zero and shorter than a unit.
      expect(offset - end).toBeGreaterThanOrEqual(0);
      expect(offset - end).toBeLessThan(65_536);
      expect(bytes.subarray(end, offset).every((byte) => byte === 0)).toBe(true);
      end = offset + length;
    }
    expect(stored.length).toBeGreaterThan(0);
    expect(end).toBe(bytes.length);
    const inside = decoded.graph!.initializer!.filter(({ dataLocation }) => dataLocation !== EXTERNAL);
    expect(inside.every(({ rawData }) => rawData!.length < 1024)).toBe(true);
    expect(Buffer.compare(whole(decoded, bytes), ordinary)).toBe(0);
  });

  test('places: pages, 64 KiB from 1 MiB on', () => {
    expect(placesFor([])).toEqual({ offsets: [], bytes: 0 });
    expect(placesFor([0, 1023])).toEqual({ offsets: [undefined, undefined], bytes: 0 });
    expect(placesFor([1024, 4, 4097, 2 ** 20, 1025, 2 ** 33, 1024])).toEqual({
      offsets: [0, undefined, 4096, 65_536, 65_536 + 2 ** 20, 2 ** 20 + 131_072, 2 ** 33 + 2 ** 20 + 131_072],
      bytes: 2 ** 33 + 2 ** 20 + 132_096,
    });
  });

  test('hashes are those of the two files; the same options give the same bytes', async () => {
    const first = await external(small);
    const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect([first.sha256, first.externalData!.sha256]).toEqual([digest(output()), digest(data())]);
    const again = await external({ ...small, hash: false });
    expect([again.sha256, again.externalData]).toEqual([undefined, { file: data(), bytes: statSync(data()).size }]);
    expect([digest(output()), digest(data())]).toEqual([first.sha256, first.externalData!.sha256]);
  });

  test('progress counts both files', async () => {
    const seen: Progress[] = [];
    const { bytes, externalData } = await external({ ...small, onProgress: (progress) => void seen.push(progress) });
    expect(seen.at(-1)).toEqual({ stage: 'write', done: bytes + externalData!.bytes, total: bytes + externalData!.bytes });
    expect(seen.length).toBeGreaterThan(1);
  });

  test('no tensor of 1 KiB: no second file; nor is there one unless it is asked for', async () => {
    expect((await external(tiny)).externalData).toBeUndefined();
    expect((await external({ ...small, externalData: 'auto' })).externalData).toBeUndefined();
    expect(files()).toEqual(['out.onnx']);
    expect(Buffer.compare(readFileSync(output()), (await compile(small)).model!)).toBe(0);
  });
});

/** One parameter that costs nothing to read. */
const endless = (elements: number): Param => ({ kind: 'param', key: 'endless', dtype: 'float32', shape: [elements], kept: false, read: () => undefined });

/** Emits a model of one parameter into nothing; tells what both files got. */
async function emitted(elements: number, sink: Pick<ModelSink, 'external'> = {}): Promise<{ readonly result: Emitted; readonly written: number }> {
  const graph = recordGraph([{ shape: [elements] }], (g, x) => [g.add(x, endless(elements))]);
  let written = 0;
  const result = await emit(graph, { ...sink, write: ({ length }) => void (written += length) }, { opset: 17, graphName: 'made', producerVersion: '0', metadata: [] });
  return { result, written };
}

describe('what one file cannot hold', () => {
  test('goes to a second one, of any length', async () => {
    const asked: number[] = [];
    let bytes = 0;
    const external = (length: number): ReturnType<NonNullable<ModelSink['external']>> => {
      asked.push(length);
      return { location: 'x.data', sink: { write: (part) => void (bytes += part.length) } };
    };
    const elements = 2 ** 29 + 1;
    const { result, written } = await emitted(elements, { external });
    expect(result).toMatchObject({ bytes: written, externalData: { location: 'x.data', bytes: 4 * elements } });
    expect([asked, bytes]).toEqual([[4 * elements], 4 * elements]);
    expect(written).toBeLessThan(1000);
    const least = await emitted(2 ** 29 - 2 ** 23, { external });
    expect([least.result.externalData, least.written > 2 ** 30, asked.length]).toEqual([undefined, true, 1]);
  });

  test('is refused where there is no place for one, before anything is written', async () => {
    expect(await problemOfAsync(emitted(2 ** 29))).toMatchObject({ code: 'too-large', message: 'the model would take 2.0 GiB; an ONNX file holds less than 2 GiB, what is more goes to a file beside it', help: expect.stringContaining('no device or pipe') });
    const conv: CompileOptions = { module: { module: 'Conv', args: '[60000, 3]', inputs: [[1, 60_000, 4, 4]] } };
    expect(await problemOfAsync(compile(conv))).toMatchObject({ code: 'too-large' });
    expect(await problemOfAsync(compile({ ...conv, output: '/dev/null' }))).toMatchObject({ code: 'too-large' });
  });

  test('more than the disk holds is refused at once', () => {
    const target = modelOutput(output());
    expect(problemOf(() => target.external!(2 ** 60))).toMatchObject({ code: 'unwritable', message: expect.stringMatching(/out\.onnx\.data: it takes 1152921504\.6 GB, [\d.]+ GB are free$/), help: expect.stringContaining('another disk') });
    target.abort();
    expect(files()).toEqual([]);
  });
});

describe('onnxruntime', () => {
  /** The model's outputs for numbers that are always the same. */
  async function run(model: string | Uint8Array): Promise<readonly (readonly [string, Tensor])[]> {
    const session = await nodeRunner().open(model, 'cpu');
    try {
      const feeds = session.inputs.map(({ name, shape }) => [name, { shape: shape as number[], data: Float32Array.from({ length: (shape as number[]).reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)) }] as const);
      return [...(await session.run(new Map(feeds)))];
    } finally {
      await session.close();
    }
  }

  test.each<[string, CompileOptions]>([['float32', small], ['float16', { ...small, half: 'compute' }], ['functions', { ...soca, customOps: { form: 'function' } }]])('%s: the outputs of the ordinary file', async (_, options) => {
    const want = await run((await compile(options)).model!);
    await external(options);
    expect(await run(output())).toEqual(want);
  });

  test('the two files may be moved together', async () => {
    await external(small);
    mkdirSync(path('elsewhere'));
    for (const name of ['out.onnx', 'out.onnx.data']) copyFileSync(path(name), path(`elsewhere/${name}`));
    const want = await run(output());
    rmSync(output());
    rmSync(data());
    expect(await run(path('elsewhere/out.onnx'))).toEqual(want);
  });

  test.each(['inline', 'function', 'opaque'] as const)('verify while compiling and afterwards: %s', async (form) => {
    const { verification } = await external({ ...soca, customOps: { form }, verify: [socaGolden], provider: 'cpu' });
    expect(verification).toMatchObject({ passed: 1, failed: 0 });
    const notes: string[] = [];
    const report = await verify({ model: output(), goldens: [socaGolden], provider: 'cpu', onNote: (note) => void notes.push(note) });
    expect(report).toMatchObject({ passed: 1, failed: 0, ...(form === 'opaque' ? { twins: ['yolonnx::Covpool', 'yolonnx::Sqrtm'] } : {}) });
    expect(notes.length).toBe(form === 'opaque' ? 1 : 0);
    expect(files()).toEqual(['out.onnx', 'out.onnx.data']);
  });

  test('data that is missing or cut off, and a model without a folder', async () => {
    await external(small);
    const help = expect.stringMatching(/second file\. It must lie beside the model, whole/);
    const model = readFileSync(output());
    expect(await problemOfAsync(run(model))).toMatchObject({ code: 'bad-model', help });
    writeFileSync(data(), 'abc');
    expect(await problemOfAsync(run(output()))).toMatchObject({ code: 'bad-model', help });
    rmSync(data());
    expect(await problemOfAsync(run(output()))).toMatchObject({ code: 'bad-model', help });
  });
});

describe('both files, or neither', () => {
  const old = (): void => {
    writeFileSync(output(), 'old model');
    writeFileSync(data(), 'old data');
  };
  const texts = (): string[] => files().map((name) => `${name}: ${readFileSync(path(name), 'utf8').slice(0, 20)}`);
  const asBefore = ['out.onnx: old model', 'out.onnx.data: old data'];

  test('an error, a stop, a golden that fails: what was there stays', async () => {
    const controller = new AbortController();
    const failures: readonly (() => Promise<unknown>)[] = [
      () => external({ ...small, onProgress: () => { throw new Error('mine'); } }).catch(() => undefined),
      () => problemOfAsync(external({ ...small, signal: controller.signal, onProgress: () => controller.abort() })),
      () => external({ ...soca, seed: 5, verify: [socaGolden], provider: 'cpu' }),
    ];
    for (const fail of failures) {
      await fail();
      expect(files()).toEqual([]);
    }
    old();
    for (const fail of failures) {
      await fail();
      expect(texts()).toEqual(asBefore);
    }
  });

  test('a golden that fails: the result names no file', async () => {
    const result = await external({ ...soca, seed: 5, verify: [socaGolden], provider: 'cpu' });
    expect([result.output, result.externalData, result.verification!.failed]).toEqual([undefined, undefined, 1]);
  });

  test('both are replaced, their permissions stay; new data gets those of the model', async () => {
    old();
    chmodSync(output(), 0o640);
    chmodSync(data(), 0o600);
    await external(small);
    expect(files()).toEqual(['out.onnx', 'out.onnx.data']);
    expect([output(), data()].map((file) => statSync(file).mode & 0o777)).toEqual([0o640, 0o600]);
    expect(statSync(data()).size).toBeGreaterThan(1e6);
    rmSync(data());
    await external(small);
    expect(statSync(data()).mode & 0o777).toBe(0o640);
  });

  test('data beside a model that has none stays: it may be another’s', async () => {
    old();
    await compile({ ...small, output: output() });
    expect(readFileSync(data(), 'utf8')).toBe('old data');
    expect(files()).toEqual(['out.onnx', 'out.onnx.data']);
  });

  test('a model that does not get its name: the data that was there comes back', () => {
    for (const before of [true, false]) {
      if (before) writeFileSync(data(), 'old data');
      const target = modelOutput(output());
      target.external!(3).sink.write(Uint8Array.of(1, 2, 3));
      target.write(Uint8Array.of(4));
      mkdirSync(output());
      expect(problemOf(() => target.commit()).code).toBe('unwritable');
      expect(files()).toEqual(before ? ['out.onnx', 'out.onnx.data'] : ['out.onnx']);
      if (before) expect(readFileSync(data(), 'utf8')).toBe('old data');
      rmSync(output(), { recursive: true });
      rmSync(data(), { force: true });
    }
  });

  test('until they are whole they lie together under their names', () => {
    const target = modelOutput(output());
    const { location, sink } = target.external!(2);
    sink.write(Uint8Array.of(1, 2));
    target.write(Uint8Array.of(3));
    target.flush();
    const beside = join(target.temporary, '..');
    expect([existsSync(output()), readdirSync(beside).sort(), location]).toEqual([false, ['out.onnx', 'out.onnx.data'], 'out.onnx.data']);
    expect(statSync(beside).mode & 0o077).toBe(0);
    target.commit();
    target.abort();
    expect([files(), target.size, [...readFileSync(output())], [...readFileSync(data())]]).toEqual([['out.onnx', 'out.onnx.data'], 1, [3], [1, 2]]);
  });
});

describe('places that are refused', () => {
  test('memory, devices', async () => {
    const problem = { code: 'bad-option', message: expect.stringContaining('the model goes to no file'), help: expect.stringContaining('no device or pipe') };
    expect(await problemOfAsync(compile({ ...small, externalData: 'always' }))).toMatchObject(problem);
    expect(await problemOfAsync(external({ ...small, output: '/dev/null' }))).toMatchObject(problem);
  });

  test('links, which runtimes do not follow; a folder', async () => {
    writeFileSync(path('real.onnx'), 'old');
    symlinkSync('real.onnx', output());
    expect(await problemOfAsync(external(small))).toMatchObject({ code: 'unwritable', message: expect.stringMatching(/out\.onnx with external data: it is a symbolic link/) });
    rmSync(output());
    symlinkSync('real.onnx', data());
    expect(await problemOfAsync(external(small))).toMatchObject({ code: 'unwritable', message: expect.stringMatching(/out\.onnx\.data: it is a symbolic link/), help: expect.stringContaining('another name') });
    rmSync(data());
    mkdirSync(data());
    expect(await problemOfAsync(external(small))).toMatchObject({ code: 'unwritable', message: expect.stringMatching(/it is a folder/) });
    expect([files(), readFileSync(path('real.onnx'), 'utf8')]).toEqual([['out.onnx.data', 'real.onnx'], 'old']);
  });

  test('files that are read', async () => {
    copyFileSync('fixtures/models/yolov5n.yaml', data());
    for (const options of [{ model: data() }, { model: 'fixtures/models/yolov5n.yaml', weights: data() }]) {
      expect(await problemOfAsync(external(options))).toMatchObject({ code: 'bad-option', message: expect.stringMatching(/out\.onnx\.data would be overwritten/) });
    }
    expect(files()).toEqual(['out.onnx.data']);
  });

  test('a word that is none', async () => {
    expect(await problemOfAsync(external({ ...small, externalData: 'never' as 'auto' }))).toMatchObject({ code: 'bad-option', message: "externalData must be 'auto' or 'always', got 'never'" });
  });
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s removes both and their folder', async (signal) => {
  const module = pathToFileURL(join(import.meta.dirname, '..', 'compiler', 'node', 'model-output.js')).href;
  const script = `
    const { modelOutput } = await import(${JSON.stringify(module)});
    const target = modelOutput(${JSON.stringify(output())});
    const { sink } = target.external(1e6);
    sink.write(new Uint8Array(1e6));
    target.write(new Uint8Array(1e6));
    process.stdout.write('ready');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_, by) => resolve(by)));
  await new Promise((ready) => child.stdout.once('data', ready));
  expect(files().length).toBe(1);
  child.kill(signal);
  expect([await ended, files()]).toEqual([signal, []]);
});
