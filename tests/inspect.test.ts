/** Looking into ONNX files: what is read, which layer nodes belong to, where NaN comes from, how differences are distributed. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { compile } from '../compiler/index.js';
import { macsOf } from '../compiler/inspect/costs.js';
import { distribution } from '../compiler/inspect/distribution.js';
import { layersOf } from '../compiler/inspect/layers.js';
import type { FileModel, FileNode } from '../compiler/inspect/model.js';
import { describeOrigin, originOf, type Origin } from '../compiler/inspect/origin.js';
import { tappable, withTaps } from '../compiler/inspect/taps.js';
import { readModel } from '../compiler/node/read-model.js';
import { nodeRunner } from '../compiler/node/runner.js';
import { f32, graphModel, onnxModel, problemOf } from './made-files.js';

const { onnx } = onnxProto;
const runner = nodeRunner();
const folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'));
afterAll(() => {
  runner.close();
  rmSync(folder, { recursive: true });
});

const encoded = (model: object): Uint8Array => onnx.ModelProto.encode(onnx.ModelProto.fromObject({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], ...model })).finish();

describe('reading', () => {
  test('a file of ours', async () => {
    const { model, nodes, parameters } = await compile({ model: 'fixtures/models/yolov5s_SE.yaml', imgsz: [64, 64], dynamic: 'batch' });
    const read = readModel(model!);
    expect(read).toMatchObject({ opset: 17, irVersion: 8, domains: {}, functions: [], inputs: [{ name: 'images', dtype: 'float32', shape: ['batch', 3, 64, 64] }] });
    expect(read.nodes).toHaveLength(nodes);
    // Constants of the head are initializers too.
    expect([...read.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)).toBeGreaterThan(parameters * 0.99);
    expect(read.metadata.stride).toBe('32');
    expect(read.nodes[0]).toMatchObject({ name: 'model.0.conv/Conv', op: 'Conv', domain: '', attributes: expect.arrayContaining([{ name: 'group', text: '1', integer: 1 }, { name: 'pads', text: '[2, 2, 2, 2]' }]) as unknown });
  });

  test('constants, old inputs, nodes without names, attributes of every kind', () => {
    const attribute = (name: string, type: number, value: object): object => ({ name, type, ...value });
    const read = readModel(encoded({
      producerName: 'someone', producerVersion: '2.0',
      opsetImport: [{ domain: 'ai.onnx', version: 12 }, { domain: 'mine', version: 3 }],
      graph: {
        input: [{ name: 'x' }, { name: 'w' }],
        output: [{ name: 'y', type: { tensorType: { elemType: 10, shape: { dim: [{ dimParam: 'n' }, { dimValue: 4 }, {}] } } } }],
        initializer: [{ name: 'w', dataType: 1, dims: [2], floatData: [1.5, -2] }],
        node: [
          { opType: 'Constant', output: ['c'], attribute: [attribute('value', 4, { t: { dataType: 7, dims: [3], int64Data: [1, -2, 3] } })] },
          { opType: 'Constant', output: ['d'], attribute: [attribute('value_floats', 6, { floats: [0.5, 0.25] })] },
          { opType: 'Odd', domain: 'mine', input: ['x', '', 'w'], output: ['y'], attribute: [
            attribute('f', 1, { f: 0.1 }), attribute('i', 2, { i: -7 }), attribute('s', 3, { s: Buffer.from('a"b') }),
            attribute('many', 7, { ints: Array.from({ length: 40 }, (_, i) => i) }), attribute('words', 8, { strings: [Buffer.from('a'), Buffer.from('b')] }),
            attribute('t', 4, { t: { dataType: 1, dims: [2, 3] } }), attribute('body', 5, { g: { node: [{ opType: 'Abs' }] } }),
          ] },
        ],
      },
    }));
    expect(read).toMatchObject({ producer: 'someone 2.0', opset: 12, domains: { mine: 3 }, inputs: [{ name: 'x', dtype: 'none', shape: [] }], outputs: [{ name: 'y', dtype: 'float16', shape: ['n', 4, '?'] }] });
    expect(read.nodes).toHaveLength(1);
    expect(read.nodes[0]).toMatchObject({ name: 'Odd_2', domain: 'mine', inputs: ['x', '', 'w'] });
    expect(Object.fromEntries(read.nodes[0]!.attributes.map(({ name, text }) => [name, text]))).toEqual({ f: '0.1', i: '-7', s: '"a\\"b"', many: '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, …]', words: '["a", "b"]', t: 'float32 [2, 3]', body: 'graph of 1 nodes' });
    expect([...read.tensors.get('c')!.read()]).toEqual([1, -2, 3]);
    expect([...read.tensors.get('d')!.read()]).toEqual([0.5, 0.25]);
    expect([...read.tensors.get('w')!.read()]).toEqual([1.5, -2]);
    expect(read.tensors.get('c')).toMatchObject({ dtype: 'int64', shape: [3], constant: true });
  });

  test.each<[string, number, readonly number[], readonly number[]]>([
    ['float16', 10, [0x00, 0x3c, 0x00, 0xc0], [1, -2]],
    ['bfloat16', 16, [0x80, 0x3f, 0x00, 0xc0], [1, -2]],
    ['float64', 11, [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], [1.5]],
    ['int64', 7, [0xfe, 255, 255, 255, 255, 255, 255, 255], [-2]],
    ['uint64', 13, [1, 1, 0, 0, 0, 0, 0, 0], [257]],
    ['int32', 6, [0xff, 255, 255, 255], [-1]],
    ['uint32', 12, [0xff, 255, 255, 255], [4294967295]],
    ['int16', 5, [0xfe, 255, 3, 0], [-2, 3]],
    ['uint16', 4, [0xfe, 255], [65534]],
    ['int8', 3, [0xfe, 3], [-2, 3]],
    ['uint8', 2, [0xfe, 3], [254, 3]],
    ['bool', 9, [1, 0], [1, 0]],
  ])('numbers of %s', (dtype, dataType, bytes, want) => {
    const read = readModel(encoded({ graph: { initializer: [{ name: 't', dataType, dims: [want.length], rawData: Uint8Array.from(bytes) }] } }));
    expect(read.tensors.get('t')!.dtype).toBe(dtype);
    expect([...read.tensors.get('t')!.read()]).toEqual(want);
  });

  test('tensors that do not fit their shape, have no numbers or lie elsewhere are refused when read', () => {
    const outside = { dataLocation: 1, externalData: [{ key: 'location', value: '../secret' }] };
    const beyond = { dataLocation: 1, externalData: [{ key: 'location', value: 'data' }, { key: 'offset', value: '4' }, { key: 'length', value: '8' }] };
    const right = { dataLocation: 1, externalData: [{ key: 'location', value: 'data' }, { key: 'offset', value: '4' }, { key: 'length', value: '4' }] };
    const tensor = (name: string, more: object): object => ({ name, dataType: 1, dims: [1], ...more });
    const file = join(folder, 'external.onnx');
    writeFileSync(join(folder, 'data'), Buffer.from(Float32Array.of(1, 2).buffer));
    writeFileSync(file, encoded({ graph: { initializer: [tensor('short', { dims: [2], floatData: [1] }), tensor('text', { dataType: 8, stringData: [Buffer.from('a')] }), tensor('outside', outside), tensor('beyond', beyond), tensor('right', right)] } }));
    const { tensors } = readModel(file);
    const message = (name: string): string => problemOf(() => tensors.get(name)!.read()).message;
    expect(message('short')).toBe('tensor short has 1 numbers, its shape says 2');
    expect(message('text')).toBe('tensor text is string, which is not compared');
    expect(message('outside')).toBe('tensor outside lies in another file, ../secret, which is not beside the model');
    expect(message('beyond')).toBe('tensor beyond lies outside its file data');
    expect([...tensors.get('right')!.read()]).toEqual([2]);
  });

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['text', Buffer.from('# a README\n')],
    ['a model that is cut off', onnxModel().subarray(0, 60)],
    ['another protobuf message', Buffer.from([8, 1])],
  ])('%s is no ONNX model', (_, bytes) => {
    expect(problemOf(() => readModel(bytes))).toMatchObject({ code: 'bad-model', message: 'the model is no ONNX model, or is cut off' });
  });
});

const nodeOf = (name: string, inputs: readonly string[], outputs: readonly string[]): FileNode => ({ name, op: 'Op', domain: '', inputs, outputs, attributes: [] });

function fileOf(nodes: readonly FileNode[], weights: readonly string[] = [], output = 'y'): FileModel {
  const tensors = new Map(weights.map((name) => [name, { name, dtype: 'float32', shape: [1], constant: false, read: () => new Float32Array(1) }]));
  return { producer: '', irVersion: 8, opset: 17, domains: {}, metadata: {}, functions: [], inputs: [{ name: 'x', dtype: 'float32', shape: [1] }], outputs: [{ name: output, dtype: 'float32', shape: [1] }], nodes, tensors };
}

describe('layers', () => {
  const shapeOf = (model: FileModel): unknown => layersOf(model).map(({ name, index, nodes, results }) => [name, index, nodes.map((node) => node.name), results]);

  test('by names, as TorchScript and this compiler write them', () => {
    expect(shapeOf(fileOf([nodeOf('/model.0/conv/Conv', ['x'], ['a']), nodeOf('/model.0/act/Mul', ['a'], ['b']), nodeOf('model.1/Add', ['b', 'a'], ['c']), nodeOf('model.22/Concat', ['c'], ['y'])]))).toEqual([
      ['model.0', 0, ['/model.0/conv/Conv', '/model.0/act/Mul'], ['b', 'a']],
      ['model.1', 1, ['model.1/Add'], ['c']],
      ['model.22', 22, ['model.22/Concat'], ['y']],
    ]);
  });

  test('by weights and by what is read, as in dynamo’s files', () => {
    expect(shapeOf(fileOf([nodeOf('node_conv2d', ['x', 'model.0.conv.weight'], ['a']), nodeOf('node_sigmoid', ['a'], ['b']), nodeOf('node_conv2d_1', ['b', 'model.10.conv.weight'], ['c']), nodeOf('node_add', ['c', 'b'], ['y'])], ['model.0.conv.weight', 'model.10.conv.weight']))).toEqual([
      ['model.0', 0, ['node_conv2d', 'node_sigmoid'], ['b']],
      ['model.10', 10, ['node_conv2d_1', 'node_add'], ['y']],
    ]);
  });

  test('of a lone module: parts of its names', () => {
    expect(shapeOf(fileOf([nodeOf('GlobalAveragePool', ['x'], ['a']), nodeOf('l1/Gemm', ['a'], ['b']), nodeOf('l1/Relu', ['b'], ['c']), nodeOf('Mul', ['x', 'c'], ['y'])]))).toEqual([
      ['', undefined, ['GlobalAveragePool', 'Mul'], ['a', 'y']],
      ['l1', undefined, ['l1/Gemm', 'l1/Relu'], ['c']],
    ]);
  });
});

describe('taps', () => {
  const model = graphModel([{ op: 'Relu', name: 'one', inputs: ['x'], outputs: ['a'] }, { op: 'Neg', name: 'two', inputs: ['a'], outputs: ['b'] }, { op: 'Exp', name: 'three', inputs: ['b'], outputs: ['y'] }]);
  const feeds = new Map([['x', { data: Float32Array.of(-1, 0, 1, 2, 3, 4, 5, 6), shape: [1, 2, 2, 2] }]]);

  test('what passes between nodes becomes outputs, of bytes and of a file', async () => {
    expect(tappable(readModel(model))).toEqual(['a', 'b']);
    const file = join(folder, 'tapped.onnx');
    writeFileSync(file, model);
    for (const tapped of [withTaps(model, ['a', 'b']), withTaps(file, ['a', 'b']), withTaps(withTaps(file, ['a']), ['b'])]) {
      const session = await runner.open(tapped, 'cpu', { optimization: 'disabled' });
      const results = await session.run(feeds, ['b', 'y']);
      expect([...results.keys()]).toEqual(['b', 'y']);
      expect(results.get('b')!.data[7]).toBe(-6);
      expect((await session.survey(feeds, ['a'])).get('a')).toEqual({ type: 'float32', shape: [1, 2, 2, 2], range: [0, 6], nan: 0, infinite: 0 });
      expect((await session.finish()).kernels.map(({ name }) => name)).toEqual(['one', 'two', 'three']);
      await session.close();
    }
  });
});

describe('where NaN comes from', () => {
  const feeds = new Map([['x', { data: Float32Array.of(-1, 0, 1, 2, 3, 4, 5, 100), shape: [1, 2, 2, 2] }]]);
  const find = (file: Uint8Array, kind: Origin['kind']): Promise<Origin | undefined> => originOf({ model: readModel(file), file, feeds, runner, provider: 'cpu' }, kind);
  const relu = { op: 'Relu', name: 'model.0/Relu', inputs: ['x'], outputs: ['a'] };

  test('the first layer and node that makes it, not those that pass it on', async () => {
    const origin = await find(graphModel([
      relu,
      { op: 'Neg', name: 'model.1/Neg', inputs: ['x'], outputs: ['b'] },
      { op: 'Sqrt', name: 'model.1/Sqrt', inputs: ['b'], outputs: ['c'] },
      { op: 'Exp', name: 'model.2/Exp', inputs: ['c'], outputs: ['d'] },
      { op: 'Add', name: 'model.2/Add', inputs: ['a', 'd'], outputs: ['y'] },
    ]), 'NaN');
    expect(origin).toEqual({ layer: 'model.1', node: 'model.1/Sqrt', op: 'Sqrt', kind: 'NaN', count: 6, of: 8 });
    expect(describeOrigin(origin!)).toBe('the first NaN comes out of layer 1, node model.1/Sqrt (Sqrt), 6 of 8 numbers');
  });

  test('a weight that has it', async () => {
    const origin = await find(graphModel([relu, { op: 'Mul', name: 'model.1/Mul', inputs: ['a', 'model.1.gain'], outputs: ['y'] }], { 'model.1.gain': f32([1], [NaN]) }), 'NaN');
    expect(origin).toMatchObject({ layer: 'model.1', op: 'Mul', count: 8, weight: 'model.1.gain' });
  });

  test('an overflow before it', async () => {
    const origin = await find(graphModel([
      { op: 'Exp', name: 'model.0/Exp', inputs: ['x'], outputs: ['a'] },
      { op: 'Sub', name: 'model.3/Sub', inputs: ['a', 'a'], outputs: ['y'] },
    ]), 'NaN');
    expect(origin).toMatchObject({ layer: 'model.3', op: 'Sub', count: 1, infinityBefore: { layer: 'model.0', node: 'model.0/Exp', op: 'Exp' } });
    expect(describeOrigin(origin!)).toContain('; numbers became infinite before, in layer 0, node model.0/Exp (Exp)');
  });

  test('infinities alone; nothing where nothing is wrong', async () => {
    const exp = graphModel([{ op: 'Exp', name: 'e', inputs: ['x'], outputs: ['y'] }]);
    expect(await find(exp, 'infinite')).toEqual({ layer: '', node: 'e', op: 'Exp', kind: 'infinite', count: 1, of: 8 });
    expect(await find(exp, 'NaN')).toBeUndefined();
  });
});

describe('differences', () => {
  const part = (name: string, meaning: 'pixels' | 'probability'): { name: string; meaning: 'pixels' | 'probability'; f32Error: number } => ({ name, meaning, f32Error: 0 });
  const tensor = (values: readonly number[]): { data: Float32Array; shape: number[] } => ({ data: Float32Array.from(values), shape: [2, 2] });
  const bounds = { division: { axis: 1, parts: [part('y[boxes]', 'pixels'), part('y[scores]', 'probability')], partOf: [0, 1] }, arithmetic: 'float32', tolerance: {} } as const;

  test('bins by magnitude for each part, worst first by ratio to the bound', () => {
    const { histograms, worstElements } = distribution({ name: 'y', want: tensor([100, 0.5, 200, 0.25]), got: tensor([100.015625, 0.5, 200, 0.2500305]), bounds });
    expect(histograms).toEqual([
      { name: 'y[boxes]', bound: 2e-3, equal: 1, notFinite: 0, from: -2, perDecade: 4, counts: [1] },
      { name: 'y[scores]', bound: 5e-6, equal: 1, notFinite: 0, from: -4.75, perDecade: 4, counts: [1] },
    ]);
    expect(worstElements.map(({ part: name, index }) => [name, index])).toEqual([['y[boxes]', [0, 0]], ['y[scores]', [1, 1]]]);
    expect(worstElements[0]).toMatchObject({ wanted: 100, got: 100.015625, difference: 0.015625, bound: 2e-3 });
  });

  test('NaN is the worst of all; other shapes have nothing to compare', () => {
    const { histograms, worstElements } = distribution({ name: 'y', want: tensor([1, 1, 1, 1]), got: tensor([1, NaN, 7, 1]), bounds });
    expect(histograms.map(({ notFinite }) => notFinite)).toEqual([0, 1]);
    expect(worstElements[0]).toMatchObject({ index: [0, 1], got: null, difference: null });
    expect(distribution({ name: 'y', want: tensor([1, 1, 1, 1]), got: { data: new Float32Array(4), shape: [4, 1] }, bounds })).toEqual({ histograms: [], worstElements: [] });
  });

  test('thousands of equal ratios keep the first twenty', () => {
    const many = (value: number): { data: Float32Array; shape: number[] } => ({ data: new Float32Array(10_000).fill(value), shape: [10_000] });
    const whole = { division: { axis: -1, parts: [part('y', 'pixels')], partOf: [0] }, arithmetic: 'float32', tolerance: {} } as const;
    const { worstElements } = distribution({ name: 'y', want: many(0), got: many(1), bounds: whole });
    expect(worstElements.map(({ index }) => index[0])).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});

test('multiply-adds', () => {
  const shapes = (...all: readonly (readonly number[])[]): { type: string; shape: readonly number[] }[] => all.map((shape) => ({ type: 'float', shape }));
  const macs = (op: string, inputs: readonly (readonly number[])[], output: readonly number[], transposed?: boolean): number => macsOf({ op, inputs: shapes(...inputs), outputs: shapes(output) }, transposed);
  expect(macs('Conv', [[1, 8, 4, 4], [16, 4, 3, 3]], [1, 16, 4, 4])).toBe(256 * 36);
  expect(macs('ConvTranspose', [[1, 8, 4, 4], [8, 16, 2, 2]], [1, 16, 8, 8])).toBe(128 * 64);
  expect(macs('Gemm', [[2, 5], [5, 7]], [2, 7])).toBe(70);
  expect(macs('Gemm', [[5, 2], [5, 7]], [2, 7], true)).toBe(70);
  expect(macs('MatMul', [[3, 4, 5], [3, 5, 6]], [3, 4, 6])).toBe(360);
  expect(macs('Relu', [[1]], [1])).toBe(0);
});
