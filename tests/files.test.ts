import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { atomicFile, fileSource, readText } from '../compiler/node/files.js';
import { problemOf } from './made-files.js';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const asRoot = process.getuid?.() === 0;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('reading', () => {
  test('ranges', () => {
    const path = join(folder, 'a');
    writeFileSync(path, 'abcdef');
    const source = fileSource(path);
    const into = new Uint8Array(3);
    source.read(into, 2);
    expect([source.size, new TextDecoder().decode(into)]).toEqual([6, 'cde']);
    expect(problemOf(() => source.read(into, 4))).toMatchObject({ code: 'unreadable', message: expect.stringContaining('ends at byte 6, 1 bytes too early') });
    truncateSync(path, 1);
    expect(problemOf(() => source.read(into, 0)).help).toMatch(/cut off/);
    source.close();
    source.close();
  });

  test('what is no file', () => {
    expect(problemOf(() => fileSource(join(folder, 'none')))).toMatchObject({ code: 'unreadable', message: expect.stringMatching(/no such file/) });
    expect(problemOf(() => fileSource(folder)).message).toMatch(/it is a folder/);
    expect(problemOf(() => fileSource('/dev/null')).message).toMatch(/no regular file/);
    writeFileSync(join(folder, 'a'), 'x');
    expect(problemOf(() => fileSource(join(folder, 'a', 'b'))).message).toMatch(/is a file, no folder/);
    expect(problemOf(() => fileSource(join(folder, 'x'.repeat(300)))).message).toMatch(/name is too long/);
  });

  test('text', () => {
    writeFileSync(join(folder, 'a'), 'größe');
    expect(readText(join(folder, 'a'))).toBe('größe');
    expect(problemOf(() => readText(join(folder, 'a'), 3)).message).toMatch(/more than the 3/);
    writeFileSync(join(folder, 'b'), Uint8Array.of(0xff));
    expect(problemOf(() => readText(join(folder, 'b'))).message).toMatch(/no text in UTF-8/);
  });
});

describe('writing', () => {
  test('the file appears whole, on commit', () => {
    const path = join(folder, 'out');
    const file = atomicFile(path);
    file.write(bytes('head'));
    file.write(new Uint8Array(300_000).fill(120));
    file.write(bytes('tail'));
    expect(existsSync(path)).toBe(false);
    file.flush();
    expect(statSync(file.temporary).size).toBe(300_008);
    file.commit();
    expect(file.size).toBe(300_008);
    expect(readFileSync(path, 'latin1')).toBe(`head${'x'.repeat(300_000)}tail`);
    file.abort();
    expect(readdirSync(folder)).toEqual(['out']);
  });

  test('many small writes come out in order', () => {
    const file = atomicFile(join(folder, 'out'));
    const numbers = Array.from({ length: 100_000 }, (_, i) => `${i},`);
    for (const number of numbers) file.write(bytes(number));
    file.commit();
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe(numbers.join(''));
  });

  test('abort leaves what was there', () => {
    const path = join(folder, 'out');
    writeFileSync(path, 'old');
    const file = atomicFile(path);
    file.write(bytes('new'));
    file.abort();
    file.abort();
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  test('permissions stay, and a link keeps pointing to its file', () => {
    const [path, link] = [join(folder, 'out'), join(folder, 'link')];
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    symlinkSync('out', link);
    const file = atomicFile(link);
    file.write(bytes('new'));
    file.commit();
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder).sort()).toEqual(['link', 'out']);
  });

  test('targets that cannot be written', () => {
    mkdirSync(join(folder, 'dir'));
    writeFileSync(join(folder, 'file'), '');
    expect(problemOf(() => atomicFile(''))).toMatchObject({ code: 'unwritable', exitCode: 2 });
    expect(problemOf(() => atomicFile(join(folder, 'dir')))).toMatchObject({ code: 'unwritable', message: expect.stringMatching(/it is a folder/), help: expect.stringContaining('model.onnx') });
    expect(problemOf(() => atomicFile(`${join(folder, 'new')}/`)).message).toMatch(/it is a folder/);
    expect(problemOf(() => atomicFile(join(folder, 'none', 'out')))).toMatchObject({ message: expect.stringMatching(/there is no folder/), help: expect.stringMatching(/Create it/) });
    expect(problemOf(() => atomicFile(join(folder, 'file', 'out'))).message).toMatch(/is a file, no folder/);
    expect(problemOf(() => atomicFile(join(folder, 'x'.repeat(300)))).message).toMatch(/too long/);
    expect(readdirSync(folder).sort()).toEqual(['dir', 'file']);
  });

  (asRoot ? test.skip : test)('a folder or file that may not be written', () => {
    writeFileSync(join(folder, 'file'), '', { mode: 0o444 });
    expect(problemOf(() => atomicFile(join(folder, 'file'))).message).toMatch(/may not write/);
    chmodSync(folder, 0o555);
    expect(problemOf(() => atomicFile(join(folder, 'out'))).message).toMatch(/may not write/);
    chmodSync(folder, 0o755);
  });

  (existsSync('/dev/full') ? test : test.skip)('devices are written to directly; a full one says so', () => {
    const full = atomicFile('/dev/full');
    full.write(bytes('x'));
    expect(problemOf(() => full.commit())).toMatchObject({ code: 'unwritable', message: 'cannot write /dev/full: no space is left on the device', help: expect.stringMatching(/another disk/) });
    full.abort();
    const none = atomicFile('/dev/null');
    none.write(new Uint8Array(1_000_000));
    none.commit();
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
});

describe('a process that ends early leaves nothing behind', () => {
  const module = pathToFileURL(join(import.meta.dirname, '..', 'compiler', 'node', 'files.js')).href;

  /** Starts a process that has written half a file, ends it as told, and gives how it ended. */
  function half(then: string, signal?: NodeJS.Signals): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
    const script = `
      const { atomicFile } = await import(${JSON.stringify(module)});
      const file = atomicFile(${JSON.stringify(join(folder, 'out'))});
      file.write(new Uint8Array(1e6));
      process.stdout.write('ready');
      ${then}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (signal) child.stdout.once('data', () => child.kill(signal));
    return new Promise((resolve) => child.once('close', (code, by) => resolve([code, by])));
  }

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s', async (signal) => {
    expect(await half('setInterval(() => {}, 1000);', signal)).toEqual([null, signal]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('process.exit, and an error that nobody catches', async () => {
    expect(await half('process.exit(5);')).toEqual([5, null]);
    expect((await half("throw new Error('x');"))[0]).not.toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('somebody else may listen for the signal, and decide', async () => {
    expect(await half("process.on('SIGTERM', () => process.exit(9)); setInterval(() => {}, 1000);", 'SIGTERM')).toEqual([9, null]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
