/** Graphs stay smaller than the best that the other tools make of the same models (fixtures/reports/peers.json). */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { prepare, writeNetwork } from '../compiler/compile.js';
import { locateModel } from '../compiler/node/model-file.js';
import { library } from '../ops/index.js';
import { best, recorded } from './bench/peers.js';

/** Nodes and bytes of a model at 640 × 640. The bytes go nowhere. */
async function written(model: string): Promise<{ readonly nodes: number; readonly bytes: number }> {
  const { file, scale } = locateModel(`fixtures/models/${model}.yaml`);
  const options = scale === undefined ? {} : { scale };
  const prepared = await prepare({ file: `${model}.yaml`, text: readFileSync(file, 'utf8') }, options, library);
  return writeNetwork(prepared, options, { sink: { write: () => undefined }, producerVersion: '0.1.0', date: '2026-01-01' });
}

const { models } = recorded();

describe.each(Object.keys(models))('%s', (model) => {
  test('has fewer nodes and bytes than the best of the others that is right', async () => {
    const { nodes, bytes } = await written(model);
    expect(nodes).toBeLessThan(best(models[model]!, 'nodes')!);
    expect(bytes).toBeLessThan(best(models[model]!, 'bytes')!);
  });
});

test('YOLOv5 n to x, YOLOv8 n to x and the attention models are among them', () => {
  const wanted = ['yolov5', 'yolov8'].flatMap((family) => ['n', 's', 'm', 'l', 'x'].map((scale) => family + scale));
  expect(Object.keys(models)).toEqual(expect.arrayContaining([...wanted, 'yolov5s_SE', 'yolov5s_SOCA', 'yolov8n-ema']));
});
