import { describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import type { Builder } from '../compiler/builder.js';
import { compile, type CompileOptions, type CompileResult } from '../compiler/index.js';
import { input, mul } from '../compiler/ir/extent.js';
import type { Graph, Value } from '../compiler/ir/graph.js';
import { OPSETS } from '../compiler/onnx/emit.js';
import { encode } from '../compiler/onnx/protobuf.js';
import { examples } from './examples.js';
import { problemOf } from './made-files.js';
import { sourceOf } from './front-end.js';
import { difference, emitted, inputsFor, lower, recordGraph, runModel, sizeOf } from './graphs.js';

const { onnx } = onnxProto;
const opsets = Array.from({ length: OPSETS.most - OPSETS.least + 1 }, (_, i) => OPSETS.least + i);

/** The model as onnx-proto reads it; written again by onnx-proto it must be the same file. */
function decoded(file: Uint8Array): onnxProto.onnx.ModelProto {
  const model = onnx.ModelProto.decode(file);
  const again = onnx.ModelProto.encode(model).finish();
  if (Buffer.compare(again, file) !== 0) throw new Error(`${file.length} bytes, onnx-proto writes ${again.length}; they differ at ${again.findIndex((byte, i) => byte !== file[i])}`);
  return model;
}

const graphOf = (model: onnxProto.onnx.ModelProto): onnxProto.onnx.GraphProto => model.graph as onnxProto.onnx.GraphProto;

/** What must hold in any file: names are unique, made before they are read, and nothing is stored that nobody reads. */
function checkNames(model: onnxProto.onnx.ModelProto): void {
  const { node, initializer, input: inputs, output } = graphOf(model);
  const made = [...inputs, ...initializer].map(({ name }) => name!);
  const read = new Set<string>(output.map(({ name }) => name!));
  const known = new Set(made);
  for (const { input: operands, output: results } of node) {
    for (const name of operands!) {
      if (name !== '' && !known.has(name)) throw new Error(`${name} is read before it is made`);
      read.add(name);
    }
    for (const name of results!) known.add(name);
    made.push(...results!);
  }
  expect(made.length).toBe(new Set(made).size);
  expect(made).not.toContain('');
  const nodeNames = node.map(({ name }) => name);
  expect(nodeNames.length).toBe(new Set(nodeNames).size);
  expect(output.filter(({ name }) => !known.has(name!))).toEqual([]);
  expect(initializer.filter(({ name }) => !read.has(name!))).toEqual([]);
  // Shapes inside are for runtimes to infer; what is stored may be wrong for other sizes.
  expect(graphOf(model).valueInfo).toEqual([]);
}

/** Small constants that are equal are stored once. */
function checkPool(model: onnxProto.onnx.ModelProto): void {
  const small = graphOf(model).initializer.filter(({ name, dims }) => (name!).startsWith("constant") && sizeOf(dims!.map(Number)) <= 64);
  const contents = small.map(({ dims, dataType, rawData }) => `${dataType} ${dims!.join()} ${Buffer.from(rawData!).toString('hex')}`);
  expect(contents.length).toBe(new Set(contents).size);
}

async function compiled(options: CompileOptions): Promise<CompileResult & { readonly model: Uint8Array }> {
  return (await compile(options)) as CompileResult & { readonly model: Uint8Array };
}

describe('the bytes are those of onnx-proto', () => {
  test.each(examples.map((example) => [example.file, example] as const))('%s, all opsets, static and open', async (_, { module, args, inputs, repeats, family }) => {
    for (const opset of opsets) {
      // What is written of open sizes changes with 12, 13 and 18.
      for (const dynamic of [11, 12, 13, 18].includes(opset) ? (['none', 'batch', 'all'] as const) : (['none'] as const)) {
        const { model } = await compiled({ module: { module, args, inputs, family, ...(repeats === undefined ? {} : { repeats }) }, opset, dynamic }).catch((error: unknown) => {
          if (dynamic === 'all') return { model: undefined };
          throw error;
        });
        if (!model) continue;
        const file = decoded(model);
        checkNames(file);
        checkPool(file);
      }
    }
  });

  test.each([['yolov8-ema', 'n: [0.33, 0.25'], ['yolov5n_PSA', 'width_multiple: 0.25']])('%s, an eighth as wide', async (name, width) => {
    const { file, text } = sourceOf(`fixtures/models/${name}.yaml`);
    const model = { file, text: text.replace(width, width.replace('0.25', '0.03125')) };
    expect(model.text).not.toBe(text);
    for (const opset of [11, 17, 22]) {
      for (const dynamic of ['none', 'all'] as const) {
        for (const passes of [undefined, []]) {
          const written = decoded((await compiled({ model, imgsz: [64, 32], opset, dynamic, ...(passes ? { passes } : {}) })).model);
          checkNames(written);
          checkPool(written);
        }
      }
    }
  });
});

test('numbers of every size are encoded as onnx-proto does', () => {
  const ints = [0, 1, -1, 127, 128, 16_384, 2 ** 31, -(2 ** 31), 2 ** 40, -(2 ** 40), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  const attribute = { name: 'größe', f: 0.1, i: -1, s: Uint8Array.of(0, 255), floats: [0.1, -0, Infinity, 1e-45], ints, type: 7 };
  const bytes = encode('AttributeProto', attribute);
  const read = onnx.AttributeProto.decode(bytes);
  expect(read.ints.map(Number)).toEqual(ints);
  expect([read.name, read.f, Number(read.i), [...read.s], [...read.floats]]).toEqual(['größe', Math.fround(0.1), -1, [0, 255], [Math.fround(0.1), -0, Infinity, Math.fround(1e-45)]]);
  expect(Buffer.compare(onnx.AttributeProto.encode(read).finish(), bytes)).toBe(0);
  expect(problemOf(() => encode('AttributeProto', { i: 0.5 })).code).toBe('internal');
  expect(problemOf(() => encode('AttributeProto', { ints: [2 ** 53] })).code).toBe('internal');
});

/** Two uses of one body with other weights, one of another body under the same name, and a call inside a call. */
const calls = (): Graph =>
  recordGraph([{ shape: [input('batch'), 2, 4] }], (g, x) => {
    const scale = (at: Builder, value: Value): ReturnType<Builder['call']> => at.call('Scale', {}, [value], (inner, v) => [inner.mul(v, inner.param('gain', [2, 1]))]);
    const [a] = scale(g.in('a'), x);
    const [b] = scale(g.in('b'), a!);
    const [c] = g.in('c').call('Scale', {}, [b!], (inner, v) => [inner.add(inner.mul(v, inner.param('gain', [2, 1])), 1)]);
    return g.in('d').call('Outer', { eps: 0.5, times: 3, mode: 'größe' }, [c!], (inner, v) => [inner.in('in').call('Scale', {}, [v], (most, w) => [most.mul(w, most.param('gain', [2, 1]))])[0]!, inner.reshape(v, [x.shape[0]!, 8])]);
  });

describe('functions', () => {
  test.each(opsets)('opset %d: equal bodies are one, the graph computes what it does inline', async (opset) => {
    const graph = calls();
    const form = async (custom: 'inline' | 'function'): Promise<Awaited<ReturnType<typeof emitted>>> => emitted(lower(graph, opset, undefined, { form: custom, domain: 'yolonnx', names: {} }), opset);
    const { file, irVersion } = await form('function');
    const model = decoded(file);
    checkNames(model);
    expect(irVersion).toBe(Math.max(8, irVersions[opset]!));
    expect(Number(model.irVersion)).toBe(irVersion);
    expect(model.functions.map(({ name, domain }) => [name, domain])).toEqual([['Scale', 'yolonnx'], ['Scale_2', 'yolonnx'], ['Outer', 'yolonnx']]);
    expect(graphOf(model).node.map(({ opType, domain }) => [opType, domain])).toEqual([['Scale', 'yolonnx'], ['Scale', 'yolonnx'], ['Scale_2', 'yolonnx'], ['Outer', 'yolonnx']]);
    expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([['', opset], ['yolonnx', 1]]);
    const inputs = inputsFor(graph, { batch: 3 });
    const want = await runModel((await form('inline')).file, inputs);
    for (const [i, got] of (await runModel(file, inputs)).entries()) expect(difference(want[i]!, got)).toBe(0);
  });

  test('opaque nodes carry the attributes, the plain name and the domain', async () => {
    const model = decoded((await emitted(lower(calls(), 17, undefined, { form: 'opaque', domain: 'acme', names: { Scale: 'ScalePlugin' } }))).file);
    expect(model.functions).toEqual([]);
    expect(graphOf(model).node.map(({ opType, domain, input: operands }) => [opType, domain, operands!.slice(1)])).toEqual([
      ['ScalePlugin', 'acme', ['a.gain']],
      ['ScalePlugin', 'acme', ['b.gain']],
      ['ScalePlugin', 'acme', ['c.gain']],
      ['Outer', 'acme', ['d.in.gain']],
    ]);
    const { FLOAT, INT, STRING } = onnx.AttributeProto.AttributeType;
    expect(graphOf(model).node[3]!.attribute!.map(({ name, type, f, i, s }) => [name, type, type === FLOAT ? f : type === INT ? Number(i) : Buffer.from(s!).toString()])).toEqual([['eps', FLOAT, 0.5], ['times', INT, 3], ['mode', STRING, 'größe']]);
  });
});

/** The table of onnx/docs/Versioning.md. */
const irVersions: Readonly<Record<number, number>> = { 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10 };

test.each(opsets)('opset %d has its IR version', async (opset) => {
  const { file, irVersion } = await emitted(recordGraph([{ shape: [2] }], (g, x) => [g.relu(x)]), opset);
  const model = decoded(file);
  expect([irVersion, Number(model.irVersion), model.opsetImport.map(({ version }) => Number(version))]).toEqual([irVersions[opset], irVersions[opset], [opset]]);
});

test('outputs that are inputs, parameters, constants or repeated pass through a node of their own', async () => {
  const graph = recordGraph([{ shape: [2] }, { dtype: 'int64', shape: [2] }], (g, x, k) => {
    const y = g.relu(x);
    return [x, k, g.param('y3', [2]), y, y, g.constant([4, 5], [2]), x];
  });
  const model = decoded((await emitted(graph)).file);
  checkNames(model);
  expect(graphOf(model).node.map(({ opType }) => opType)).toEqual(['Relu', ...Array.from({ length: 6 }, () => 'Identity')]);
  expect(graphOf(model).output.map(({ name }) => name)).toEqual(['y0', 'y1', 'y2', 'y3', 'y4', 'y5', 'y6']);
  const inputs = inputsFor(graph);
  const outputs = (await runModel((await emitted(graph)).file, inputs)).map(({ data }) => [...data]);
  const [x, k] = inputs.map(({ data }) => [...data]) as [number[], number[]];
  const relu = x.map((value) => Math.max(value, 0));
  expect(outputs).toEqual([x, k, outputs[2], relu, relu, [4, 5], x]);
});

test('names that nodes, parameters and outputs share are kept apart', async () => {
  const graph = recordGraph([{ shape: [2] }], (g, x) => {
    const [y, same] = [g.add(x, g.param('y0', [2])), g.param('Relu', [2])];
    return [x, g.mul(g.relu(g.relu(y)), same), g.add(g.param('constant', [2]), g.constant([1, 2], [2]))];
  });
  const { file } = await emitted(graph);
  checkNames(decoded(file));
  expect((await runModel(file, inputsFor(graph)))[0]!.data).toEqual(inputsFor(graph)[0]!.data);
});

describe('constants', () => {
  test('one that is read twice is stored once, however long', async () => {
    const long = { kind: 'constant', dtype: 'float32', shape: [1000], data: Float32Array.from({ length: 1000 }, (_, i) => i) } as const;
    const graph = recordGraph([{ shape: [1000] }], (g, x) => [g.sub(g.add(x, long), long)]);
    expect(graphOf(decoded((await emitted(graph)).file)).initializer.map(({ dims }) => dims!.map(Number))).toEqual([[1000]]);
  });

  test('small ones are stored once, also those of sizes; large ones stream', async () => {
    const graph = recordGraph([{ shape: [3] }], (g, x) => {
      const sum = [1, 1, 2, -0, 0].reduce<Value>((value, constant) => g.add(value, constant), x);
      const long = g.constant(Float32Array.from({ length: 100_000 }, (_, i) => i), [100_000]);
      return [g.add(sum, g.constant([1], [1])), long, g.reshape(g.reshape(x, [1, 3]), [3]), g.reshape(x, [1, 3])];
    });
    const model = decoded((await emitted(graph)).file);
    checkNames(model);
    checkPool(model);
    // 1, 2, -0, 0, [1], the long one, [1, 3], [3]
    expect(graphOf(model).initializer.length).toBe(8);
    const long = graphOf(model).initializer.find(({ rawData }) => rawData!.length === 400_000)!;
    expect(new Float32Array(Uint8Array.from(long.rawData!).buffer)[99_999]).toBe(99_999);
  });
});

/** Sizes; names of those that are open. */
const dims = ({ type }: onnxProto.onnx.IValueInfoProto): (number | string)[] =>
  type!.tensorType!.shape!.dim!.map(({ dimParam, dimValue }) => (typeof dimParam === 'string' && dimParam !== '' ? dimParam : Number(dimValue)));

describe('inputs and outputs', () => {
  test('open sizes have names', async () => {
    const h = input('height/32');
    const graph = recordGraph([{ shape: [input('batch'), 3, mul(32, h), 64], axes: ['batch', 'channels', 'height', 'width'] }], (g, x) => [g.relu(x)]);
    const model = graphOf(decoded((await emitted(graph)).file));
    expect(model.input.map(dims)).toEqual([['batch', 3, 'height', 64]]);
    expect(model.output.map(dims)).toEqual([['batch', 3, '32*height/32', 64]]);
  });

  test('a model says how its output is laid out', async () => {
    const model = graphOf(decoded((await compiled({ model: 'fixtures/models/yolov8.yaml', imgsz: [32, 32], dynamic: 'all' })).model));
    expect(model.input[0]!.name).toBe('images');
    expect(model.output[0]!).toMatchObject({ name: 'output0', docString: expect.stringContaining('[batch, 4 + nc, anchors]') });
    expect(dims(model.output[0]!)).toEqual(['batch', 84, 'anchors']);
  });
});

test('metadata: what loaders of YOLO files look for', async () => {
  const { model } = await compiled({ model: 'fixtures/models/yolov8-ema.yaml', scale: 'n', imgsz: [64, 96], batch: 2, nc: 3, names: ['cat', "dog's", '狗'], opset: 13 });
  const metadata = Object.fromEntries(decoded(model).metadataProps.map(({ key, value }) => [key!, value!])) as Readonly<Record<string, string>>;
  expect(metadata).toMatchObject({
    description: 'Ultralytics YOLOv8n-ema model',
    stride: '32',
    task: 'detect',
    batch: '2',
    imgsz: '[64, 96]',
    names: `{0: 'cat', 1: "dog's", 2: '狗'}`,
    channels: '3',
    end2end: 'False',
    args: "{'batch': 2, 'half': False, 'dynamic': False, 'simplify': True, 'opset': 13, 'nms': False}",
  });
  expect(metadata.date).toMatch(/^\d{4}-\d\d-\d\d/);
});

/** The recipe of shared/goldens/README.md in plain arithmetic. */
function recipe(key: string, shape: readonly number[], seed: number, gain: number, index: number): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(key)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  let x = ((h ^ Math.imul(seed, 0x9e3779b9)) + index) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  const u = ((x ^ (x >>> 16)) >>> 8) / 2 ** 24;
  const leaf = key.split('.').at(-1);
  if (leaf === 'running_var') return Math.fround(0.5 + u);
  if (leaf === 'running_mean' || leaf === 'bias') return Math.fround(0.2 * u - 0.1);
  if (shape.length >= 2) return Math.fround((2 * u - 1) * Math.sqrt(gain / shape.slice(1).reduce((a, b) => a * b, 1)));
  return Math.fround(leaf === 'weight' ? 0.75 + 0.5 * u : 0.5 + 0.5 * u);
}

test('initializers hold the seeded recipe under the keys of the state_dict', async () => {
  const { model } = await compiled({ model: 'fixtures/models/yolov5n_PSA.yaml', imgsz: [64, 64], passes: [], seed: 7, gain: 3, opset: 22 });
  const tensors = graphOf(decoded(model)).initializer.filter(({ name }) => (name!).startsWith("model.") && !name!.endsWith('anchors'));
  expect(tensors.length).toBeGreaterThan(300);
  for (const { name, dims, rawData, dataType } of tensors) {
    const shape = dims!.map(Number);
    const values = new Float32Array(Uint8Array.from(rawData!).buffer);
    expect([dataType, values.length]).toEqual([onnx.TensorProto.DataType.FLOAT, shape.reduce((a, b) => a * b, 1)]);
    for (const index of new Set([0, values.length >> 1, values.length - 1])) {
      if (values[index] !== recipe(name!, shape, 7, 3, index)) throw new Error(`${name}[${index}] is ${values[index]}`);
    }
  }
});
