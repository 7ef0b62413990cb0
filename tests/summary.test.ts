import { expect, test } from '@jest/globals';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { summarize, type Literal } from '../compiler/index.js';
import { fileSource } from '../compiler/node/files.js';
import { openSafetensors } from '../compiler/weights/safetensors.js';
import { problemOfAsync } from './made-files.js';

/** What the packages themselves print. */
interface Recorded {
  readonly format: string;
  readonly name: string;
  readonly yaml_file: string;
  readonly scale: string;
  readonly imgsz: number;
  readonly yaml: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly [index: number, from: number | readonly number[], n: number, params: number, module: string, args: readonly Literal[]])[];
  readonly totals: { readonly layers: number; readonly parameters: number; readonly gflops: number | null };
}

const folder = 'fixtures/summaries';
const files = readdirSync(folder).sort();

test('every file here is a summary', () => {
  expect(files.filter((file) => !file.endsWith('.json'))).toEqual([]);
  expect(files.length).toBeGreaterThan(0);
});

test.each(files)('%s', async (file) => {
  const recorded = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Recorded;
  const { yaml_file: yaml, scale, imgsz, columns, rows, totals } = recorded;
  expect(recorded.format).toBe('summary/1');
  expect(columns).toEqual(['index', 'from', 'n', 'params', 'module', 'args']);
  const summary = await summarize({ model: { file: yaml, text: recorded.yaml }, imgsz: [imgsz, imgsz], ...(scale === '' ? {} : { scale }) });
  // The packages print modules with their Python package, which is not the yaml's name.
  expect(summary.layers.map(({ index, from, n, params, args }) => [index, from, n, params, args])).toEqual(rows.map(([index, from, n, params, , args]) => [index, from, n, params, args]));
  expect(summary.layers.map(({ module }) => module.split('.').at(-1))).toEqual(rows.map(([, , , , module]) => module.split('.').at(-1)));
  // Where the package cannot count (deformable attention on one cell), the true count is given.
  const gflops = totals.gflops === null ? expect.any(Number) : Math.round(totals.gflops * 10) / 10;
  expect(summary.totals).toMatchObject({ layers: totals.layers, parameters: totals.parameters, gflops });
});

/** Goldens of models tell what PyTorch counted: rows, parameters, modules, and GFLOPs where the package prints any. */
const goldens = 'fixtures/goldens/models';
test.each(readdirSync(goldens).sort())('golden %s', async (file) => {
  const source = fileSource(`${goldens}/${file}`);
  const { metadata } = openSafetensors(source);
  source.close();
  const value = (key: string): unknown => JSON.parse(metadata.get(key) ?? 'null');
  const scale = metadata.get('scale') ?? '';
  const { layers, totals } = await summarize({ model: { file: metadata.get('yaml_file')!, text: metadata.get('yaml')! }, ...(scale === '' ? {} : { scale }) });
  const rows = value('layer_table') as Recorded['rows'];
  expect(layers.map(({ index, from, n, params, args }) => [index, from, n, params, args])).toEqual(rows.map(([index, from, n, params, , args]) => [index, from, n, params, args]));
  expect({ layers: totals.layers, parameters: totals.parameters }).toEqual({ layers: value('layers'), parameters: value('params') });
  const gflops = value('gflops');
  if (gflops !== null) expect(totals.gflops).toBe(gflops);
});

test('where the package’s way of counting misleads, the real count stands beside it', async () => {
  const { totals } = await summarize({ model: 'fixtures/models/yolov5s_SOCA.yaml' });
  expect(totals).toMatchObject({ gflops: 1304.9, gflopsCounted: expect.any(Number) });
  expect(totals.gflopsCounted).toBeGreaterThan(16);
  expect(totals.gflopsCounted).toBeLessThan(25);
  expect((await summarize({ model: 'fixtures/models/yolov5s_SE.yaml' })).totals).not.toHaveProperty('gflopsCounted');
});

test('shapes of what the layers give', async () => {
  const { layers } = await summarize({ model: 'fixtures/models/yolov8.yaml', scale: 'n', imgsz: [64, 96] });
  expect(layers.filter(({ index }) => [0, 9, 12, 22].includes(index)).map(({ shape }) => shape)).toEqual([[1, 16, 32, 48], [1, 256, 2, 3], [1, 128, 4, 6], [1, 84, 126]]);
});

test('every model of the fixtures can be summarized, at every scale', async () => {
  for (const name of readdirSync('fixtures/models')) {
    const model = `fixtures/models/${name}`;
    const scales = [...(/^scales:[^\n]*\n((?:[ #][^\n]*\n)*)/m.exec(readFileSync(model, 'utf8'))?.[1] ?? '').matchAll(/^ +([a-z]):/gm)].map(([, scale]) => scale!);
    for (const scale of scales.length > 0 ? scales : [undefined]) {
      const { totals, layers } = await summarize({ model, ...(scale === undefined ? {} : { scale }) });
      expect(totals.parameters).toBe(layers.reduce((sum, { params }) => sum + params, 0));
      expect(totals.gflops).toBeGreaterThan(0);
    }
  }
});

test('a file of a scale that is not there stands for the one without', async () => {
  expect(existsSync('fixtures/models/yolov8s-ema.yaml')).toBe(false);
  const [named, given] = [await summarize({ model: 'fixtures/models/yolov8s-ema.yaml' }), await summarize({ model: 'fixtures/models/yolov8-ema.yaml', scale: 's' })];
  expect(named).toEqual(given);
  expect((await problemOfAsync(summarize({ model: 'fixtures/models/yolov9.yaml' }))).code).toBe('unreadable');
});
