/** `verify --report`: what the page is made of, when it is written, and when it is not. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compile, verify } from '../compiler/index.js';
import type { ReportCase, ReportDocument, ReportModel } from '../compiler/report.js';
import { runIn } from './command-line.js';
import { f32, graphModel, problemOfAsync, safetensors } from './made-files.js';

const model = 'fixtures/goldens/models/yolov5s_SE.safetensors';
const module = 'fixtures/goldens/modules/SE__sq64.safetensors';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function documentIn(file: string): Omit<ReportDocument, 'cases'> & { readonly cases: readonly ReportCase[] } {
  const html = readFileSync(file, 'utf8');
  const json = (id: string): unknown => JSON.parse(new RegExp(`<script type="application/json" id="${id}">(.*?)</script>`, 's').exec(html)![1]!);
  const index = json('index') as ReportDocument;
  return { ...index, cases: index.cases.map((_, i) => json(`case-${i}`) as ReportCase) };
}

/** Of a report with one case. */
async function reported(options: Omit<Parameters<typeof verify>[0], 'report'>): Promise<ReportCase & { readonly model: ReportModel }> {
  const report = join(folder, 'one.html');
  await verify({ provider: 'cpu', ...options, report });
  return documentIn(report).cases[0] as ReportCase & { readonly model: ReportModel };
}

describe('the document', () => {
  test('of a model that was compiled', async () => {
    const { outputs, timings, model: made } = await reported({ goldens: [model] });
    expect(Object.keys(timings!).sort()).toEqual(['again', 'compile', 'load', 'run']);
    expect(outputs[0]!.histograms.map(({ name, bound }) => [name, bound])).toEqual([['pred[boxes]', 2e-3], ['pred[scores]', 5e-6]]);
    for (const { equal, notFinite, counts, from, perDecade } of outputs[0]!.histograms) {
      expect(notFinite).toBe(0);
      expect(from + counts.length / perDecade).toBeLessThan(-2);
      expect(equal + counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1000);
    }
    expect(outputs[0]!.worstElements).toHaveLength(20);
    expect(made.layers).toHaveLength(26);
    expect(made.layers.filter(({ nodes }) => nodes === 0).map(({ index, module: name }) => [index, name])).toEqual([[13, 'Concat'], [17, 'Concat']]);
    expect(made.layers[0]).toMatchObject({ name: 'model.0', index: 0, from: -1, module: 'Conv', args: '[3, 32, 6, 2, 2]', parameters: 3488, nodes: 3, shapes: [[1, 32, 64, 64]], notFinite: 0 });
    expect(made.layers.find(({ module: name }) => name === 'SE')).toMatchObject({ index: 9, shapes: [[1, 512, 4, 4]] });
    for (const { milliseconds, range, nodes } of made.layers) {
      if (nodes === 0) continue;
      expect(milliseconds).toBeGreaterThan(0);
      expect(range![0]).toBeLessThan(range![1]);
    }
    expect(made.layers.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(made.nodes.length);
    // 16.5 GFLOPs at 640 x 640, a 25th of it at 128 x 128.
    expect(made.gflops).toBeGreaterThan(0.6);
    expect(made.gflops).toBeLessThan(0.7);
    expect(made.values.images).toEqual({ kind: 'input', dtype: 'float32', shape: [1, 3, 128, 128] });
    for (const node of made.nodes) for (const name of [...node.inputs, ...node.outputs].filter(Boolean)) expect(made.values[name]?.shape).toBeDefined();
    const folded = made.passes!.find(({ name }) => name === 'fold-batch-norm')!;
    expect(folded.operators).toEqual({ BatchNormalization: folded.after - folded.before });
  });

  test('of a file, in float16, with open sizes, with functions, and of a lone module', async () => {
    const file = join(folder, 'open.onnx');
    await compile({ model: 'fixtures/models/yolov5s_SE.yaml', imgsz: [128, 128], dynamic: 'all', half: 'compute', output: file });
    const open = await reported({ model: file, goldens: [model] });
    expect(open.ok).toBe(true);
    expect(open.model).toMatchObject({ file, inputs: [{ shape: ['batch', 3, 'height', 'width'] }] });
    expect(open.model.passes).toBeUndefined();
    expect(open.model.layers[0]).toMatchObject({ shapes: [[1, 32, 64, 64]] });
    const functions = await reported({ goldens: ['fixtures/goldens/modules/SOCA__sq64.safetensors'], customOps: { form: 'opaque' } });
    expect(functions.model.nodes.filter(({ domain }) => domain === 'yolonnx').map(({ op }) => op).sort()).toEqual(['Covpool', 'Sqrtm']);
    const lone = await reported({ goldens: [module] });
    expect(lone.model.layers.map(({ name }) => name)).toEqual(['avgpool', '', 'l1', 'relu', 'l2', 'sig']);
    expect(lone.model.layers.find(({ name }) => name === 'l1')).toMatchObject({ parameters: 64 * 4, nodes: expect.any(Number) as unknown });
  });

  test('of a model of somebody else, with NaN', async () => {
    const file = join(folder, 'odd.onnx');
    const golden = join(folder, 'odd.safetensors');
    const values = [0, 1, 2, 3, 4, 5, 6, 7];
    const shapes = { input_shapes: '{"x": [1, 2, 2, 2]}', output_shapes: '{"y": [1, 2, 2, 2]}' };
    writeFileSync(golden, safetensors({ 'input.x': f32([1, 2, 2, 2], values), 'output.y': f32([1, 2, 2, 2], values) }, { format: 'golden/1', kind: 'module', case: 'odd', module: 'Nobody', args: '[]', seed: '0', weights: 'synthetic', ...shapes }));
    writeFileSync(file, graphModel([{ op: 'Log', inputs: ['x'], outputs: ['a'] }, { op: 'Sub', inputs: ['a', 'a'], outputs: ['y'] }]));
    const { ok, origin, outputs, model: described } = await reported({ model: file, goldens: [golden] });
    expect(ok).toBe(false);
    expect(origin).toMatchObject({ kind: 'NaN', op: 'Sub', count: 1, of: 8, infinityBefore: { op: 'Log' } });
    expect(outputs[0]!.worstElements[0]).toMatchObject({ index: [0, 0, 0, 0], got: null });
    expect(described.layers[0]).toMatchObject({ name: '', module: 'Nobody', notFinite: 1 });
    expect(described.nodes.map(({ name }) => name)).toEqual(['Log_0', 'Sub_1']);
  });

  test('of a folder: a case that cannot run stands among the others', () => {
    const goldens = join(folder, 'goldens');
    mkdirSync(goldens);
    symlinkSync(resolve(module), join(goldens, 'a.safetensors'));
    writeFileSync(join(goldens, 'b.safetensors'), 'nothing');
    const report = join(folder, 'all.html');
    expect(runIn('.', ['verify', '--golden', goldens, '--provider', 'cpu', '--report', report]).code).toBe(2);
    const document = documentIn(report);
    expect(document).toMatchObject({ title: '2 goldens', passed: 1, failed: 1, provider: { requested: 'cpu', ran: ['CPUExecutionProvider'] } });
    expect(document.cases.map(({ ok, error }) => [ok, error?.code])).toEqual([[true, undefined], [false, 'bad-golden']]);
    expect(document.made.machine).toMatch(/\d+ cores/);
  });
});

describe('the file', () => {
  const left = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.tmp'));

  test('appears also where numbers differ, and with compile --verify', () => {
    const report = join(folder, 'differs.html');
    expect(runIn('.', ['verify', '--golden', module, '--provider', 'cpu', '--atol', '0', '--report', report]).code).toBe(1);
    expect(documentIn(report)).toMatchObject({ failed: 1 });
    const compiled = join(folder, 'compiled.html');
    const output = join(folder, 'se.onnx');
    expect(runIn('.', ['compile', 'fixtures/models/yolov5s_SE.yaml', '--imgsz', '128', '--verify', model, '--report', compiled, '-q', '-o', output]).code).toBe(0);
    expect(documentIn(compiled).cases[0]).toMatchObject({ case: 'yolov5s_SE', ok: true });
    expect(existsSync(output)).toBe(true);
  });

  test('is not written where it cannot be, and nothing runs then', async () => {
    const report = join(folder, 'nowhere', 'out.html');
    expect(await problemOfAsync(verify({ goldens: [module], provider: 'cpu', report }))).toMatchObject({ code: 'unwritable' });
    const copy = join(folder, 'copy.safetensors');
    writeFileSync(copy, readFileSync(module));
    expect(await problemOfAsync(verify({ goldens: [copy], provider: 'cpu', report: copy }))).toMatchObject({ code: 'bad-option', message: expect.stringContaining('would be overwritten') as unknown });
    expect(readFileSync(copy).equals(readFileSync(module))).toBe(true);
    expect(await problemOfAsync(compile({ model: 'fixtures/models/yolov5s_SE.yaml', report }))).toMatchObject({ code: 'bad-option', help: 'Name them with --verify.' });
  });

  test('stays as it was when the run is stopped', async () => {
    const report = join(folder, 'kept.html');
    writeFileSync(report, 'before');
    const controller = new AbortController();
    const stopped = verify({ goldens: [module, module], provider: 'cpu', report, signal: controller.signal, onCase: () => controller.abort() });
    expect((await problemOfAsync(stopped)).code).toBe('aborted');
    expect(readFileSync(report, 'utf8')).toBe('before');
    expect(left()).toEqual([]);
  });
});
