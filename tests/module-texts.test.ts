/** The graphs of modules as text: a change of a lowering or pass shows here, and stays below torch.onnx's node counts. */
import { expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { countNodes, exporters, moduleText } from './module-texts.js';

const folder = 'fixtures/modules';

test('there is a text for every module that the exporters were measured on, and no other', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(exporters).map((name) => `${name}.txt`).sort());
});

// `npm run module-texts` writes them anew: read the difference before it is committed.
test.each(Object.keys(exporters))('%s', async (name) => {
  expect((await moduleText(name)).split('\n')).toEqual(readFileSync(`${folder}/${name}.txt`, 'utf8').split('\n'));
});

test.each(Object.entries(exporters))('%s has at most as many nodes as torch.onnx makes', async (name, { dynamo }) => {
  if (dynamo.nodes !== null) expect(await countNodes(name)).toBeLessThanOrEqual(dynamo.nodes);
});
