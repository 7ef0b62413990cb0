/** `yolonnx diff`: files of other exporters, our own in several forms, and files altered on purpose. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import { compile, diff, type CompileOptions, type DiffReport, type LayersDiff } from '../compiler/index.js';
import { groupsWithin } from '../compiler/inspect/diff-layers.js';
import { tensorDiff, type DiffBounds } from '../compiler/inspect/diff-numbers.js';
import { runIn } from './command-line.js';
import { f32, moduleMetadata, onnxModel, problemOfAsync, safetensors } from './made-files.js';

const { onnx } = onnxProto;
const exports = resolve('fixtures/exports');
const [torchScript, dynamo] = [`${exports}/layered-torchscript.onnx`, `${exports}/layered-dynamo.onnx`];

let folder = '';
const at = (name: string): string => join(folder, name);
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-diff-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Proto = InstanceType<typeof onnx.ModelProto>;

/** The bytes of a file after a change. */
function altered(file: string, change: (model: Proto) => void): Uint8Array {
  const model = onnx.ModelProto.decode(readFileSync(file));
  change(model);
  return onnx.ModelProto.encode(model).finish();
}

/** Adds to the first number of a float32 initializer. */
function nudge(model: Proto, name: string, by: number): void {
  const tensor = model.graph!.initializer!.find((each) => each.name === name)!;
  const raw = Uint8Array.from(tensor.rawData!);
  const view = new DataView(raw.buffer);
  view.setFloat32(0, view.getFloat32(0, true) + by, true);
  tensor.rawData = raw;
}

const layersOf = ({ numbers }: DiffReport): LayersDiff => numbers!.layers as LayersDiff;
const cpu = { provider: 'cpu' } as const;

interface MadeNode {
  readonly op: string;
  readonly name: string;
  readonly from: readonly string[];
  readonly to: string;
}

/** Chains of float32 [1, 4] operators; `w…` are initializers. */
function made(nodes: readonly MadeNode[], weights: Readonly<Record<string, readonly number[]>> = {}, outputs: readonly string[] = ['y']): Uint8Array {
  const value = (name: string): object => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }, { dimValue: 4 }] } } } });
  const graph = {
    name: 'made',
    node: nodes.map(({ op, name, from, to }) => ({ opType: op, name, input: [...from], output: [to] })),
    initializer: Object.entries(weights).map(([name, values]) => ({ name, dataType: 1, dims: [1, 4], floatData: [...values] })),
    input: [value('x')],
    output: outputs.map(value),
  };
  return onnx.ModelProto.encode(onnx.ModelProto.fromObject({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph })).finish();
}

describe('PyTorch’s exporters', () => {
  test('TorchScript and dynamo: other names, the same layers and numbers', async () => {
    const report = await diff({ a: torchScript, b: dynamo, ...cpu });
    expect(report.ok).toBe(true);
    expect(report.structure.header.map(({ field }) => field)).toEqual(['producer', 'opset', 'IR version']);
    expect(report.structure.operators).toContainEqual({ op: 'Slice', a: 2, b: 0 });
    const { weights, layers } = report.structure;
    expect([weights.renamed.length, weights.onlyA, weights.onlyB]).toEqual([16, [], []]);
    expect(Math.max(...weights.different.map(({ maxRel }) => maxRel))).toBeLessThan(1e-6);
    expect(layers.map(({ layer, a, b }) => [layer, a!.parameters === b!.parameters])).toEqual([0, 1, 2, 3].map((i) => [`model.${i}`, true]));
    expect(layersOf(report)).toMatchObject({ unmatched: [], compared: [0, 1, 2, 3].map((i) => ({ layer: `model.${i}`, ok: true })) });
    expect(report.numbers!.inputs).toEqual([{ name: 'images', shape: [1, 3, 32, 32] }]);
  });

  test('an altered weight is found, and the layer where they part', async () => {
    const report = await diff({ a: torchScript, b: altered(dynamo, (model) => nudge(model, 'model.2.conv.weight', 0.5)), ...cpu });
    expect(report.ok).toBe(false);
    const [first, second] = report.structure.weights.different;
    expect(first).toMatchObject({ inB: 'model.2.conv.weight', layer: 'model.2', shape: [16, 8, 3, 3], maxAbs: expect.closeTo(0.5, 5) });
    expect(second!.maxRel).toBeLessThan(1e-6);
    expect(layersOf(report).parting).toEqual({ layer: 'model.2', before: 'model.1' });
    expect(report.numbers!.outputs[0]).toMatchObject({ a: 'y', b: 'y', ok: false });
  });

  test('a module alone next to ours', async () => {
    const { model } = await compile({ module: { module: 'C2f', args: '[16, true]', inputs: [[1, 16, 8, 8]], family: 'ultralytics' }, weights: `${exports}/c2f.safetensors` });
    const report = await diff({ a: `${exports}/c2f-torchscript.onnx`, b: model!, ...cpu });
    expect(report.ok).toBe(true);
    expect(report.structure.weights.renamed).toContainEqual({ a: 'onnx::Conv_58', b: 'cv1.conv.weight' });
    expect(layersOf(report).compared.map(({ layer, ok }) => [layer, ok])).toEqual([['cv1', true], ['', true], ['m', true], ['cv2', true]]);
  });
});

describe('our own files', () => {
  const checkpoint = resolve('fixtures/checkpoints/yolov8u-last.pt');
  const put = async (name: string, options: CompileOptions = {}): Promise<string> => {
    await compile({ model: checkpoint, imgsz: [64, 64], output: at(name), ...options });
    return at(name);
  };

  test.each([
    ['no passes', { passes: [] }],
    ['another opset', { opset: 13 }],
    ['external data', { externalData: 'always' }],
    ['float16', { half: 'compute' }],
    ['float16 in and out', { half: 'io' }],
    ['open sizes', { dynamic: 'all' }],
  ] as const)('%s: the numbers agree', async (name, options) => {
    const a = await put('plain.onnx');
    const report = await diff({ a, b: await put(`${name}.onnx`, options), ...cpu });
    expect(report.ok).toBe(true);
    expect(layersOf(report).parting).toBeUndefined();
    expect(layersOf(report).compared.length).toBeGreaterThan(7);
  });

  test('float16 weights are the float32 ones, rounded', async () => {
    const { weights } = (await diff({ a: await put('plain.onnx'), b: await put('half.onnx', { half: 'compute' }), run: false })).structure;
    expect(weights.rounded).toBeGreaterThan(20);
    expect(weights).toMatchObject({ equal: weights.a, different: [], onlyA: [], onlyB: [] });
  });

  test('BatchNorms that stand by themselves', async () => {
    await put('plain.onnx');
    await put('unfolded.onnx', { passes: [] });
    const { code, out } = runIn(folder, ['diff', 'unfolded.onnx', 'plain.onnx', '--no-run']);
    expect(code).toBe(0);
    expect(out).toMatch(/differ: BatchNorms are folded into the weights of b, and stand by themselves in a/);
  });
});

describe('layers', () => {
  const chain = (first: string, second: string): Uint8Array =>
    made([
      { op: first, name: 'model.0/act', from: ['x'], to: 'h0' },
      { op: second, name: 'model.1/act', from: ['h0'], to: 'h1' },
      { op: 'Mul', name: 'model.2/Mul', from: ['h1', 'w'], to: 'y' },
    ], { w: [1, 2, 3, 4] });

  test('swapped ones', async () => {
    const report = await diff({ a: chain('Exp', 'Sigmoid'), b: chain('Sigmoid', 'Exp'), ...cpu });
    expect(report.structure.operators).toEqual([{ op: 'Exp', a: 1, b: 1 }, { op: 'Mul', a: 1, b: 1 }, { op: 'Sigmoid', a: 1, b: 1 }]);
    expect(layersOf(report).parting).toEqual({ layer: 'model.0' });
  });

  test('one that differs, though its readers agree, is no parting', async () => {
    // Sqrt(x²) in another place: the value between the layers is another one.
    const early = made([{ op: 'Exp', name: 'model.0/Exp', from: ['x'], to: 'e' }, { op: 'Neg', name: 'model.0/Neg', from: ['e'], to: 'h' }, { op: 'Relu', name: 'model.1/Relu', from: ['h'], to: 'g' }, { op: 'Add', name: 'model.1/Add', from: ['g', 'w'], to: 'y' }], { w: [1, 1, 1, 1] });
    const late = made([{ op: 'Exp', name: 'model.0/Exp', from: ['x'], to: 'h' }, { op: 'Neg', name: 'model.1/Neg', from: ['h'], to: 'n' }, { op: 'Relu', name: 'model.1/Relu', from: ['n'], to: 'g' }, { op: 'Add', name: 'model.1/Add', from: ['g', 'w'], to: 'y' }], { w: [1, 1, 1, 1] });
    const report = await diff({ a: early, b: late, ...cpu });
    expect(report.ok).toBe(true);
    expect(layersOf(report)).toMatchObject({ compared: [{ layer: 'model.0', ok: false, rejoins: true }, { layer: 'model.1', ok: true }] });
    expect(layersOf(report).parting).toBeUndefined();
  });

  test('results are held in groups', () => {
    const layers = [5, 5, 20, 1, 1].map((bytes, i) => ({ layer: `model.${i}`, shapes: [], bytes }));
    expect(groupsWithin(10, layers).map((group) => group.map(({ layer }) => layer))).toEqual([['model.0', 'model.1'], ['model.2'], ['model.3', 'model.4']]);
  });
});

describe('numbers', () => {
  const bounds: DiffBounds = { a: 'float32', b: 'float32', tolerance: {} };
  const row = (values: readonly number[], shape: readonly number[] = [values.length]): { data: Float32Array; shape: readonly number[] } => ({ data: Float32Array.from(values), shape });

  test('NaN and infinities at one place are equal, and told', () => {
    expect(tensorDiff(row([NaN, 1, Infinity]), row([NaN, 1, Infinity]), bounds)).toMatchObject({ ok: true, maxAbs: 0, notFinite: { a: 2, b: 2 }, sameNotFinite: 2 });
    expect(tensorDiff(row([1, Infinity]), row([NaN, -Infinity]), bounds)).toMatchObject({ ok: false, maxAbs: Infinity, notFinite: { a: 1, b: 2 } });
    expect(tensorDiff(row([0]), row([-0]), bounds)).toMatchObject({ ok: true, maxAbs: 0, cosine: 1 });
  });

  test('boxes and scores are measured on their own', () => {
    const a = [600, 600, 600, 600, 0.5, 0.5, 0.5, 0.5];
    const b = [600.004, 600, 600, 600, 0.5, 0.504, 0.5, 0.5];
    expect(tensorDiff(row(a, [1, 2, 4]), row(b, [1, 2, 4]), bounds)).toMatchObject({ ok: false, worst: { at: [0, 1, 1], bound: expect.closeTo(2e-5, 9) } });
    expect(tensorDiff(row(a, [1, 2, 4]), row([...b.slice(0, 4), ...a.slice(4)], [1, 2, 4]), bounds).ok).toBe(true);
  });

  test('NaN in outputs is traced to its node', async () => {
    const log = made([{ op: 'Neg', name: 'model.0/Neg', from: ['x'], to: 'h' }, { op: 'Log', name: 'model.1/Log', from: ['h'], to: 'y' }]);
    const report = await diff({ a: log, b: log, ...cpu });
    expect(report.ok).toBe(true);
    expect(report.numbers).toMatchObject({ outputs: [{ ok: true, difference: { sameNotFinite: 4 } }], origins: { a: { node: 'model.1/Log', kind: 'NaN' }, b: { layer: 'model.1' } } });
  });

  test('outputs that only one has, or of other shapes', async () => {
    const nodes = [{ op: 'Exp', name: 'e', from: ['x'], to: 'y' }, { op: 'Neg', name: 'n', from: ['x'], to: 'z' }];
    const report = await diff({ a: made(nodes), b: made(nodes, {}, ['y', 'z']), ...cpu });
    expect(report).toMatchObject({ ok: false, numbers: { outputs: [{ ok: true }, { b: 'z', ok: false, message: 'only b has this output' }] } });
  });

  test('--atol and --rtol', async () => {
    const of = (w: number): Uint8Array => made([{ op: 'Mul', name: 'm', from: ['x', 'w'], to: 'y' }], { w: [1, 1, 1, w] });
    expect((await diff({ a: of(1), b: of(1.01), ...cpu })).ok).toBe(false);
    expect((await diff({ a: of(1), b: of(1.01), atol: 0.02, ...cpu })).ok).toBe(true);
    expect((await problemOfAsync(diff({ a: of(1), b: of(1), atol: -1 }))).code).toBe('bad-option');
  });

  test('a golden’s inputs, and both next to its outputs', async () => {
    const inputs = [0, 1, 2, 3, 4, 5, 6, 7];
    writeFileSync(at('made.safetensors'), safetensors({ 'input.x': f32([1, 2, 2, 2], inputs), 'output.y': f32([1, 2, 2, 2], inputs) }, moduleMetadata));
    const golden = at('made.safetensors');
    const report = await diff({ a: onnxModel(), b: onnxModel({ op: 'Neg' }), golden, ...cpu });
    expect(report).toMatchObject({ ok: false, numbers: { golden: { a: { ok: true }, b: { ok: false } }, outputs: [{ ok: false, difference: { maxAbs: 14 } }] } });
    expect((await diff({ a: onnxModel(), b: onnxModel({ op: 'Abs' }), golden, ...cpu })).ok).toBe(true);
    expect((await problemOfAsync(diff({ a: onnxModel(), b: onnxModel(), golden, inputs: [[1, 2, 2, 2]] }))).code).toBe('bad-option');
  });
});

describe('files that cannot be compared', () => {
  test('inputs of other sizes: the structure is told, the numbers differ', async () => {
    const report = await diff({ a: onnxModel(), b: onnxModel({ dims: [1, 2, 4, 4] }), ...cpu });
    expect(report).toMatchObject({ ok: false, numbers: { reason: expect.stringContaining('a takes x as float32 [1, 2, 2, 2], b x as float32 [1, 2, 4, 4]'), outputs: [] } });
  });

  test('open sizes are those of the other file, or given', async () => {
    const open = onnxModel({ dims: ['n', 2, 'h', 'w'] });
    expect((await diff({ a: open, b: onnxModel(), ...cpu })).numbers!.inputs[0]!.shape).toEqual([1, 2, 2, 2]);
    expect((await diff({ a: open, b: open, inputs: [[2, 2, 3, 5]], ...cpu })).numbers!.inputs[0]!.shape).toEqual([2, 2, 3, 5]);
    expect((await problemOfAsync(diff({ a: open, b: onnxModel(), inputs: [[1, 2, 3, 5]], ...cpu }))).message).toBe('--input 1x2x3x5 does not fit x as float32 [1, 2, 2, 2]');
    expect((await problemOfAsync(diff({ a: onnxModel({ dims: [1, 'n'] }), b: onnxModel({ dims: [1, 'n'] }), ...cpu }))).help).toContain('--input');
  });

  test('inputs of integers', async () => {
    const integers = onnxModel({ op: 'Neg', elemType: 7 });
    expect(await problemOfAsync(diff({ a: integers, b: integers }))).toMatchObject({ code: 'bad-model', help: expect.stringContaining('--no-run') });
    expect((await diff({ a: integers, b: integers, run: false })).ok).toBe(true);
  });

  test('an operator that the runtime lacks', async () => {
    writeFileSync(at('lacks.onnx'), onnxModel({ op: 'NoSuch', domain: 'mine' }));
    expect(await problemOfAsync(diff({ a: onnxModel(), b: at('lacks.onnx'), ...cpu }))).toMatchObject({ code: 'bad-model', message: expect.stringMatching(/lacks\.onnx: onnxruntime cannot load the model/) });
  });

  test.each([
    ['missing', undefined, /error\[unreadable\]: cannot read missing\.onnx/],
    ['text', Buffer.from('model'), /error\[bad-model\]: text\.onnx is no ONNX model/],
    ['cut', readFileSync(torchScript).subarray(0, 9000), /error\[bad-model\]: cut\.onnx/],
  ])('%s', (name, bytes, message) => {
    if (bytes) writeFileSync(at(`${name}.onnx`), bytes);
    const { code, out, err } = runIn(folder, ['diff', torchScript, `${name}.onnx`]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });
});

describe('the command line', () => {
  test('a file and itself: short, exit code 0', () => {
    const { code, out } = runIn(folder, ['diff', dynamo, dynamo, '--provider', 'cpu']);
    expect(code).toBe(0);
    const lines = out.split('\n');
    for (const line of ['header and metadata: equal', 'inputs and outputs: equal (1 and 1)', 'operators: equal (29 nodes)', 'weights: 16 of 16 equal', 'layers: equal (4)', 'numbers of layers: 4 of 4 agree, number for number', 'the numbers agree']) expect(lines).toContain(line);
    expect(lines.length).toBeLessThan(20);
  });

  test('numbers that differ: exit code 1, where and how much', () => {
    writeFileSync(at('nudged.onnx'), altered(dynamo, (model) => nudge(model, 'model.1.m.0.cv1.conv.weight', 0.5)));
    const { code, out } = runIn(folder, ['diff', dynamo, 'nudged.onnx', '--provider', 'cpu']);
    expect(code).toBe(1);
    expect(out).toMatch(/│ model\.1\.m\.0\.cv1\.conv\.weight +│ 1 +│ \[4, 4, 3, 3\] +│ +5\.0e-1 │/);
    expect(out).toMatch(/THEY PART at layer 1: silu_4 and silu_4 differ by .* of the largest, .* times the bound; layer 0 before it agrees within 0/);
    expect(out).toMatch(/^the numbers DIFFER$/m);
    const { code: again, out: json } = runIn(folder, ['diff', dynamo, 'nudged.onnx', '--provider', 'cpu', '--json']);
    expect(again).toBe(1);
    expect(layersOf(JSON.parse(json) as DiffReport).parting).toEqual({ layer: 'model.1', before: 'model.0' });
    expect(runIn(folder, ['diff', dynamo, 'nudged.onnx', '--no-run']).code).toBe(0);
  });

  test('opaque operators run as their twins', () => {
    const args = ['compile', '--module', 'SOCA', '--args', '[16, 8]', '--input', '1x16x8x8', '-q'];
    expect(runIn(folder, [...args, '-o', 'inline.onnx']).code).toBe(0);
    expect(runIn(folder, [...args, '--custom-ops', 'opaque', '-o', 'opaque.onnx']).code).toBe(0);
    expect(runIn(folder, [...args, '--custom-ops', 'function', '-o', 'function.onnx']).code).toBe(0);
    const { code, err } = runIn(folder, ['diff', 'inline.onnx', 'opaque.onnx', '--provider', 'cpu']);
    expect([code, err]).toEqual([0, expect.stringContaining('the function twins of these opaque operators are run')]);
    expect(runIn(folder, ['diff', 'function.onnx', 'opaque.onnx', '--provider', 'cpu']).code).toBe(0);
  });
});
