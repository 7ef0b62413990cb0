/**
 * Goldens on onnxruntime's WebGPU provider: a second implementation of every operator, in float32. It needs no GPU, only
 * a Vulkan driver; software will do: Mesa's (22.3 lacks what Dawn asks for), or the SwiftShader that Chromium brings.
 */
import { existsSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { verify } from '../compiler/index.js';
import { probeProvider } from '../compiler/node/providers.js';
import { runIn } from './command-line.js';

/** Each module that the project began with and some plain layers, where they are smallest: what takes time is compiling shaders. */
const modules = [
  'CBAM__b3_r4_k3_9x1', 'CoordAtt__c8_r64', 'CrissCrossAttention__9x1_c8', 'DAttention__nooff_clamp_1x1', 'DoubleAttention__third_zero_norec',
  'ECA__k9_c8', 'EfficientAttention__no_kernels_w2', 'EMA__v5_f2_9x1', 'grid_sample__out_of_range', 'NAMAttention__odd7x5_c24', 'PSA__1x1',
  'S2Attention__odd7x5_c24', 'SE__ul_1x1', 'ShuffleAttention__G3_c24', 'SimAM__b3_1x2', 'SKAttention__k33_same_L5', 'SOCA__rank1_c24_1x2',
  'SplAtConv2d__radix3_g2', 'Sqrtm__n8_it1_cond1e2', 'Upsample__v5_x3', 'C2f__ul_n1', 'SPP__v5_k5_one',
];

/** One head of each family. */
const models = ['m_v5_dwconv_flipped_anchors', 'm_ul_regmax8'];

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** The machine's own driver where it has one, else software. */
function chooseDriver(): void {
  const { providers } = JSON.parse(runIn('.', ['doctor', '--json']).out) as { providers: readonly { provider: string; usable: boolean }[] };
  const usable = providers.some(({ provider, usable: works }) => provider === 'webgpu' && works);
  if (!usable && existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;
}

chooseDriver();
const state = await probeProvider('webgpu');
if (!state.usable) console.warn(`WebGPU is not usable here, so it is not tested: ${state.reason ?? 'unknown reason'}`);

const file = (folder: string, name: string): string => `fixtures/goldens/${folder}/${name}.safetensors`;

(state.usable ? describe : describe.skip)('on WebGPU', () => {
  test.each([['modules', modules], ['models', models]] as const)('%s are within their bounds', async (folder, names) => {
    const report = await verify({ goldens: names.map((name) => file(folder, name)), provider: 'webgpu', requireProvider: true });
    const failures = report.cases.filter(({ ok }) => !ok).map(({ case: name, error, outputs }) => `${name}: ${error?.message ?? outputs.map(({ maxAbs, bound }) => `${maxAbs} > ${bound}`).join(', ')}`);
    expect(failures).toEqual([]);
    expect(report.passed).toBe(names.length);
    expect(report.provider).toMatchObject({ requested: 'webgpu', ran: ['WebGpuExecutionProvider'], required: true });
    expect(report.provider).not.toHaveProperty('fellBack');
    expect(report.provider.nodes.WebGpuExecutionProvider).toBeGreaterThan(names.length);
  }, 180_000);

  test('an operator without a kernel runs on the CPU: it is told, and fails where the provider is required', () => {
    // Its positions are taken to the logarithm with their sign.
    const args = ['verify', '--golden', file('modules', 'DAttention__log_cpb'), '--provider', 'webgpu'];
    const told = runIn('.', [...args, '--json']);
    const { provider } = JSON.parse(told.out) as { provider: { nodes: Record<string, number>; fellBack?: object[]; copies?: number } };
    expect(told.code).toBe(0);
    expect(provider.nodes.WebGpuExecutionProvider).toBeGreaterThan(0);
    expect(provider.copies).toBeGreaterThan(0);
    expect(provider.fellBack).toEqual([expect.objectContaining({ op: 'Sign', provider: 'CPUExecutionProvider', nodes: 1 })]);
    const required = runIn('.', [...args, '--require-provider']);
    expect(required.code).toBe(1);
    expect(required.out).toMatch(/FAILED: 1 node did not run on webgpu: Sign 1 \(first Sign\)/);
  }, 180_000);
});
