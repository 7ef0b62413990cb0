/** Custom operators in their three forms: what is written, that all compute the same, and how opaque files are verified. */
import { describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import { compile, verify, type CompileOptions, type ModuleRequest, type VerifyReport } from '../compiler/index.js';
import { factsOf } from '../compiler/node/onnx-file.js';
import { readModel } from '../compiler/node/read-model.js';
import { examples, numbersFor } from './examples.js';
import { difference, runModel, type Numbers } from './graphs.js';
import { problemOfAsync } from './made-files.js';

const { onnx } = onnxProto;
type CustomOps = NonNullable<CompileOptions['customOps']>;
type Decoded = onnxProto.onnx.ModelProto;

const bytesOf = async (options: CompileOptions): Promise<Uint8Array> => (await compile({ hash: false, ...options })).model!;
const decoded = async (options: CompileOptions): Promise<Decoded> => onnx.ModelProto.decode(await bytesOf(options));

const soca: ModuleRequest = { module: 'SOCA', args: '[64]', inputs: [[1, 64, 16, 16]] };
const socaGolden = 'fixtures/goldens/modules/SOCA__sq64.safetensors';
/** Two SOCAs of different channels, then two copies of the second. */
const twoSocas = {
  file: 'two.yaml',
  text: 'nc: 2\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, SOCA, [16]]\n  - [-1, 1, Conv, [32, 3, 2]]\n  - [-1, 1, SOCA, [32]]\n  - [-1, 2, SOCA, [32]]\nhead:\n  - [[-1], 1, Detect, [nc]]\n',
};

/** Nodes that are not ONNX's own: domain, name, attributes. */
const customNodes = ({ graph }: Decoded): (readonly [string, string, Readonly<Record<string, number>>])[] =>
  graph!.node!.filter(({ domain }) => domain).map(({ domain, opType, attribute }) => [domain!, opType!, Object.fromEntries(attribute!.map(({ name, i }) => [name!, Number(i)]))]);

const functionNames = ({ functions }: Decoded): string[] => functions.map(({ domain, name }) => `${domain!}::${name!}`);

const metadataOf = ({ metadataProps }: Decoded): string | undefined => metadataProps.find(({ key }) => key === 'custom_ops')?.value ?? undefined;

interface Case {
  readonly module: string;
  readonly args: string;
  readonly inputs: readonly (readonly number[])[];
  /** The sizes that a file with open ones is run at; absent where sizes cannot be open. */
  readonly others?: readonly (readonly number[])[];
}

const map = [[1, 16, 6, 8]];
const otherMap = [[2, 16, 7, 4]];
/** [q_size, n_heads, n_groups, attn_drop, proj_drop, stride, offset_range_factor, use_pe, dwc_pe, no_off, fixed_pe, ksize, log_cpb] */
const attention = (rest: string): Case => ({ module: 'DAttention', args: `[[6, 8], 4, 2, 0, 0, ${rest}]`, inputs: map, others: otherMap });
const sample = (args: string): Case => ({ module: 'DeformableSample', args, inputs: [[1, 3, 5, 6], [1, 4, 7, 2]], others: [[2, 3, 9, 2], [2, 3, 5, 2]] });

const cases: Readonly<Record<string, Case>> = {
  SOCA: { module: 'SOCA', args: '[16, 4]', inputs: map, others: otherMap },
  C3_DAttention: { module: 'C3_DAttention', args: '[16, [6, 8]]', inputs: map, others: otherMap },
  'DAttention, defaults': attention('1, 4'),
  'DAttention, offsets that end at the edge': attention('1, -1'),
  'DAttention, stride 2': attention('2, 4, False'),
  'DAttention, a table of distances': attention('1, 4, True, False'),
  'DAttention, a table of pairs': { module: 'DAttention', args: '[[6, 8], 4, 2, 0, 0, 1, 4, True, False, False, True]', inputs: map },
  'DAttention, an MLP of distances': attention('1, 4, True, False, False, False, 3, True'),
  Covpool: { module: 'Covpool', args: '[]', inputs: map, others: otherMap },
  Sqrtm: { module: 'Sqrtm', args: '[3]', inputs: [[2, 6, 6]], others: [[3, 6, 6]] },
  'Sqrtm, one iteration': { module: 'Sqrtm', args: '[1]', inputs: [[1, 5, 5]], others: [[2, 5, 5]] },
  'DeformableSample, defaults': sample('[]'),
  'DeformableSample, nearest in the border': sample("['nearest', 'border', True]"),
  'DeformableSample, reflected': sample("['bilinear', 'reflection', False]"),
};

describe('all forms compute the same', () => {
  for (const [name, { module, args, inputs, others }] of Object.entries(cases)) {
    test.each([11, 17, 20])(`${name}, opset %d`, async (opset) => {
      for (const dynamic of others ? (['none', 'all'] as const) : (['none'] as const)) {
        const form = (customOps: CustomOps): Promise<Uint8Array> => bytesOf({ module: { module, args, inputs }, opset, dynamic, customOps });
        const feeds = numbersFor(examples.find(({ file }) => file === module)!, dynamic === 'all' ? others! : inputs, opset);
        const run = (model: Uint8Array): Promise<Numbers[]> => runModel(model, feeds);
        const want = await run(await form({ form: 'inline' }));
        expect(want.every(({ data }) => data.every(Number.isFinite))).toBe(true);
        for (const [i, got] of (await run(await form({ form: 'function' }))).entries()) expect({ dynamic, difference: difference(want[i]!, got) }).toEqual({ dynamic, difference: 0 });
        // The twins leave all sizes open, so that shares of positions are computed when they are run.
        const opaque = await form({ form: 'opaque', domain: 'acme' });
        const { twin } = await factsOf(readModel(opaque));
        for (const [i, got] of (await run(Buffer.concat([opaque, twin!.append]))).entries()) expect(difference(want[i]!, got)).toBeLessThan(2e-6);
      }
    });
  }

  test('no offsets: nothing is sampled, so that all forms are one file', async () => {
    const form = async (customOps: CustomOps): Promise<Decoded> => decoded({ module: { module: 'DAttention', args: '[[6, 8], 4, 2, 0, 0, 1, 4, False, True, True]', inputs: map }, customOps });
    const [inline, ...others] = [await form({ form: 'inline' }), await form({ form: 'function' }), await form({ form: 'opaque' })];
    for (const other of others) {
      expect(other).toEqual(inline);
      expect([customNodes(other), other.functions, metadataOf(other)]).toEqual([[], [], undefined]);
    }
  });

  test('a table of pairs is for one size: heights and widths cannot stay open', async () => {
    const { args } = cases['DAttention, a table of pairs']!;
    for (const form of ['inline', 'function', 'opaque'] as const) {
      const problem = await problemOfAsync(compile({ module: { module: 'DAttention', args, inputs: map }, dynamic: 'all', customOps: { form } }));
      expect(problem).toMatchObject({ code: 'bad-shape', message: 'fixed_pe has a learnt table for a map of 6 × 8: height and width cannot stay open', help: expect.stringContaining('--dynamic batch') });
      await compile({ module: { module: 'DAttention', args, inputs: map }, dynamic: 'batch', customOps: { form } });
    }
  });
});

describe('functions', () => {
  const expected: Readonly<Record<string, readonly string[]>> = { SOCA: ['Covpool', 'Sqrtm'], Covpool: ['Covpool'], Sqrtm: ['Sqrtm'] };

  test.each(Object.entries(cases))('%s', async (_, { module, args, inputs, others }) => {
    for (const opset of [11, 17, 20]) {
      for (const dynamic of others ? (['none', 'all'] as const) : (['none'] as const)) {
        const model = await decoded({ module: { module, args, inputs }, opset, dynamic, customOps: { form: 'function', domain: 'acme' } });
        const names = expected[module] ?? ['DeformableSample'];
        expect(functionNames(model)).toEqual(names.map((name) => `acme::${name}`));
        expect(customNodes(model)).toEqual(names.map((name) => ['acme', name, {}]));
        expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([['', opset], ['acme', 1]]);
        // Functions came with IR version 8.
        expect(Number(model.irVersion)).toBeGreaterThanOrEqual(8);
        expect(metadataOf(model)).toBeUndefined();
        for (const { input, output, attribute, node, opsetImport } of model.functions) {
          // Values have names of the body alone, each made once.
          const values = [...input!, ...node!.flatMap((each) => each.output!)];
          expect(values.length).toBe(new Set(values).size);
          expect(values.filter((name) => name === '' || name.includes('.'))).toEqual([]);
          expect([attribute, opsetImport!.map(({ domain, version }) => [domain, Number(version)]), node!.filter(({ domain }) => domain)]).toEqual([[], [['', opset]], []]);
          const made = new Set(input);
          for (const each of node!) {
            expect(each.input!.filter((name) => name !== '' && !made.has(name))).toEqual([]);
            for (const name of each.output!) made.add(name);
          }
          expect(output!.filter((name) => !made.has(name))).toEqual([]);
        }
      }
    }
  });

  test.each(['none', 'batch', 'all'] as const)('of other channels get a number, equal ones are shared; open sizes: %s', async (dynamic) => {
    const model = await decoded({ model: twoSocas, imgsz: [32, 64], dynamic, customOps: { form: 'function' } });
    expect(functionNames(model)).toEqual(['Covpool', 'Sqrtm', 'Covpool_2', 'Sqrtm_2'].map((name) => `yolonnx::${name}`));
    expect(customNodes(model).map(([, name]) => name)).toEqual(['Covpool', 'Sqrtm', 'Covpool_2', 'Sqrtm_2', 'Covpool_2', 'Sqrtm_2', 'Covpool_2', 'Sqrtm_2']);
  });

  test('sampling is one function where it is an operator, and one for every size where it is arithmetic', async () => {
    const row = (channels: number): string => `  - [-1, 1, Conv, [${channels}, 3, 2]]\n  - [-1, 2, C3_DAttention, [${channels}, [16, 16]]]\n`;
    const model = { file: 'two.yaml', text: `nc: 2\nbackbone:\n${row(16)}${row(32)}head:\n  - [[-1], 1, Detect, [nc]]\n` };
    const names = async (opset: number): Promise<readonly string[]> => customNodes(await decoded({ model, imgsz: [32, 64], opset, customOps: { form: 'function' } })).map(([, name]) => name);
    const [one, two] = ['DeformableSample', 'DeformableSample_2'];
    expect(await names(16)).toEqual([one, one, one, one]);
    expect(await names(15)).toEqual([one, one, two, two]);
  });

  test('a model of them computes what it does inline', async () => {
    const inputs = numbersFor(examples[0]!, [[1, 3, 32, 64]], 0);
    const [want, got] = [await runModel(await bytesOf({ model: twoSocas, imgsz: [32, 64] }), inputs), await runModel(await bytesOf({ model: twoSocas, imgsz: [32, 64], customOps: { form: 'function' } }), inputs)];
    expect(difference(want[0]!, got[0]!)).toBe(0);
  });
});

describe('opaque nodes', () => {
  const samplingAttributes = (interpolation_mode: number, padding_mode: number, align_corners: number): Readonly<Record<string, number>> => ({ interpolation_mode, padding_mode, align_corners });

  test.each<[string, ModuleRequest, ReturnType<typeof customNodes>]>([
    ['SOCA', soca, [['trt', 'Covpool', {}], ['trt', 'MatrixSqrt', { iterN: 5 }]]],
    ['Sqrtm', { module: 'Sqrtm', args: '[7]', inputs: [[1, 4, 4]] }, [['trt', 'MatrixSqrt', { iterN: 7 }]]],
    ['C3_DAttention', { module: 'C3_DAttention', args: '[16, [6, 8]]', inputs: map, repeats: 2 }, [['trt', 'grid_sampler', samplingAttributes(0, 0, 1)], ['trt', 'grid_sampler', samplingAttributes(0, 0, 1)]]],
    ['DeformableSample', { module: 'DeformableSample', args: '[]', inputs: [[1, 3, 5, 6], [1, 4, 7, 2]] }, [['trt', 'grid_sampler', samplingAttributes(0, 0, 0)]]],
    ['grid_sample, nearest in the border', { module: 'grid_sample', args: "['nearest', 'border', True]", inputs: [[1, 3, 5, 6], [1, 4, 7, 2]] }, [['trt', 'grid_sampler', samplingAttributes(1, 1, 1)]]],
    ['grid_sample, reflected', { module: 'grid_sample', args: "['bilinear', 'reflection']", inputs: [[1, 3, 5, 6], [1, 4, 7, 2]] }, [['trt', 'grid_sampler', samplingAttributes(0, 2, 0)]]],
  ])('%s', async (_, module, nodes) => {
    const operators: Readonly<Record<string, string>> = { MatrixSqrt: 'Sqrtm', grid_sampler: 'DeformableSample' };
    for (const opset of [11, 17, 20]) {
      for (const dynamic of ['none', 'all'] as const) {
        const model = await decoded({ module, opset, dynamic, customOps: { form: 'opaque', domain: 'trt', names: { Sqrtm: 'MatrixSqrt', DeformableSample: 'grid_sampler' } } });
        expect(customNodes(model)).toEqual(nodes);
        expect(model.functions).toEqual([]);
        expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([['', opset], ['trt', 1]]);
        expect(JSON.parse(metadataOf(model)!)).toEqual(Object.fromEntries(nodes.map(([domain, name]) => [`${domain}::${name}`, operators[name] ?? name])));
      }
    }
  });

  test('two uses with other channels are one operator', async () => {
    const model = await decoded({ model: twoSocas, imgsz: [32, 32], customOps: { form: 'opaque' } });
    expect(customNodes(model).map(([, name]) => name)).toEqual(Array.from({ length: 4 }, () => ['Covpool', 'Sqrtm']).flat());
    expect(JSON.parse(metadataOf(model)!)).toEqual({ 'yolonnx::Covpool': 'Covpool', 'yolonnx::Sqrtm': 'Sqrtm' });
  });
});

describe('names and domains', () => {
  test.each<[string, CustomOps, RegExp, RegExp]>([
    ['an empty domain', { form: 'opaque', domain: '' }, /domain of custom operators must be a name such as yolonnx or mmdeploy, got ''/, /letters, digits/],
    ['the domain of ONNX', { form: 'function', domain: 'ai.onnx' }, /ai\.onnx is ONNX's own domain/, /mmdeploy/],
    ['a domain of two words', { form: 'opaque', domain: 'my ops' }, /got 'my ops'/, /./],
    ['a domain that starts with a digit', { form: 'opaque', domain: '3d' }, /got '3d'/, /./],
    ['another name inline', { form: 'inline', names: { Sqrtm: 'MatrixSqrt' } }, /another name for Sqrtm is for opaque operators, but these are inline/, /--custom-ops opaque/],
    ['another name of a function', { form: 'function', names: { Sqrtm: 'MatrixSqrt' } }, /but these are function/, /--custom-ops opaque/],
    ['an empty name', { form: 'opaque', names: { Sqrtm: '' } }, /the name for Sqrtm must be letters, digits and _, got ''/, /MatrixSqrt/],
    ['a name with a dot', { form: 'opaque', names: { Sqrtm: 'trt.sqrt' } }, /got 'trt\.sqrt'/, /MatrixSqrt/],
    ['two of one name', { form: 'opaque', names: { Covpool: 'Same', Sqrtm: 'Same' } }, /two custom operators would be called Same/, /^$/],
    ['a module', { form: 'opaque', names: { SOCA: 'Gate' } }, /SOCA is not a custom operator/, /Covpool, DeformableSample, Sqrtm/],
    ['an operator that is always inline', { form: 'opaque', names: { ChannelShuffle: 'Shuffle' } }, /ChannelShuffle is not a custom operator/, /Covpool/],
    ['nothing', { form: 'opaque', names: { toString: 'Text' } }, /toString is not a custom operator/, /Covpool/],
  ])('%s is refused', async (_, customOps, message, help) => {
    const problem = await problemOfAsync(compile({ module: soca, customOps }));
    expect(problem.code).toBe('bad-option');
    expect(problem.message).toMatch(message);
    expect(problem.help ?? '').toMatch(help);
  });

  test('two may change places, and one that is not used may have a name', async () => {
    const swapped = await decoded({ module: soca, customOps: { form: 'opaque', names: { Covpool: 'Sqrtm', Sqrtm: 'Covpool', DeformableSample: 'grid_sampler' } } });
    expect(customNodes(swapped)).toEqual([['yolonnx', 'Sqrtm', {}], ['yolonnx', 'Covpool', { iterN: 5 }]]);
    expect(JSON.parse(metadataOf(swapped)!)).toEqual({ 'yolonnx::Sqrtm': 'Covpool', 'yolonnx::Covpool': 'Sqrtm' });
  });
});

describe('verifying opaque files', () => {
  const opaque = { form: 'opaque', domain: 'acme' } as const;

  async function verified(model: Uint8Array, goldens: readonly string[] = [socaGolden]): Promise<{ report: VerifyReport; notes: readonly string[] }> {
    const notes: string[] = [];
    return { report: await verify({ model, goldens, provider: 'cpu', onNote: (note) => notes.push(note) }), notes };
  }

  test.each<[string, CompileOptions]>([
    ['as compiled by default', {}],
    ['opset 11', { opset: 11 }],
    ['opset 22', { opset: 22 }],
    ['open sizes', { dynamic: 'all' }],
    ['float16', { half: 'compute' }],
    ['without passes', { passes: [] }],
  ])('%s: the twins are run, which is said once', async (_, options) => {
    const model = await bytesOf({ module: soca, customOps: { ...opaque, names: { Sqrtm: 'MatrixSqrt' } }, ...options });
    const { report, notes } = await verified(model, [socaGolden, socaGolden]);
    expect(report).toMatchObject({ passed: 2, failed: 0, provider: { ran: ['CPUExecutionProvider'] } });
    expect(notes).toEqual(['onnxruntime has no kernels for acme::Covpool, acme::MatrixSqrt: the function twins of these opaque operators are run']);
  });

  test('names that changed places', async () => {
    const { report } = await verified(await bytesOf({ module: soca, customOps: { form: 'opaque', names: { Covpool: 'Sqrtm', Sqrtm: 'Covpool' } } }));
    expect(report).toMatchObject({ passed: 1, failed: 0 });
  });

  test('goldens compiled on the spot', async () => {
    const notes: string[] = [];
    const report = await verify({ goldens: [socaGolden, 'fixtures/goldens/modules/DAttention__rpe.safetensors'], provider: 'cpu', customOps: opaque, onNote: (note) => notes.push(note) });
    expect(report).toMatchObject({ passed: 2, failed: 0 });
    expect(notes.map((note) => /for (.*):/.exec(note)?.[1])).toEqual(['acme::Covpool, acme::Sqrtm', 'acme::DeformableSample']);
  });

  test('functions need no twins', async () => {
    const { report, notes } = await verified(await bytesOf({ module: soca, customOps: { form: 'function' } }));
    expect(report).toMatchObject({ passed: 1, failed: 0 });
    expect(notes).toEqual([]);
  });

  test('numbers that are wrong are seen', async () => {
    const model = onnx.ModelProto.decode(await bytesOf({ module: soca, customOps: opaque }));
    model.graph!.node!.find(({ opType }) => opType === 'Sqrtm')!.attribute![0]!.i = 2;
    expect((await verified(onnx.ModelProto.encode(model).finish())).report).toMatchObject({ passed: 0, failed: 1, cases: [{ ok: false, outputs: [{ name: 'y' }] }] });
  });

  /** The opaque file with other metadata; undefined: with none. */
  async function withMetadata(custom: string | undefined): Promise<Uint8Array> {
    const model = onnx.ModelProto.decode(await bytesOf({ module: soca, customOps: opaque }));
    model.metadataProps = [...model.metadataProps.filter(({ key }) => key !== 'custom_ops'), ...(custom === undefined ? [] : [{ key: 'custom_ops', value: custom }])];
    return onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish();
  }

  test.each<[string, string | undefined]>([
    ['none', undefined],
    ['empty', ''],
    ['no JSON', '{acme::Covpool: Covpool}'],
    ['a list', '["Covpool", "Sqrtm"]'],
    ['null', 'null'],
    ['a number', '5'],
    ['deep', '['.repeat(100_000)],
    ['values that are no names', '{"acme::Covpool": 5, "acme::Sqrtm": {"name": "Sqrtm"}}'],
    ['modules that are no operators', '{"acme::Covpool": "SE", "acme::Sqrtm": "Detect"}'],
    ['names of nothing', '{"acme::Covpool": "../../Covpool", "acme::Sqrtm": "constructor"}'],
    ['__proto__ as a key', '{"__proto__": "Covpool", "constructor": "Sqrtm"}'],
    ['__proto__ as a name', '{"acme::Covpool": "__proto__", "acme::Sqrtm": "__proto__"}'],
    ['nodes that are not there', '{"acme::Missing": "Covpool", "Covpool": "Covpool", "::Covpool": "Covpool"}'],
  ])('metadata at fault (%s): onnxruntime refuses the file, and what to do is said', async (_, custom) => {
    const { report, notes } = await verified(await withMetadata(custom));
    expect(report).toMatchObject({ passed: 0, failed: 1, cases: [{ ok: false, outputs: [], error: { code: 'bad-model', message: expect.stringMatching(/^onnxruntime cannot load the model: .*acme:Covpool/) } }] });
    expect(report.cases[0]!.error!.help).toBe('Opaque custom operators need a runtime with kernels for them; compile with --custom-ops inline or function to run it here.');
    expect(notes).toEqual([]);
  });

  test('metadata of one operator where the file has two', async () => {
    const { report } = await verified(await withMetadata('{"acme::Sqrtm": "Sqrtm"}'));
    expect(report.cases[0]).toMatchObject({ ok: false, error: { code: 'bad-model', help: expect.stringContaining('--custom-ops inline or function') } });
  });

  test('metadata of another operator', async () => {
    const { report } = await verified(await withMetadata('{"acme::Covpool": "Sqrtm", "acme::Sqrtm": "Covpool"}'));
    expect(report.cases[0]).toMatchObject({ ok: false, error: { code: 'bad-model' } });
  });

  test('metadata that says too much does no harm', async () => {
    const { report } = await verified(await withMetadata('{"acme::Covpool": "Covpool", "acme::Sqrtm": "Sqrtm", "acme::Missing": "Sqrtm", "x": 5}'));
    expect(report).toMatchObject({ passed: 1, failed: 0 });
  });
});

describe('what must not pass', () => {
  test('a name that another operator has', async () => {
    const problem = await problemOfAsync(compile({ module: soca, customOps: { form: 'opaque', names: { Covpool: 'Sqrtm' } } }));
    expect(problem).toMatchObject({ code: 'bad-option', message: 'two custom operators would be called Sqrtm' });
  });
  test.each<[string, unknown]>([['a word', 'opaque'], ['null', null], ['an unknown form', { form: 'plugin' }], ['null for names', { form: 'opaque', names: null }], ['a number for a domain', { domain: 5 }]])('%s for customOps is refused', async (_, customOps) => {
    expect((await problemOfAsync(compile({ module: soca, customOps: customOps as NonNullable<CompileOptions['customOps']> }))).code).toBe('bad-option');
  });
  test('a domain that onnxruntime checks itself', async () => {
    expect((await problemOfAsync(compile({ module: soca, customOps: { form: 'function', domain: 'ai.onnx.ml' } }))).code).toBe('bad-option');
  });

  async function changed(change: (model: onnxProto.onnx.ModelProto) => void): Promise<Uint8Array> {
    const model = onnx.ModelProto.decode((await compile({ module: soca, customOps: { form: 'opaque', domain: 'acme' } })).model!);
    change(model);
    return onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish();
  }
  const iterations = (value: number) => (model: onnxProto.onnx.ModelProto): void => void (model.graph!.node!.find(({ opType }) => opType === 'Sqrtm')!.attribute![0]!.i = value);
  const metadata = (value: string) => (model: onnxProto.onnx.ModelProto): void => void (model.metadataProps.find(({ key }) => key === 'custom_ops')!.value = value);
  const opset = (version: number) => (model: onnxProto.onnx.ModelProto): void => void (model.opsetImport.find(({ domain }) => !domain)!.version = version);
  test.each<[string, (model: onnxProto.onnx.ModelProto) => void]>([
    ['metadata of operators that are not custom', metadata('{"acme::Covpool": "ChannelShuffle", "acme::Sqrtm": "SpatialShift"}')],
    ['iterN 0', iterations(0)],
    ['iterN -5', iterations(-5)],
    ['iterN 65', iterations(65)], // 1000000 takes minutes and then all memory
    ['opset 7', opset(7)],
    ['no opset', (model) => void (model.opsetImport = model.opsetImport.filter(({ domain }) => domain))],
  ])('%s: the case fails as a bad model', async (_, change) => {
    const report = await verify({ model: await changed(change), goldens: [socaGolden], provider: 'cpu' });
    expect(report.cases[0]).toMatchObject({ ok: false, error: { code: 'bad-model' } });
  });
  test('metadata cannot speak of ONNX’s own operators', async () => {
    const notes: string[] = [];
    await verify({ model: await changed(metadata('{"::Relu": "Sqrtm", "acme::Covpool": "Covpool", "acme::Sqrtm": "Sqrtm"}')), goldens: [socaGolden], provider: 'cpu', onNote: (note) => notes.push(note) });
    expect(notes.join()).not.toContain('::Relu');
  });
});

