import { describe, expect, test } from '@jest/globals';
import { boundOf, divide } from '../compiler/golden-bounds.js';
import { goldenWeights, parseGolden, type Golden } from '../compiler/golden.js';
import { seededWeights } from '../compiler/weights/seeded.js';
import { f32, memorySource, modelMetadata, moduleGolden, moduleMetadata, problemOf, safetensors, withHeader, type MadeTensor } from './made-files.js';

const zeros = (shape: readonly number[]): MadeTensor => f32(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0));

function model(outputs: Readonly<Record<string, readonly number[]>>, more: Readonly<Record<string, string>> = {}): Golden {
  const tensors = Object.fromEntries(Object.entries(outputs).map(([name, shape]) => [`output.${name}`, zeros(shape)]));
  return parseGolden(memorySource(safetensors({ 'input.x': zeros([1, 3, 32, 64]), ...tensors }, { ...modelMetadata, ...more })));
}

/** Each part's name, how many of a box's values it has, and its bound where the largest wanted number is 10. */
function bounds(golden: Golden, output = 0, arithmetic: 'float32' | 'cuda-tf32' = 'float32'): [string, number, number][] {
  const { parts, partOf } = divide(golden, golden.outputs[output]!);
  return parts.map((part, i) => [part.name, partOf.filter((p) => p === i).length, boundOf(part, 10, arithmetic, {})]);
}

describe('reading goldens', () => {
  test('a module', () => {
    const golden = parseGolden(moduleGolden([0, 1, 2, 3, 4, 5, 6, 7], { args: '[64, [16, 16], true, null]', n: '2', seed: '7' }));
    expect(golden).toMatchObject({ kind: 'module', case: 'Made__one', module: 'Made', args: [64, [16, 16], true, null], n: 2, seed: 7, gain: 5, op: false, weights: { from: 'seed' } });
    expect([...golden.inputs[0]!.read()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('a model', () => {
    const golden = model({ proto: [1, 2, 8, 16], pred: [1, 5, 9] }, { scale: 'n', family: 'ultralytics', names: '{"1": "b", "0": "a"}', checkpoint: 'a.pt', weights: 'checkpoint', kind: 'checkpoint' });
    expect(golden).toMatchObject({ kind: 'checkpoint', scale: 'n', family: 'ultralytics', imgsz: [32, 64], batch: 1, valuesAxis: 2, names: ['a', 'b'], weights: { from: 'checkpoint', file: 'a.pt' } });
    expect(golden.outputs.map(({ name }) => name)).toEqual(['pred', 'proto']);
    expect(model({ pred: [1, 7, 5] })).toMatchObject({ scale: undefined, names: undefined });
  });

  test('inputs come in the order of the forward call, not of the header', () => {
    const tensors = { 'input.grid': zeros([1, 4, 4, 2]), 'input.x': zeros([1, 3, 4, 4]), 'output.y': zeros([1]) };
    const metadata = { ...moduleMetadata, seed: '-', op: 'true', input_shapes: '{"x": [1, 3, 4, 4], "grid": [1, 4, 4, 2]}' };
    expect(parseGolden(memorySource(safetensors(tensors, metadata))).inputs.map(({ name }) => name)).toEqual(['x', 'grid']);
    const numbered = { 'input.x10': zeros([1]), 'input.x2': zeros([1]), 'output.y': zeros([1]) };
    expect(parseGolden(memorySource(safetensors(numbered, { ...moduleMetadata, input_shapes: '{}' }))).inputs.map(({ name }) => name)).toEqual(['x2', 'x10']);
  });

  test('weights from the seed or the golden itself', () => {
    const source = memorySource(safetensors({ 'input.x': zeros([1, 2, 2, 2]), 'output.y': zeros([1]), 'param.w': f32([1], [3]) }, { ...moduleMetadata, weights: 'embedded' }));
    const values = new Float32Array(1);
    goldenWeights(parseGolden(source), source).tensor('w', [1])(values, 0);
    expect([...values]).toEqual([3]);
    const seeded = new Float32Array(1);
    goldenWeights(model({ pred: [1, 1, 7] }), source).tensor('w', [1])(seeded, 0);
    seededWeights({ seed: 0, gain: 5 }).tensor('w', [1])(values, 0);
    expect(seeded).toEqual(values);
  });

  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['another format', { format: 'golden/2' }, /format golden\/2, golden\/1 is needed/],
    ['an unknown kind', { kind: 'layer' }, /kind: must be module or model or checkpoint, is layer/],
    ['no module', { module: '' }, /module: is missing/],
    ['args that are no JSON', { args: '[1,' }, /args: must be JSON/],
    ['args that are no list', { args: '{}' }, /args: must be a JSON list/],
    ['a seed that is no number', { seed: 'x' }, /seed: must be a number/],
    ['a fractional seed', { seed: '0.5' }, /seed: must be an integer/],
    ['an infinite error', { f32_error: 'Infinity' }, /f32_error: must be a number/],
    ['errors that are no numbers', { f32_error_by_output: '{"y": null}' }, /f32_error_by_output: must be a number/],
    ['a shape that the tensor does not have', { input_shapes: '{"x": [1, 2, 2, 3]}' }, /says x is \[1, 2, 2, 3\]/],
    ['an input that is not there', { input_shapes: '{"x": [1, 2, 2, 2], "z": [1]}' }, /no tensor input\.z/],
    ['unknown weights', { weights: 'random' }, /weights: must be/],
    ['a checkpoint elsewhere', { weights: 'checkpoint', checkpoint: '../secret.pt' }, /must name a file beside the golden/],
    ['an absolute checkpoint', { weights: 'checkpoint', checkpoint: '/etc/passwd' }, /must name a file beside the golden/],
    ['a flag that is none', { end2end: 'maybe' }, /end2end: must be true or false/],
  ])('refuses %s', (_, metadata, message) => {
    const problem = problemOf(() => parseGolden(moduleGolden([0, 0, 0, 0, 0, 0, 0, 0], metadata)));
    expect(problem.code).toBe('bad-golden');
    expect(problem.message).toContain('made.safetensors');
    expect(problem.message).toMatch(message);
  });

  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['an unknown family', { family: 'yolov3' }, /family: must be/],
    ['no yaml', { yaml: '' }, /yaml: is missing/],
    ['an image of one size', { imgsz: '[640]' }, /imgsz: must be a list of two/],
    ['an unknown axis', { boxes_axis: '2' }, /boxes_axis: must be/],
    ['class names that are numbers', { names: '[1, 2]' }, /names: must be class names/],
  ])('refuses a model with %s', (_, metadata, message) => {
    expect(problemOf(() => model({ pred: [1, 2, 7] }, metadata)).message).toMatch(message);
  });

  test('refuses predictions without room for boxes, files without tensors, and other safetensors files', () => {
    expect(problemOf(() => model({ pred: [1, 2, 3] })).message).toMatch(/at least 4 values/);
    expect(problemOf(() => model({ y: [1] })).message).toMatch(/output\.pred/);
    expect(problemOf(() => parseGolden(memorySource(safetensors({}, moduleMetadata)))).message).toMatch(/no tensor input\.x/);
    expect(problemOf(() => parseGolden(memorySource(safetensors({ a: f32([1], [1]) })))).message).toMatch(/not a golden: its metadata has no format/);
    expect(problemOf(() => parseGolden(memorySource(withHeader('{')))).code).toBe('bad-golden');
  });

  test('refuses reference numbers that nothing can be compared with', () => {
    const golden = parseGolden(moduleGolden([0, 0, NaN, 0, 0, 0, 0, 0]));
    expect(problemOf(() => golden.outputs[0]!.read()).message).toMatch(/output\.y: holds NaN/);
  });
});

describe('bounds', () => {
  test('a module: relative to the largest number, never below 20 times the float32 error', () => {
    expect(bounds(parseGolden(moduleGolden([0, 0, 0, 0, 0, 0, 0, 0])))).toEqual([['y', 1, 1e-4]]);
    expect(bounds(parseGolden(moduleGolden([0, 0, 0, 0, 0, 0, 0, 0], { f32_error: '1e-5' })))[0]![2]).toBeCloseTo(2e-4, 10);
    const golden = parseGolden(moduleGolden([0, 0, 0, 0, 0, 0, 0, 0]));
    const [part] = divide(golden, golden.outputs[0]!).parts;
    expect(boundOf(part!, 0.1, 'float32', {})).toBe(1e-5);
  });

  test('detection: pixels and probabilities', () => {
    expect(bounds(model({ pred: [1, 5, 7] }))).toEqual([['pred[boxes]', 4, 2e-3], ['pred[scores]', 3, 5e-6]]);
    expect(bounds(model({ pred: [1, 6, 5] }, { boxes_axis: '1', family: 'ultralytics' }))).toEqual([['pred[boxes]', 4, 2e-3], ['pred[scores]', 2, 5e-6]]);
  });

  test("boxes take 20 times their own error; scores do not take the boxes'", () => {
    const golden = model({ pred: [1, 5, 7] }, { f32_error_by_output: '{}', f32_error: '1e-3' });
    expect(bounds(golden)).toEqual([['pred[boxes]', 4, 0.02], ['pred[scores]', 3, 5e-6]]);
  });

  test('segmentation: mask coefficients by the number of prototypes', () => {
    const golden = model({ pred: [1, 5, 11], proto: [1, 4, 8, 16] }, { head: 'Segment' });
    expect(bounds(golden)).toEqual([['pred[boxes]', 4, 2e-3], ['pred[scores]', 3, 5e-6], ['pred[coefficients]', 4, 5e-4]]);
    expect(bounds(golden, 1)).toEqual([['proto', 1, 5e-4]]);
  });

  test('pose: keypoints are pixels, their visibility a probability; the error of the rest is then one of pixels', () => {
    const golden = model({ pred: [1, 5 + 6, 9] }, { head: 'Pose', family: 'ultralytics', boxes_axis: '1', yaml: 'nc: 1\nkpt_shape: [2, 3]\n', f32_error_by_output: '{"pred[rest]": "1e-3"}' });
    expect(bounds(golden)).toEqual([['pred[boxes]', 4 + 4, 0.02], ['pred[scores]', 1 + 2, 5e-6]]);
  });

  test('oriented boxes: the angle comes last; rows of a top-k: the class is exact', () => {
    expect(bounds(model({ pred: [1, 4 + 2 + 1, 9] }, { head: 'OBB', boxes_axis: '1' }))).toEqual([['pred[boxes]', 4, 2e-3], ['pred[scores]', 2, 5e-6], ['pred[coefficients]', 1, 5e-4]]);
    expect(bounds(model({ pred: [1, 300, 6] }, { end2end: 'true' }))).toEqual([['pred[boxes]', 4, 2e-3], ['pred[scores]', 1, 5e-6], ['pred[classes]', 1, 0]]);
  });

  test('a classifier gives probabilities', () => {
    const tensors = { 'input.x': zeros([1, 3, 32, 64]), 'output.pred': zeros([1, 7]) };
    const metadata = Object.entries({ ...modelMetadata, head: 'Classify', f32_error_by_output: '{}' }).filter(([key]) => key !== 'boxes_axis');
    expect(bounds(parseGolden(memorySource(safetensors(tensors, Object.fromEntries(metadata)))))).toEqual([['pred', 1, 5e-6]]);
  });

  test('TF32 needs looser bounds; the user may set any', () => {
    expect(bounds(model({ pred: [1, 5, 7] }), 0, 'cuda-tf32')).toEqual([['pred[boxes]', 4, 1], ['pred[scores]', 3, 1e-2]]);
    const [part] = divide(model({ pred: [1, 5, 7] }), { name: 'pred', shape: [1, 5, 7], read: () => new Float32Array(0) }).parts;
    expect(boundOf(part!, 10, 'cuda-tf32', { atol: 1e-9 })).toBe(1e-9);
    expect(boundOf(part!, 10, 'float32', { rtol: 1e-3, atol: 0.5 })).toBeCloseTo(0.51, 12);
  });
});
