import { describe, expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { verify, type CaseResult, type VerifyFilesOptions, type VerifyReport } from '../compiler/index.js';

const root = 'fixtures/goldens';
const [modules, models] = [`${root}/modules`, `${root}/models`];
const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());

/** Cases that fail, with how far they are off. */
const failures = ({ cases }: VerifyReport): string[] =>
  cases.filter(({ ok, error }) => !ok && !isFixed(error)).map(({ case: name, error, outputs }) => `${name}: ${error?.message ?? outputs.map(({ maxAbs, bound }) => `${maxAbs} > ${bound}`).join(', ')}`);

/** A learnt table of fixed size, which is the one reason not to leave sizes open. */
const isFixed = (error: CaseResult['error']): boolean => error?.code === 'bad-shape' && error.message.endsWith('height and width cannot stay open');

/** Every golden under a folder, compiled as told, within its own bound on the CPU. */
async function pass(folder: string, options: Partial<VerifyFilesOptions> = {}): Promise<void> {
  const report = await verify({ goldens: [folder], provider: 'cpu', ...options });
  expect(failures(report)).toEqual([]);
  expect(report.cases.filter(({ error }) => isFixed(error)).map(({ case: name }) => name).sort()).toEqual(options.dynamic === 'all' ? fixedTables(folder) : []);
  expect(report.cases.length).toBe(readdirSync(folder).length);
  expect(report.provider).toEqual({ requested: 'cpu', ran: ['CPUExecutionProvider'], nodes: { CPUExecutionProvider: expect.any(Number) } });
}

/** Deformable attention with `fixed_pe` (and not the convolution, which goes first). */
const fixedTables = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith("DAttention__fixed")).map((name) => name.replace('.safetensors', '')).sort();

test('every file here is a golden of a folder that is run', () => {
  expect(files.filter(({ name, parentPath }) => !name.endsWith('.safetensors') || ![modules, models].includes(parentPath)).map(({ name }) => name)).toEqual([]);
  expect(files.length).toBeGreaterThan(0);
});

describe('modules', () => {
  test('as compiled by default', () => pass(modules));
  test('without passes', () => pass(modules, { passes: [] }));
  test.each([11, 13, 16, 18, 20, 22])('opset %d', (opset) => pass(modules, { opset }));
  test.each(['batch', 'all'] as const)('open sizes: %s', (dynamic) => pass(modules, { dynamic }));
  test.each([11, 13])('open sizes at opset %d', (opset) => pass(modules, { opset, dynamic: 'all' }));
  test('run as written, without the optimizer of onnxruntime', () => pass(modules, { graphOptimizationLevel: 'disabled' }));
  test('half precision', () => pass(modules, { half: 'compute' }));
  test('half precision of inputs and outputs too', async () => {
    const report = await verify({ goldens: [modules], provider: 'cpu', half: 'io' });
    // Numbers of 1e6 and 1e-6 are none in float16.
    expect(failures(report).filter((failure) => !failure.includes('__scale1e'))).toEqual([]);
  });
  test.each([11, 17, 20])('functions at opset %d', (opset) => pass(modules, { opset, customOps: { form: 'function' } }));
  test.each([11, 17])('opaque at opset %d: the function twins', async (opset) => {
    const notes: string[] = [];
    await pass(modules, { opset, customOps: { form: 'opaque' }, onNote: (note) => notes.push(note) });
    expect(notes.join()).toMatch(/yolonnx::Covpool.*yolonnx::Sqrtm.*function twins/);
  });
});

describe('whole models', () => {
  test('as compiled by default', () => pass(models));
  test('without passes, at the lowest opset', () => pass(models, { passes: [], opset: 11 }));
  test('open sizes', () => pass(models, { dynamic: 'all' }));
  test('half precision', () => pass(models, { half: 'compute' }));
  test('functions', () => pass(models, { customOps: { form: 'function' } }));
});

test('a golden of other numbers fails: bounds do bind', async () => {
  const report = await verify({ goldens: [modules], provider: 'cpu', atol: 0, rtol: 0 });
  expect(report.failed).toBeGreaterThan(report.cases.length / 2);
});
