/** What the documentation says stays true. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { errorCodes } from '../compiler/errors.js';
import { runIn } from './command-line.js';
import { exportersMarkdown } from './module-texts.js';
import { graphPasses } from '../passes/index.js';

test('the README’s table of modules is the one that `yolonnx modules --markdown` prints', () => {
  const table = /<!-- modules -->\n([^]*?)\n<!-- \/modules -->/.exec(readFileSync('README.md', 'utf8'))?.[1];
  expect(`${table}\n`).toBe(runIn('.', ['modules', '--markdown']).out);
});

test('the README’s table of exporters is the measured one', async () => {
  const table = /<!-- exporters -->\n([^]*?)\n<!-- \/exporters -->/.exec(readFileSync('README.md', 'utf8'))?.[1];
  expect(table).toBe(await exportersMarkdown());
});

test('passes/README.md names every pass in its order', () => {
  const text = readFileSync('passes/README.md', 'utf8');
  const named = [...text.matchAll(/^\| `([\w-]+)` \|/gm)].map((match) => match[1]);
  expect(named).toEqual(graphPasses.map(({ name }) => name));
});

test('every error code has a fixture, or a test that names it', () => {
  const fixtures = readdirSync('fixtures/errors').filter((file) => file.endsWith('.txt')).map((file) => readFileSync(`fixtures/errors/${file}`, 'utf8'));
  const tests = readdirSync('tests').filter((file) => file.endsWith('.test.ts') && file !== 'docs.test.ts').map((file) => readFileSync(`tests/${file}`, 'utf8'));
  const uncovered = Object.keys(errorCodes).filter((code) => !fixtures.some((text) => text.includes(`error[${code}]`)) && !tests.some((text) => text.includes(code)));
  expect(uncovered).toEqual([]);
});
