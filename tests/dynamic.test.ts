/** One file with open sizes gives, at every size, what a file compiled for that size gives. */
import { describe, expect, test } from '@jest/globals';
import { compile, Problem, type CompileOptions, type Dynamic } from '../compiler/index.js';
import { examples, numbersFor, type Example, type MapSize } from './examples.js';
import { difference, openModel, runModel, type Numbers } from './graphs.js';

const plainNumbers = (shapes: Fixed['shapes']): Numbers[] => numbersFor(examples[0]!, shapes, 3);

/** Conv picks its kernel, and with it the order of its sums, by size alone; grids are computed or stored. */
const ROUNDING = 1e-6;

const bytes = async (options: CompileOptions): Promise<Uint8Array> => (await compile(options)).model!;

const moduleOptions = ({ module, args, repeats, family }: Example, inputs: readonly MapSize[], dynamic: Dynamic): CompileOptions => ({
  module: { module, args, inputs, family, ...(repeats === undefined ? {} : { repeats }) },
  dynamic,
});

interface Fixed {
  readonly shapes: readonly (readonly number[])[];
  readonly fixed: Uint8Array;
}

async function same(dynamic: Uint8Array, cases: readonly Fixed[], numbers: (shapes: Fixed['shapes']) => Numbers[]): Promise<void> {
  const session = await openModel(dynamic);
  for (const { shapes, fixed } of cases) {
    const inputs = numbers(shapes);
    const [want, got] = [await runModel(fixed, inputs), await session.run(inputs)];
    expect(got.length).toBe(want.length);
    for (const [i, output] of want.entries()) expect(difference(output, got[i]!)).toBeLessThanOrEqual(ROUNDING);
  }
  await session.close();
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** The example's inputs with `u` by `v` cells, where a cell is what the sizes of all maps have in common. */
function resized({ inputs, definition: { operator } }: Example, batch: number, u: number, v: number): MapSize[] {
  if (operator) return operator.shapes.map((names, i) => names.map((name, axis) => (axis === 0 ? batch : (({ height: u, width: v, rows: v, columns: u })[operator.open.includes(String(name)) ? name : ''] ?? inputs[i]![axis]!))));
  const [unitH, unitW] = [2, 3].map((axis) => inputs.map((shape) => shape[axis]!).reduce(greatestCommonDivisor)) as [number, number];
  return inputs.map(([, c, h, w]) => [batch, c!, (h! / unitH) * u, (w! / unitW) * v]);
}

/** Batch 1 to 3, tall and wide, odd where the module takes odd sizes when compiled for them. */
async function casesFor(example: Example, dynamic: Dynamic): Promise<{ shapes: MapSize[]; fixed: Uint8Array }[]> {
  const cases: { shapes: MapSize[]; fixed: Uint8Array }[] = [];
  for (const [batch, u, v] of [[1, 13, 9], [2, 6, 15], [3, 10, 8]] as const) {
    const wanted = dynamic === 'batch' ? example.inputs.map(([, ...rest]): MapSize => [batch, ...rest]) : resized(example, batch, u, v);
    const even = resized(example, batch, Math.ceil(u / 4) * 4, Math.ceil(v / 4) * 4);
    const found = await bytes(moduleOptions(example, wanted, 'none')).then((fixed) => ({ shapes: wanted, fixed })).catch(async (error: unknown) => {
      if (!(error instanceof Problem) || error.code !== 'bad-shape' || !about(example)) throw error;
      return { shapes: even, fixed: await bytes(moduleOptions(example, even, 'none')) };
    });
    cases.push(found);
  }
  return cases;
}

/** Whether the module itself says that it does not take every size. */
const about = ({ definition }: Example): boolean => (definition.constraints ?? []).some((text) => /height|width/.test(text));

describe.each(examples.map((example) => [example.file, example] as const))('%s', (_, example) => {
  test('open batch', async () => {
    await same(await bytes(moduleOptions(example, example.inputs, 'batch')), await casesFor(example, 'batch'), (shapes) => numbersFor(example, shapes, 3));
  });

  test('open batch, height and width', async () => {
    const dynamic = await bytes(moduleOptions(example, example.inputs, 'all')).catch((error: unknown) => error);
    if (dynamic instanceof Uint8Array) return same(dynamic, await casesFor(example, 'all'), (shapes) => numbersFor(example, shapes, 3));
    // Refused in words, and only where the module's own constraints say why.
    expect(dynamic).toMatchObject({ code: 'bad-shape' });
    expect(about(example)).toBe(true);
  });
});

describe.each([['yolov8', 'n'], ['yolov5n', undefined], ['yolov8-seg', 'n'], ['yolov8-pose', 'n'], ['yolov5s_SOCA', undefined], ['yolov5s_C3_DAttention-seg', undefined], ['yolov8-attnconv', 'n']])('%s', (name, scale) => {
  const model = `fixtures/models/${name}.yaml`;
  const common = { model, ...(scale === undefined ? {} : { scale }) };
  // Deformable attention needs two rows and columns of the deepest map, AttnConv whole windows.
  const unit = name === 'yolov8-attnconv' ? 64 : 32;
  const cases = [[1, 2, 2], [2, 3, 2], [3, 2, 5]].map(([batch, rows, columns]) => [batch!, rows! * unit, columns! * unit] as const);

  test('open batch, height and width', async () => {
    const fixed = [];
    for (const [batch, height, width] of cases) fixed.push({ shapes: [[batch, 3, height, width]], fixed: await bytes({ ...common, batch, imgsz: [height, width] }) });
    await same(await bytes({ ...common, dynamic: 'all' }), fixed, plainNumbers);
  });

  test('open batch', async () => {
    const fixed = [];
    for (const [batch] of cases) fixed.push({ shapes: [[batch, 3, 2 * unit, 3 * unit]], fixed: await bytes({ ...common, batch, imgsz: [2 * unit, 3 * unit] }) });
    await same(await bytes({ ...common, imgsz: [2 * unit, 3 * unit], dynamic: 'batch' }), fixed, plainNumbers);
  });
});

test('maps of one input are as large as their examples say in relation to each other, and named apart', async () => {
  const inputs: MapSize[] = [[1, 16, 16, 12], [1, 32, 8, 6], [1, 64, 4, 3]];
  const head = await compile({ module: { module: 'Detect', family: 'ultralytics', args: [80], inputs }, dynamic: 'all' });
  expect(head.inputs.map(({ shape }) => shape)).toEqual([['batch', 16, '4*height/4', '4*width/4'], ['batch', 32, '2*height/4', '2*width/4'], ['batch', 64, 'height/4', 'width/4']]);
  const session = await openModel(head.model!);
  await session.close();
});
