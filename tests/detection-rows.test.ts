/** What the pass detection-rows makes of whole models, for the target deepstream and without it. */
import { describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import { compile, verify, type CompileOptions } from '../compiler/index.js';
import { examples, numbersFor } from './examples.js';
import { difference, openModel, runModel, type Numbers } from './graphs.js';
import { problemOfAsync } from './made-files.js';
import { detectionRows } from './reference.js';

const v8 = { model: 'fixtures/models/yolov8.yaml', scale: 'n', imgsz: [64, 64] } as const satisfies CompileOptions;
const v5 = { model: 'fixtures/models/yolov5n.yaml', imgsz: [64, 64] } as const satisfies CompileOptions;
const deepstream = { target: 'deepstream' } as const;
const golden = 'fixtures/goldens/models/yolov5n.safetensors';

const bytes = async (options: CompileOptions): Promise<Uint8Array> => (await compile(options)).model!;
const images = (batch: number, height = 64, width = 64): Numbers[] => numbersFor(examples[0]!, [[batch, 3, height, width]], 3);

/** Between kernels that onnxruntime picks by the size of a batch, and sums in another order. */
const ROUNDING = 1e-6;

describe.each([['yolov8n', v8, 'scores', 84], ['yolov5n', v5, 'objectness', 252]] as const)('%s', (_, model, layout, anchors) => {
  const variants: readonly [string, CompileOptions][] = [
    ['one image', { dynamic: 'none' }],
    ['a batch of 3', { dynamic: 'none', batch: 3 }],
    ['open batch', {}],
    ['open batch, height and width', { dynamic: 'all' }],
    ['opset 11', { opset: 11 }],
    ['opset 22', { opset: 22 }],
    ['float16', { half: 'compute' }],
    ['one class', { nc: 1 }],
  ];
  test.each(variants)('%s: the rows of what the head gives, bit for bit', async (__, options) => {
    const common = { ...model, ...deepstream, ...options };
    const inputs = images(options.batch ?? (options.dynamic === 'none' ? 1 : 3));
    const [raw] = await runModel(await bytes({ ...common, passes: ['-detection-rows'] }), inputs);
    const [rows, ...more] = await runModel(await bytes(common), inputs);
    expect(more).toEqual([]);
    expect(rows!.shape).toEqual([inputs[0]!.shape[0], anchors, 6]);
    expect(difference(detectionRows(raw!, layout), rows!)).toBe(0);
    // More than one class, and boxes with area.
    expect(new Set(rows!.data.filter((___, i) => i % 6 === 5)).size > 1).toBe(options.nc !== 1);
    expect(rows!.data.some((x2, i) => i % 6 === 2 && x2 > rows!.data[i - 2]!)).toBe(true);
  });

  test('an open batch gives what single images give, other sizes too', async () => {
    const open = await openModel(await bytes({ ...model, ...deepstream, dynamic: 'all' }));
    for (const [batch, height, width] of [[1, 64, 96], [3, 96, 32]] as const) {
      const inputs = images(batch, height, width);
      const [raw] = await runModel(await bytes({ ...model, imgsz: [height, width], batch }), inputs);
      const [rows] = await open.run(inputs);
      expect(difference(detectionRows(raw!, layout), rows!)).toBeLessThanOrEqual(ROUNDING);
    }
    await open.close();
  });

  test('the same without a target, and among other passes', async () => {
    const inputs = images(1);
    const [raw] = await runModel(await bytes(model), inputs);
    const want = detectionRows(raw!, layout);
    for (const passes of [['+detection-rows'], ['detection-rows']]) {
      const [rows] = await runModel(await bytes({ ...model, passes }), inputs);
      expect(difference(want, rows!)).toBeLessThanOrEqual(ROUNDING);
    }
    const others = ['+winograd', '+split-convs', '+distribute-convs', '+upsample-later'];
    const [head] = await runModel(await bytes({ ...model, passes: others }), inputs);
    const [rows] = await runModel(await bytes({ ...model, passes: [...others, '+detection-rows'] }), inputs);
    expect(difference(detectionRows(head!, layout), rows!)).toBe(0);
  });

  test('names, sizes and layout are those that the parser expects, and the metadata says no other', async () => {
    const { model: file, inputs, outputs } = await compile({ ...model, ...deepstream });
    expect(inputs).toEqual([{ name: 'input', dtype: 'float32', shape: ['batch', 3, 64, 64] }]);
    expect(outputs).toEqual([{ name: 'output', dtype: 'float32', shape: ['batch', anchors, 6] }]);
    const { graph, metadataProps } = onnxProto.onnx.ModelProto.decode(file!);
    expect(graph!.input!.map(({ name }) => name)).toEqual(['input']);
    const [output] = graph!.output!;
    expect(output).toMatchObject({ name: 'output', docString: expect.stringMatching(/^\[batch, anchors, 6\]: x1, y1, x2, y2 in pixels/) });
    const metadata = new Map(metadataProps.map(({ key, value }) => [key, value]));
    expect([metadata.get('output'), metadata.get('task'), metadata.get('head'), metadata.get('end2end')]).toEqual([output!.docString, 'detect', undefined, undefined]);
  });
});

describe('refused in words', () => {
  const seg = { model: 'fixtures/models/yolov8-seg.yaml', scale: 'n', imgsz: [64, 64] } as const satisfies CompileOptions;
  test.each<[string, CompileOptions, string, RegExp]>([
    ['masks', { ...seg, ...deepstream }, 'bad-target', /^the target deepstream wants the pass detection-rows, which takes detection models, .* not output0 \[batch, 4 \+ nc \+ masks, anchors\] and output1 \[batch, masks, mask_height, mask_width\]$/],
    ['masks, without a target', { ...seg, passes: ['+detection-rows'] }, 'bad-option', /^the pass detection-rows takes detection models, /],
    ['keypoints', { ...seg, model: 'fixtures/models/yolov8-pose.yaml', ...deepstream }, 'bad-target', /not output0 \[batch, 4 \+ nc \+ keypoints, anchors\]$/],
    ['a module alone', { ...deepstream, module: { module: 'SE', args: '[64]', inputs: [[1, 64, 8, 8]] } }, 'bad-target', /not y$/],
    ['float16 outputs', { ...v5, ...deepstream, half: 'io' }, 'bad-target', /gives its output in float32, and --half-io asks for float16/],
    ['goldens', { ...v5, ...deepstream, verify: [golden] }, 'bad-option', /^the target deepstream wants the pass detection-rows, which changes the outputs: they cannot be compared/],
    ['goldens, without a target', { ...v5, passes: ['+detection-rows'], verify: [golden] }, 'bad-option', /^the pass detection-rows changes the outputs/],
  ])('%s', async (_, options, code, message) => {
    const problem = await problemOfAsync(compile(options));
    expect([problem.code, problem.exitCode]).toEqual([code, 2]);
    expect(problem.message).toMatch(message);
    expect(problem.help).toMatch(/--passes=-detection-rows/);
  });

  test('and `verify` says it once, before it compiles', async () => {
    const problem = await problemOfAsync(verify({ goldens: [golden], ...deepstream }));
    expect([problem.code, problem.message]).toEqual(['bad-option', expect.stringContaining('cannot be compared')]);
    const report = await verify({ goldens: [golden], ...deepstream, passes: ['-detection-rows'], provider: 'cpu' });
    expect(report).toMatchObject({ passed: 1, failed: 0 });
  });
});
