/**
 * Goldens on onnxruntime's WebGPU provider: a second implementation of every operator, in float32. It needs no GPU, only
 * a Vulkan driver; software will do, such as the SwiftShader that Chromium brings
 * (VK_ICD_FILENAMES=<Chromium's folder>/vk_swiftshader_icd.json).
 */
import { expect, test } from '@jest/globals';
import { verify } from '../compiler/index.js';
import { probeProvider } from '../compiler/node/providers.js';

/** Each module that the project began with and some plain layers, where they are smallest: what takes time is compiling shaders. */
const modules = [
  'CBAM__b3_r4_k3_9x1', 'CoordAtt__c8_r64', 'CrissCrossAttention__9x1_c8', 'DAttention__nooff_clamp_1x1', 'DoubleAttention__third_zero_norec',
  'ECA__k9_c8', 'EfficientAttention__no_kernels_w2', 'EMA__v5_f2_9x1', 'grid_sample__out_of_range', 'NAMAttention__odd7x5_c24', 'PSA__1x1',
  'S2Attention__odd7x5_c24', 'SE__ul_1x1', 'ShuffleAttention__G3_c24', 'SimAM__b3_1x2', 'SKAttention__k33_same_L5', 'SOCA__rank1_c24_1x2',
  'SplAtConv2d__radix3_g2', 'Sqrtm__n8_it1_cond1e2', 'Upsample__v5_x3', 'C2f__ul_n1', 'SPP__v5_k5_one',
];

/** One head of each family. */
const models = ['m_v5_dwconv_flipped_anchors', 'm_ul_regmax8'];

const state = await probeProvider('webgpu');
if (!state.usable) console.warn(`WebGPU is not usable here, so it is not tested: ${state.reason ?? 'unknown reason'}`);

(state.usable ? test : test.skip).each([['modules', modules], ['models', models]] as const)('%s within their bounds', async (folder, names) => {
  const report = await verify({ goldens: names.map((name) => `fixtures/goldens/${folder}/${name}.safetensors`), provider: 'webgpu' });
  const failures = report.cases.filter(({ ok }) => !ok).map(({ case: name, error, outputs }) => `${name}: ${error?.message ?? outputs.map(({ maxAbs, bound }) => `${maxAbs} > ${bound}`).join(', ')}`);
  expect(failures).toEqual([]);
  expect(report.passed).toBe(names.length);
  expect(report.provider).toMatchObject({ requested: 'webgpu', ran: expect.arrayContaining(['WebGpuExecutionProvider']) });
}, 180_000);
