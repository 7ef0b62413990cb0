import { describe, expect, test } from '@jest/globals';
import { compareOutput } from '../compiler/compare.js';
import { internal, Problem } from '../compiler/errors.js';
import type { Bounds, Division } from '../compiler/golden-bounds.js';
import { parseGolden } from '../compiler/golden.js';
import type { ByteSource } from '../compiler/io.js';
import { matchRows } from '../compiler/match-rows.js';
import { nodeRunner } from '../compiler/node/runner.js';
import { describeFallBacks, missedProvider } from '../compiler/provider-report.js';
import type { Kernel, Ran, Runner, Tensor } from '../compiler/runner.js';
import { reportExitCode, verifyGolden, verifyGoldens, type VerifyReport } from '../compiler/verify.js';
import { memorySource, moduleGolden, onnxModel, problemOfAsync } from './made-files.js';

const zeros = [0, 0, 0, 0, 0, 0, 0, 0];
const counting = [0, 1, 2, 3, 4, 5, 6, 7];

function tensor(shape: readonly number[], values: readonly number[]): Tensor {
  return { shape, data: Float32Array.from(values) };
}

const whole: Division = { axis: -1, parts: [{ name: 'y', meaning: 'features', f32Error: 0 }], partOf: [0] };
const split: Division = {
  axis: 1,
  parts: [{ name: 'y[boxes]', meaning: 'pixels', f32Error: 0 }, { name: 'y[scores]', meaning: 'probability', f32Error: 0 }],
  partOf: [0, 0, 1],
};

function bounds(division: Division, atol?: number): Bounds {
  return { division, arithmetic: 'float32', tolerance: { atol } };
}

describe('comparing', () => {
  test('equal', () => {
    const y = tensor([1, 2, 2], [1, -2, 3, 0]);
    expect(compareOutput('y', y, y, bounds(whole))).toEqual({ name: 'y', shape: [1, 2, 2], maxAbs: 0, maxRel: 0, cosine: 1, bound: expect.closeTo(3e-5, 12), ok: true, worst: [0, 0, 0] });
  });

  test('a difference: its size, place and bound', () => {
    const result = compareOutput('y', tensor([2, 2], [1, -2, 4, 0]), tensor([2, 2], [1, -2.5, 4, 0]), bounds(whole));
    expect(result).toMatchObject({ maxAbs: 0.5, maxRel: 0.125, bound: 4e-5, ok: false, worst: [0, 1] });
    expect(result.cosine).toBeCloseTo(22 / Math.sqrt(21 * 23.25), 12);
    expect(compareOutput('y', tensor([2, 2], [1, -2, 4, 0]), tensor([2, 2], [1, -2.5, 4, 0]), bounds(whole, 0.5)).ok).toBe(true);
  });

  test.each([NaN, Infinity, -Infinity])('%d fails, under any bound', (bad) => {
    const result = compareOutput('y', tensor([3], [1, 2, 3]), tensor([3], [1, bad, 3]), bounds(whole, 1e30));
    expect(result).toMatchObject({ maxAbs: Infinity, ok: false, notFinite: 1, worst: [1] });
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ maxAbs: null });
    expect(Number.isFinite(result.cosine)).toBe(true);
  });

  test('all NaN', () => {
    expect(compareOutput('y', tensor([2], [1, 2]), tensor([2], [NaN, NaN]), bounds(whole))).toMatchObject({ ok: false, notFinite: 2, cosine: 0 });
  });

  test('all zero', () => {
    expect(compareOutput('y', tensor([2], [0, 0]), tensor([2], [0, 0]), bounds(whole))).toMatchObject({ ok: true, cosine: 1, maxRel: 0 });
    expect(compareOutput('y', tensor([2], [0, 0]), tensor([2], [1, 0]), bounds(whole))).toMatchObject({ ok: false, cosine: 0 });
  });

  test('another shape', () => {
    const result = compareOutput('y', tensor([1, 4], [1, 2, 3, 4]), tensor([4], [1, 2, 3, 4]), bounds(whole));
    expect(result).toMatchObject({ ok: false, message: 'the shape is [4], the golden has [1, 4]' });
  });

  test('each part has its own bound', () => {
    const want = tensor([2, 3, 2], [10, 20, 30, 40, 0.1, 0.2, 10, 20, 30, 40, 0.1, 0.2]);
    const got = tensor([2, 3, 2], [10, 20, 30, 40.001, 0.1, 0.2, 10, 20, 30, 40, 0.1, 0.20001]);
    const result = compareOutput('y', want, got, bounds(split));
    expect(result.ok).toBe(false);
    expect(result.parts!.map(({ name, ok, bound, worst }) => ({ name, ok, bound, worst }))).toEqual([
      { name: 'y[boxes]', ok: true, bound: 2e-3, worst: [0, 1, 1] },
      { name: 'y[scores]', ok: false, bound: 5e-6, worst: [1, 2, 1] },
    ]);
    // The output's own figures are those of its worst element.
    expect(result).toMatchObject({ bound: 2e-3, worst: [0, 1, 1] });
  });

  test('rows of a top-k are compared as sets, within an image', () => {
    const rows: Division = { axis: 2, parts: split.parts, partOf: [0, 1] };
    const want = tensor([2, 3, 2], [1, 0.9, 2, 0.9, 3, 0.8, 5, 0.1, 6, 0.1, 7, 0.1]);
    const got = tensor([2, 3, 2], [2, 0.9, 1, 0.9, 3, 0.8, 7, 0.1, 5, 0.1, 6, 0.1]);
    expect(matchRows(want, got, bounds(rows)).data).toEqual(want.data);
    const crossed = tensor([2, 3, 2], [5, 0.1, 1, 0.9, 3, 0.8, 7, 0.1, 2, 0.9, 6, 0.1]);
    expect(compareOutput('y', want, matchRows(want, crossed, bounds(rows)), bounds(rows)).ok).toBe(false);
    const lost = tensor([2, 3, 2], [NaN, 0.9, 1, 0.9, 3, 0.8, 7, 0.1, 5, 0.1, 6, 0.1]);
    expect(compareOutput('y', want, matchRows(want, lost, bounds(rows)), bounds(rows))).toMatchObject({ ok: false, notFinite: 1 });
  });
});

/** A runner that gives the same output whatever it is fed. */
function fixed(y: Tensor, given: Partial<Ran> = {}): Runner {
  const ran: Ran = { nodes: { CPUExecutionProvider: 1 }, kernels: [], copies: 0, fellBack: [], notes: [], ...given };
  return {
    open: () =>
      Promise.resolve({
        inputs: [{ name: 'images', shape: ['N', 2, 2, 2], type: 'float32' }],
        outputs: [{ name: 'output0', shape: y.shape, type: 'float32' }],
        run: () => Promise.resolve(new Map([['output0', y]])),
        survey: () => Promise.resolve(new Map()),
        finish: () => Promise.resolve(ran),
        close: () => Promise.resolve(),
      }),
    start: () => undefined,
    close: () => undefined,
  };
}

function verifyAll(goldens: readonly ByteSource[], runner: Runner, onNote?: (note: string) => void): Promise<VerifyReport> {
  return verifyGoldens({ goldens: goldens.map((golden) => () => golden), model: () => Promise.resolve(new Uint8Array(0)), runner, provider: 'auto', ...(onNote ? { onNote } : {}) });
}

describe('verifying', () => {
  const y = tensor([1, 2, 2, 2], counting);

  test('the report', async () => {
    const report = await verifyAll([moduleGolden(counting), moduleGolden(zeros)], fixed(y));
    expect(report).toMatchObject({ provider: { requested: 'auto', ran: ['CPUExecutionProvider'] }, passed: 1, failed: 1 });
    expect(report.cases[0]).toMatchObject({ case: 'Made__one', golden: 'made.safetensors', ok: true, outputs: [{ name: 'y', shape: [1, 2, 2, 2], maxAbs: 0, ok: true }] });
    expect(reportExitCode(report)).toBe(1);
    expect(reportExitCode(await verifyAll([moduleGolden(counting)], fixed(y)))).toBe(0);
  });

  test('a golden at fault fails its own case', async () => {
    const report = await verifyAll([memorySource(new Uint8Array(3), 'broken.safetensors'), moduleGolden(counting)], fixed(y));
    expect(report).toMatchObject({ passed: 1, failed: 1, cases: [{ case: 'broken.safetensors', ok: false, error: { code: 'bad-golden' } }, { ok: true }] });
    expect(reportExitCode(report)).toBe(2);
  });

  test('a missing provider, and faults of our own, are thrown', async () => {
    for (const thrown of [new Problem('missing-provider', 'none'), internal('odd'), new TypeError('odd')]) {
      const runner: Runner = { open: () => Promise.reject(thrown), start: () => undefined, close: () => undefined };
      await expect(verifyAll([moduleGolden(counting)], runner)).rejects.toBe(thrown);
    }
  });

  test('notes are told once; what ran and TF32 are reported', async () => {
    const notes: string[] = [];
    const ran = { nodes: { CPUExecutionProvider: 1, CUDAExecutionProvider: 5 }, tf32: true, notes: ['look'] };
    const near = tensor([1, 2, 2, 2], counting.map((value) => value * 1.001));
    const report = await verifyAll([moduleGolden(counting), moduleGolden(counting)], fixed(near, ran), (note) => notes.push(note));
    expect(notes).toEqual(['look']);
    expect(report).toMatchObject({ provider: { ran: ['CUDAExecutionProvider', 'CPUExecutionProvider'], tf32: true }, passed: 2 });
    // The same difference is too large for the CPU, and for CUDA without TF32.
    expect(await verifyAll([moduleGolden(counting)], fixed(near))).toMatchObject({ failed: 1 });
    expect(await verifyAll([moduleGolden(counting)], fixed(near, { ...ran, tf32: false }))).toMatchObject({ provider: { tf32: false }, failed: 1 });
  });

  test('nodes that ran elsewhere are counted by operator, and fail the report only where the provider is required', async () => {
    const kernel = (op: string, name: string): Kernel => ({ op, name, provider: 'CPUExecutionProvider', milliseconds: 1, inputs: [], outputs: [] });
    const ran = { nodes: { CUDAExecutionProvider: 7, CPUExecutionProvider: 3 }, copies: 2, tf32: false, fellBack: [kernel('Sign', 'model.1/Sign'), kernel('Resize', 'model.9/Resize'), kernel('Resize', 'model.12/Resize')] };
    const goldens = [moduleGolden(counting), moduleGolden(counting)];
    const run = (requireProvider: boolean): Promise<VerifyReport> => verifyGoldens({ goldens: goldens.map((golden) => () => golden), model: () => Promise.resolve(''), runner: fixed(y, ran), provider: 'cuda', requireProvider });
    const report = await run(false);
    expect(report.provider).toEqual({
      requested: 'cuda', ran: ['CUDAExecutionProvider', 'CPUExecutionProvider'], nodes: { CUDAExecutionProvider: 14, CPUExecutionProvider: 6 }, copies: 4, tf32: false,
      fellBack: [
        { op: 'Resize', provider: 'CPUExecutionProvider', nodes: 4, first: { case: 'Made__one', node: 'model.9/Resize' } },
        { op: 'Sign', provider: 'CPUExecutionProvider', nodes: 2, first: { case: 'Made__one', node: 'model.1/Sign' } },
      ],
    });
    expect(reportExitCode(report)).toBe(0);
    expect(describeFallBacks(report.provider)).toBe('6 nodes did not run on cuda: Resize 4 (first model.9/Resize), Sign 2 (first model.1/Sign)');
    const required = await run(true);
    expect([missedProvider(required.provider), reportExitCode(required), required.passed]).toEqual([true, 1, 2]);
  });

  test('what is said of nodes that all ran on the CPU', () => {
    const fellBack = [{ op: 'Conv', provider: 'CPUExecutionProvider', nodes: 4, first: { case: 'a', node: 'b' } }];
    const provider = { requested: 'auto', ran: ['CPUExecutionProvider'], nodes: { CPUExecutionProvider: 4 }, fellBack } as const;
    // A note says why `auto` took the CPU.
    expect(describeFallBacks(provider)).toBeUndefined();
    expect(describeFallBacks({ ...provider, required: true })).toBe('no node ran on cuda');
    expect(describeFallBacks({ ...provider, requested: 'webgpu' })).toBe('no node ran on webgpu');
    expect(describeFallBacks({ requested: 'cpu', ran: [], nodes: {} })).toBeUndefined();
  });

  test('a golden that does not belong to the model', async () => {
    const runner = fixed(y);
    const session = await runner.open('', 'cpu');
    const withInputs = (inputs: typeof session.inputs): Runner => ({ open: () => Promise.resolve({ ...session, inputs }), start: () => undefined, close: () => undefined });
    const golden = parseGolden(moduleGolden(counting));
    const wrongSize = await problemOfAsync(verifyGolden(golden, '', withInputs([{ name: 'images', shape: [1, 3, 640, 640], type: 'float32' }]), { provider: 'cpu' }));
    expect(wrongSize).toMatchObject({ code: 'bad-golden', message: 'golden made.safetensors has x as [1, 2, 2, 2], the model takes images as [1, 3, 640, 640]' });
    const wrongCount = await problemOfAsync(verifyGolden(golden, '', withInputs([...session.inputs, ...session.inputs]), { provider: 'cpu' }));
    expect(wrongCount.message).toContain('has 1 inputs (x), the model 2');
    const noOutput: Runner = { open: () => Promise.resolve({ ...session, outputs: [] }), start: () => undefined, close: () => undefined };
    expect((await problemOfAsync(verifyGolden(golden, '', noOutput, { provider: 'cpu' }))).message).toContain('has 1 outputs (y), the model 0');
  });

  test('in onnxruntime', async () => {
    const golden = parseGolden(moduleGolden(counting.map((value) => 1 / (1 + Math.exp(-value)))));
    const right = await verifyGolden(golden, onnxModel({ op: 'Sigmoid' }), nodeRunner(), { provider: 'cpu' });
    expect(right).toMatchObject({ result: { ok: true }, ran: { nodes: { CPUExecutionProvider: 1 }, notes: [], fellBack: [] } });
    expect(right.result.outputs[0]!.maxAbs).toBeLessThan(1e-6);
    const wrong = await verifyGolden(golden, onnxModel({ op: 'Tanh' }), nodeRunner(), { provider: 'cpu' });
    expect(wrong.result).toMatchObject({ ok: false, outputs: [{ worst: [0, 0, 0, 0], maxAbs: 0.5 }] });
    const nan = await verifyGolden(golden, onnxModel({ op: 'Log' }), nodeRunner(), { provider: 'cpu' });
    expect(nan.result.outputs[0]).toMatchObject({ ok: false, notFinite: 1, maxAbs: Infinity });
  });
});
