/**
 * fixtures/checkpoints: `<name>.pt` as PyTorch wrote it, `<name>.safetensors` with PyTorch's numbers (fixtures/README.md).
 * The golden's metadata says what the file holds, and in `options` what a user must give: `YAML` where it has no yaml.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import onnxProto from 'onnx-proto';
import { compile, listWeights, type CompileOptions, type CompileResult, type WeightsListing } from '../compiler/index.js';
import { parseGolden } from '../compiler/golden.js';
import { openSafetensors } from '../compiler/weights/safetensors.js';
import { memorySource } from './made-files.js';

const { onnx } = onnxProto;
const root = 'fixtures/checkpoints';
const names = readdirSync(root).filter((file) => file.endsWith('.pt')).map((file) => file.slice(0, -'.pt'.length));

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-checkpoints-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Case {
  readonly file: string;
  readonly golden: string;
  readonly yaml: string;
  /** Whether the file tells its model. */
  readonly whole: boolean;
  readonly holds: string;
  readonly container: string;
  readonly parameters: number;
  readonly keyMap: readonly string[];
  readonly options: Partial<CompileOptions>;
}

function caseOf(name: string): Case {
  const golden = `${root}/${name}.safetensors`;
  const source = memorySource(readFileSync(golden), golden);
  const { metadata } = openSafetensors(source);
  const parsed = parseGolden(source);
  if (parsed.kind !== 'checkpoint' || parsed.weights.from !== 'checkpoint') throw new Error(`${golden} is no golden of a checkpoint`);
  const words = JSON.parse(metadata.get('options')!) as string[];
  const valuesOf = (option: string): string[] => words.flatMap((word, i) => (word === option ? [words[i + 1]!] : []));
  const [scale] = valuesOf('--scale');
  const aliases = Object.fromEntries(valuesOf('--alias').map((alias) => alias.split('=') as [string, string]));
  return {
    file: `${root}/${parsed.weights.file}`,
    golden,
    yaml: parsed.yaml,
    whole: !words.includes('YAML'),
    holds: metadata.get('holds')!,
    container: metadata.get('container')!,
    parameters: Number(metadata.get('params')),
    keyMap: valuesOf('--key-map'),
    options: { imgsz: parsed.imgsz, batch: parsed.batch, aliases, hash: false, ...(scale === undefined ? {} : { scale }) },
  };
}

/** Compiled alone, or with the yaml that the golden has. */
async function compiled(given: Case, file: string, yaml: 'own' | 'beside', more: Partial<CompileOptions> = {}): Promise<CompileResult> {
  return yaml === 'own' ? compile({ ...given.options, ...more, model: file }) : compile({ ...given.options, ...more, model: { file: 'golden.yaml', text: given.yaml }, weights: file });
}

const keyMapOf = ({ keyMap }: Case): Pick<CompileOptions, 'keyMap'> => (keyMap.length === 0 ? {} : { keyMap });
const waysOf = ({ whole }: Case): readonly ('own' | 'beside')[] => (whole ? ['own', 'beside'] : ['beside']);

/** All that runs: nodes and numbers, without what only describes the file. */
function graphOf({ model }: CompileResult): unknown {
  return onnx.GraphProto.toObject(onnx.GraphProto.fromObject(onnx.ModelProto.decode(model!).graph!), { bytes: String });
}

/** What PyTorch saves and nothing reads. */
const counters = ({ tensors }: WeightsListing): string[] => tensors.map(({ name }) => name).filter((name) => name.endsWith('.num_batches_tracked'));

test('every file here is a checkpoint or its golden', () => {
  expect(readdirSync(root).sort()).toEqual(names.flatMap((name) => [`${name}.pt`, `${name}.safetensors`]).sort());
  expect(names.length).toBeGreaterThan(0);
});

describe.each(names)('%s', (name) => {
  const given = caseOf(name);

  test('is what the golden says', async () => {
    expect(given.file).toBe(`${root}/${name}.pt`);
    const { container, holds, totals, tensors } = await listWeights({ file: given.file });
    expect({ container, holds }).toEqual({ container: given.container, holds: given.holds });
    expect(totals.elements).toBeGreaterThanOrEqual(given.parameters);
    expect(tensors.map(({ name: key }) => key).filter((key) => !/^model\.\d+\./.test(key))).toEqual([]);
  });

  test.each(waysOf(given))('gives PyTorch’s numbers; yaml: %s', async (yaml) => {
    const { verification, weights, parameters } = await compiled(given, given.file, yaml, { ...keyMapOf(given), verify: [given.golden], provider: 'cpu' });
    expect(verification!.cases.flatMap(({ outputs }) => outputs).filter(({ ok }) => !ok)).toEqual([]);
    expect(verification!.failed).toBe(0);
    expect(parameters).toBe(given.parameters);
    expect(weights).toEqual({ file: given.file, holds: given.holds, unused: counters(await listWeights({ file: given.file })) });
  });

  test('as safetensors is the same model', async () => {
    const to = join(folder, `${name}.safetensors`);
    const { output } = await listWeights({ file: given.file, to, ...keyMapOf(given) });
    expect(output).toBe(to);
    for (const yaml of waysOf(given)) expect(graphOf(await compiled(given, to, yaml))).toEqual(graphOf(await compiled(given, given.file, yaml, keyMapOf(given))));
  });
});
