/** The process that runs models: what becomes of crashes, hangs and hunger. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Problem } from '../compiler/errors.js';
import { nodeRunner } from '../compiler/node/runner.js';
import { RuntimeProcess, defaultMemory } from '../compiler/node/runtime-process.js';
import { runIn } from './command-line.js';
import { onnxModel, problemOfAsync } from './made-files.js';

let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'));
  model = join(folder, 'model.onnx');
  writeFileSync(model, onnxModel());
});
afterAll(() => rmSync(folder, { recursive: true }));

const x = { data: Float32Array.of(-1, 1, 2, 3, 4, 5, 6, 7), shape: [1, 2, 2, 2] };
const feeds = new Map([['x', x]]);
const open = (runtime: RuntimeProcess): Promise<unknown> => runtime.ask('open', { model, provider: 'cpu', optimization: 'all', profile: join(folder, 'profile') }, 'loading');

/** A script that the process loads first: it stands for native code that does something terrible. */
function sabotage(name: string, script: string): NodeJS.ProcessEnv {
  const file = join(folder, `${name}.cjs`);
  writeFileSync(file, script);
  return { ...process.env, NODE_OPTIONS: `--require ${file}` };
}

/** Does it when a request comes, before the process can answer. */
const whenAsked = (what: string): string => `process.on('newListener', function once(event) {
  if (!require('node:worker_threads').isMainThread || event !== 'message') return;
  process.off('newListener', once);
  process.prependListener('message', () => { ${what} });
});`;

describe('a process that runs models', () => {
  test('answers one request after the other', async () => {
    const runtime = new RuntimeProcess({}, process.env);
    await open(runtime);
    const { tensors } = await runtime.ask('run', { feeds: [...feeds], statistics: false }, 'running');
    expect([...tensors[0]![1].data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const { statistics } = await runtime.ask('run', { feeds: [['x', { ...x, data: Float32Array.of(-1, NaN, 2, Infinity, 4, 5, 6, 7) }]], statistics: true }, 'running');
    expect(statistics).toEqual([['y', { type: 'float32', shape: [1, 2, 2, 2], range: [0, 7], nan: 1, infinite: 1 }]]);
    const [first, second] = [runtime.ask('close', null, 'closing'), runtime.ask('close', null, 'closing')];
    expect((await problemOfAsync(second)).code).toBe('internal');
    expect(await first).toBeGreaterThan(1e6);
    runtime.stop(new Problem('aborted', 'done'));
    expect(runtime.alive).toBe(false);
    expect((await problemOfAsync(open(runtime))).message).toBe('done');
  });

  test.each<[string, string, RegExp, RegExp]>([
    ['a crash', "process.kill(process.pid, 'SIGSEGV'); for (;;);", /^onnxruntime crashed loading the model \(SIGSEGV\)$/, /fault of the runtime or of a driver.*--provider cpu/],
    ['a crash with last words', "require('fs').writeSync(2, \"terminate called after throwing an instance of 'std::bad_alloc'\\n  what():  std::bad_alloc\\n\"); process.kill(process.pid, 'SIGABRT'); for (;;);", /\(SIGABRT\); its last words: terminate called after throwing an instance of 'std::bad_alloc' what\(\): +std::bad_alloc$/, /another version of onnxruntime-node/],
    ['being ended from outside', "process.kill(process.pid, 'SIGKILL'); for (;;);", /\(SIGKILL\)$/, /most often the system when memory runs out/],
    ['an exit', 'process.exit(7);', /\(exit code 7\)$/, /fault of the runtime/],
    ['words that would steer a terminal', "require('fs').writeSync(2, '\\u001b[31mred\\u001b[0m \\u0007bell\\n' + 'w'.repeat(5000)); process.exit(1);", /its last words: \.\.\.w{297}$/, /fault/],
  ])('%s is an error', async (_, script, message, help) => {
    const runtime = new RuntimeProcess({}, sabotage('crash', whenAsked(script)));
    const problem = await problemOfAsync(open(runtime));
    expect(problem).toMatchObject({ code: 'runtime-crash', exitCode: 3 });
    expect(problem.message).toMatch(message);
    expect(problem.help).toMatch(help);
    expect(runtime.alive).toBe(false);
  });

  test('a hang ends at the time limit', async () => {
    const runtime = new RuntimeProcess({ seconds: 0.5 }, sabotage('hang', whenAsked('for (;;);')));
    expect(await problemOfAsync(open(runtime))).toMatchObject({ code: 'over-limit', exitCode: 2, message: 'loading the model took more than 0.5 seconds', help: expect.stringContaining('--time-limit') as unknown });
  });

  test('hunger ends at the memory limit, while native code holds its thread', async () => {
    const hungry = "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 24, 1));";
    const runtime = new RuntimeProcess({ bytes: 400 * 2 ** 20 }, sabotage('hunger', whenAsked(hungry)));
    expect(await problemOfAsync(open(runtime))).toMatchObject({ code: 'over-limit', message: 'loading the model took more than 400 MiB of memory', help: expect.stringContaining('--memory-limit') as unknown });
    expect(defaultMemory()).toBeGreaterThan(2 ** 28);
  });

  test('it ends when its parent is gone, whatever it is doing', async () => {
    const script = join(folder, 'parent.mjs');
    const environment = sabotage('busy', whenAsked('for (;;);'));
    writeFileSync(script, `
      import { RuntimeProcess } from ${JSON.stringify(new URL('../compiler/node/runtime-process.js', import.meta.url).href)};
      const runtime = new RuntimeProcess({}, ${JSON.stringify(environment)});
      runtime.ask('close', null, 'closing').catch(() => undefined);
      console.log(runtime.pid);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 700);`);
    const { spawnSync } = await import('node:child_process');
    const pid = Number(spawnSync(process.execPath, [script], { encoding: 'utf8' }).stdout);
    expect(pid).toBeGreaterThan(1);
    const alive = (): boolean => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    for (let tries = 0; alive() && tries < 200; tries++) await new Promise((resume) => setTimeout(resume, 50));
    expect(alive()).toBe(false);
  });
});

describe('sessions', () => {
  test('one at a time: the next waits for the last to close', async () => {
    const runner = nodeRunner();
    const order: string[] = [];
    const first = await runner.open(model, 'cpu');
    const second = runner.open(model, 'cpu').then((session) => {
      order.push('second is open');
      return session;
    });
    await first.run(feeds);
    order.push('first has run');
    await first.close();
    await (await second).close();
    expect(order).toEqual(['first has run', 'second is open']);
    runner.close();
  });

  test('after a crash the runner goes on with a new process, and nothing is left behind', async () => {
    const mine = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(`yolonnx-run-${process.pid}-`));
    const before = mine();
    const runner = nodeRunner({ limits: { seconds: 0.001 } });
    expect((await problemOfAsync(runner.open(model, 'cpu'))).code).toBe('over-limit');
    expect((await problemOfAsync(runner.open(onnxModel(), 'cpu'))).code).toBe('over-limit');
    expect(mine()).toEqual(before);
    const patient = nodeRunner();
    const session = await patient.open(onnxModel(), 'cpu');
    expect((await session.run(feeds)).get('y')!.data[7]).toBe(7);
    await session.close();
    patient.close();
    expect(mine()).toEqual(before);
  });

  test('a signal stops a run', async () => {
    const controller = new AbortController();
    const runner = nodeRunner({ signal: controller.signal });
    const session = await runner.open(model, 'cpu');
    controller.abort();
    expect((await problemOfAsync(session.run(feeds))).code).toBe('aborted');
    await session.close();
  });
});

describe('on the command line', () => {
  const golden = 'fixtures/goldens/modules/SE__sq64.safetensors';

  test.each<[string, RegExp]>([
    ['0', /--time-limit must be a number of seconds above 0/],
    ['1e9', /--time-limit must be a number of seconds above 0 and up to 2000000/],
  ])('--time-limit %s', (limit, message) => {
    const { code, err } = runIn('.', ['verify', '--golden', golden, '--time-limit', limit]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test.each(['lots', '0', '5 apples', '0.1B'])('--memory-limit %s', (limit) => {
    const { code, err } = runIn('.', ['verify', '--golden', golden, '--memory-limit', limit]);
    expect([code, err]).toEqual([2, expect.stringMatching(/--memory-limit must be a size/)]);
  });

  test('a model beyond a limit fails its case with exit code 2', () => {
    const { code, out, err } = runIn('.', ['verify', '--golden', golden, '--provider', 'cpu', '--memory-limit', '1MB']);
    expect(code).toBe(2);
    expect(out).toContain('FAILED: over-limit');
    expect(err).toMatch(/error\[over-limit\]: \w+ the model took more than 1 MiB of memory/);
  });
});
