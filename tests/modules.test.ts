import { describe, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { compile } from '../compiler/index.js';
import { findModule, listModules } from '../compiler/node/modules.js';
import { dialectOf, namesOf, resolve } from '../compiler/yaml/dialects.js';
import { library } from '../ops/index.js';
import { examples, numbersFor } from './examples.js';
import { runModel } from './graphs.js';
import { problemOfAsync } from './made-files.js';

// Jest runs what tsc wrote; the sources lie beside it.
const sources = 'ops';
const folders = readdirSync(sources, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);

describe.each(examples.map((example) => [example.file, example] as const))('%s', (_, example) => {
  const { module, args, inputs, repeats, family, definition } = example;

  test('its example compiles, and computes finite numbers that depend on the input', async () => {
    const { model, outputs, warnings } = await compile({ module: { module, args, inputs, family, ...(repeats === undefined ? {} : { repeats }) } });
    expect(warnings).toEqual([]);
    const run = async (seed: number): Promise<Awaited<ReturnType<typeof runModel>>> => runModel(model!, numbersFor(example, inputs, seed));
    const [first, second] = [await run(0), await run(1)];
    expect(first.map(({ shape }) => shape)).toEqual(outputs.map(({ shape }) => shape));
    for (const [i, { data }] of first.entries()) {
      expect(data.every((value) => Number.isFinite(value))).toBe(true);
      expect(data.some((value, at) => value !== second[i]!.data[at])).toBe(true);
    }
  });

  test('says what it is', () => {
    expect(definition.doc).toMatch(/^[A-Z].*\.$/);
    expect(definition.source).not.toBe('');
    for (const { doc, type } of Object.values(definition.args)) expect([doc, type]).not.toContain('');
    expect(definition.inputs === 'many' || inputs.length === 1).toBe(true);
  });
});

describe('the library is the folder', () => {
  test('a file in PascalCase is a module of that name', () => {
    const files = folders.flatMap((folder) => readdirSync(`${sources}/${folder}`).filter((file) => /^[A-Z]/.test(file)).map((file) => file.replace(/\.ts$/, '')));
    expect([...library.names].sort()).toEqual(files.sort());
  });

  test('every file is loaded by the name of a yaml', () => {
    for (const family of ['yolov5', 'ultralytics'] as const) {
      const dialect = dialectOf({ family });
      for (const name of namesOf(dialect, library.names)) expect(library.names).toContain(resolve(dialect, name).file);
    }
    // examples.ts refuses a file that no name reaches.
    expect(examples.map(({ file }) => file).sort()).toEqual([...library.names].sort());
  });

  test('an unknown name', async () => {
    expect(await problemOfAsync(library.load('Cnv'))).toMatchObject({ code: 'unknown-module', help: expect.stringContaining('Did you mean Conv?') });
  });

  test('a module stays small enough to be read at once', () => {
    const long: string[] = [];
    for (const folder of folders) {
      for (const file of readdirSync(`${sources}/${folder}`)) {
        const lines = readFileSync(`${sources}/${folder}/${file}`, 'utf8').split('\n').filter((line) => line.trim() !== '' && !/^\s*(\/\/|\/\*|\*)/.test(line)).length;
        if (lines > 80) long.push(`${folder}/${file}: ${lines} lines`);
        expect(lines).toBeLessThan(150);
      }
    }
    if (long.length > 0) console.warn(`over 80 lines of code: ${long.join(', ')}`);
  });
});

describe('the listing', () => {
  test('names what either family may name, once', async () => {
    const entries = await listModules();
    const names = new Set((['yolov5', 'ultralytics'] as const).flatMap((family) => namesOf(dialectOf({ family }), library.names)));
    const listed = entries.flatMap(({ name, aliases }) => [name, ...aliases]);
    expect(new Set(listed)).toEqual(names);
    expect(entries.map(({ name }) => name)).toEqual(entries.map(({ name }) => name).sort((a, b) => a.localeCompare(b, 'en')));
    for (const { name, families, usage, args, leastOpset, doc } of entries) {
      expect(families.length).toBeGreaterThan(0);
      expect(usage).toMatch(/^\[.*\]$/);
      for (const argument of args) expect(usage).toContain(argument.name);
      expect([11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]).toContain(leastOpset);
      expect(doc).not.toBe('');
      expect(entries.filter((other) => other.name === name).flatMap((other) => other.families).length).toBe(new Set(entries.filter((other) => other.name === name).flatMap((other) => other.families)).size);
    }
  });

  test('each can be asked for, and its example row compiles in its families', async () => {
    for (const { name, families, example } of await listModules()) {
      for (const family of families) {
        expect((await findModule(name, family)).name).toBe(name);
        const { inputs } = examples.find(({ file }) => file === resolve(dialectOf({ family }), name).file)!;
        const { bytes } = await compile({ module: { module: name, args: example, inputs, family } });
        expect(bytes).toBeGreaterThan(0);
      }
    }
  });

  test('a family has its own spelling', async () => {
    expect((await findModule('Detect', 'yolov5')).usage).toBe('[nc=80, anchors]');
    expect((await findModule('Detect', 'ultralytics')).usage).toBe('[nc=80]');
    expect((await findModule('SE')).usage).toBe('[out, reduction=16]');
    expect(await problemOfAsync(findModule('PSAA', 'ultralytics'))).toMatchObject({ code: 'unknown-module' });
  });
});
