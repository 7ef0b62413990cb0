import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { probeProvider } from '../compiler/node/providers.js';
import { nodeRunner } from '../compiler/node/runner.js';
import type { Provider, Tensor } from '../compiler/runner.js';
import { runIn } from './command-line.js';
import { onnxModel, problemOfAsync } from './made-files.js';

const x: Tensor = { shape: [1, 2, 2, 2], data: Float32Array.of(-1, 1, 2, 3, 4, 5, 6, 7) };

describe('onnxruntime', () => {
  test('runs bytes and files, tells shapes and which provider ran, and leaves nothing behind', async () => {
    // Other tests have their own.
    const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(`yolonnx-run-${process.pid}-`));
    const before = leftovers();
    const folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'));
    const file = join(folder, 'model.onnx');
    writeFileSync(file, onnxModel({ dims: ['N', 2, 'height', 2] }));
    for (const model of [file, onnxModel({ dims: ['N', 2, 'height', 2] })]) {
      const session = await nodeRunner().open(model, 'cpu');
      expect(session.inputs).toEqual([{ name: 'x', shape: ['N', 2, 'height', 2], type: 'float32' }]);
      const y = (await session.run(new Map([['x', x]]))).get('y')!;
      expect([...y.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect([...y.shape]).toEqual([1, 2, 2, 2]);
      expect(await session.finish()).toMatchObject({ nodes: { CPUExecutionProvider: 1 }, kernels: [{ op: 'Relu', provider: 'CPUExecutionProvider', outputs: [{ type: 'float', shape: [1, 2, 2, 2] }] }], copies: 0, fellBack: [], notes: [] });
      await session.close();
      await session.close();
    }
    rmSync(folder, { recursive: true });
    expect(leftovers()).toEqual(before);
  });

  test('float16 inputs and outputs are converted', async () => {
    const session = await nodeRunner().open(onnxModel({ elemType: 10 }), 'cpu');
    const y = (await session.run(new Map([['x', { ...x, data: Float32Array.of(-1, 0.1, 2, 3, 4, 5, 6, 70000) }]]))).get('y')!;
    expect(y.data[1]).toBe(0.0999755859375);
    expect(y.data[7]).toBe(Infinity);
    await session.close();
  });

  test.each<[string, Uint8Array, RegExp, RegExp]>([
    ['no model', new Uint8Array(20), /cannot load the model: protobuf parsing failed/i, /no ONNX model/],
    ['an operator without a kernel', onnxModel({ op: 'Sqrtm', domain: 'yolonnx' }), /cannot load the model: .*Sqrtm/, /--custom-ops inline or function/],
    ['an unknown operator', onnxModel({ op: 'Reluu' }), /Reluu/, /^$/],
  ])('%s is a bad model', async (_, model, message, help) => {
    const problem = await problemOfAsync(nodeRunner().open(model, 'cpu'));
    expect(problem.code).toBe('bad-model');
    expect(problem.message).toMatch(message);
    expect(problem.message.length).toBeLessThan(400);
    expect(problem.help ?? '').toMatch(help);
  });

  test('a run that fails, an input of another type, a missing file', async () => {
    const session = await nodeRunner().open(onnxModel(), 'cpu');
    expect((await problemOfAsync(session.run(new Map([['x', { ...x, shape: [2, 2, 2] }]])))).message).toMatch(/cannot run the model/);
    await session.close();
    const integers = await nodeRunner().open(onnxModel({ op: 'Abs', elemType: 6 }), 'cpu');
    expect((await problemOfAsync(integers.run(new Map([['x', x]])))).message).toMatch(/input x is int32/);
    await integers.close();
    expect((await problemOfAsync(nodeRunner().open('nowhere/model.onnx', 'cpu'))).code).toBe('unreadable');
  });
});

describe('providers', () => {
  test('an unknown one', async () => {
    expect(await problemOfAsync(nodeRunner().open(onnxModel(), 'gpu' as Provider))).toMatchObject({ code: 'bad-option', help: 'Providers are auto, cuda, cpu, webgpu.' });
  });

  test('the CPU is usable', async () => {
    expect(await probeProvider('cpu')).toEqual({ provider: 'cpu', usable: true, missing: [] });
  });

  // True on every machine: either CUDA runs the node, or it is refused with what is missing.
  test('cuda runs on CUDA or is refused with exit code 3', async () => {
    const state = await probeProvider('cuda');
    if (state.usable) {
      const session = await nodeRunner().open(onnxModel(), 'cuda');
      await session.run(new Map([['x', x]]));
      expect((await session.finish()).nodes).toEqual({ CUDAExecutionProvider: 1 });
      await session.close();
      return;
    }
    const problem = await problemOfAsync(nodeRunner().open(onnxModel(), 'cuda'));
    expect(problem).toMatchObject({ code: 'missing-provider', exitCode: 3, message: `cuda is not usable here: ${state.reason}`, help: state.help });
    expect(state.reason).toMatch(/lib\w+\.(so|dll)|CUDA failure|onnxruntime/);
    expect(state.help).toBeTruthy();
  });

  test('auto runs anywhere, and says why it is not on CUDA', async () => {
    const { usable } = await probeProvider('cuda');
    const session = await nodeRunner().open(onnxModel(), 'auto');
    await session.run(new Map([['x', x]]));
    const { nodes, notes } = await session.finish();
    await session.close();
    expect(Object.keys(nodes)).toEqual([usable ? 'CUDAExecutionProvider' : 'CPUExecutionProvider']);
    if (!usable) expect(notes).toEqual([expect.stringMatching(/^running on the CPU: CUDA is not usable here \(.+\)/)]);
  });

  test('a provider that is required and not there keeps a model from being written', async () => {
    if ((await probeProvider('cuda')).usable) return;
    const folder = mkdtempSync(join(tmpdir(), 'yolonnx-test-'));
    const args = ['compile', resolve('fixtures/models/yolov5s_SE.yaml'), '--imgsz', '128', '--verify', resolve('fixtures/goldens/models/yolov5s_SE.safetensors'), '--require-provider', '-o', 'se.onnx'];
    const { code, err } = runIn(folder, args);
    expect([code, readdirSync(folder)]).toEqual([1, []]);
    expect(err).toContain('FAILED: no node ran on cuda');
    expect(err).toContain('error: nodes ran on another provider than required: nothing was written');
    expect(runIn(folder, [...args, '--provider', 'cpu']).code).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test('doctor', () => {
    const { code, out } = runIn('.', ['doctor', '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(out) as { providers: { provider: string; usable: boolean; reason?: string }[] };
    expect(report.providers.map(({ provider }) => provider)).toEqual(['cpu', 'cuda', 'webgpu']);
    for (const { usable, reason } of report.providers) expect(usable || Boolean(reason)).toBe(true);
    expect(runIn('.', ['doctor']).out).toMatch(/^Node .+\n {2}cpu {5}usable\n/);
  });
});
