/** The command line as a real process. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CompileResult, Summary, VerifyReport } from '../compiler/index.js';
import type { ModuleEntry } from '../compiler/node/modules.js';
import { main, runIn, type Ended } from './command-line.js';

const models = resolve('fixtures/models');
const goldens = resolve('fixtures/goldens');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'yolonnx-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const yolonnx = (...args: readonly string[]): Ended => runIn(folder, args);

const files = (): string[] => readdirSync(folder).sort();

/** Nothing of ours is a user's business. */
const isPlain = ({ err }: Ended): boolean => !/\bat .*\(.*:\d+:\d+\)|node:internal/.test(err);

describe('compile', () => {
  test('writes the file, says one line on stdout and nothing on stderr', () => {
    const { code, out, err } = yolonnx('compile', `${models}/yolov5n.yaml`, '--imgsz', '64', '96', '-o', 'n.onnx');
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(/^n\.onnx {2}7\.\d MB {2}opset 17, IR 8 {2}\d+ nodes {2}1872157 parameters {2}[\d.]+ s\n$/);
    expect(files()).toEqual(['n.onnx']);
  });

  test('--json is one document that says what is in the file', () => {
    const { code, out } = yolonnx('compile', `${models}/yolov8-ema.yaml`, '--scale', 'n', '--imgsz', '64x96', '--dynamic', 'batch', '--opset', '18', '--nc', '2', '--names', 'cat,dog', '-o', 'ema.onnx', '--json');
    expect(code).toBe(0);
    const result = JSON.parse(out) as CompileResult;
    const bytes = readFileSync(join(folder, 'ema.onnx'));
    expect(result).toMatchObject({ output: 'ema.onnx', bytes: bytes.length, opset: 18, irVersion: 8, warnings: [] });
    expect(result.inputs).toEqual([{ name: 'images', dtype: 'float32', shape: ['batch', 3, 64, 96] }]);
    expect(result.outputs).toEqual([{ name: 'output0', dtype: 'float32', shape: ['batch', 6, 126] }]);
    expect(result.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(result.gflops).toBeGreaterThan(0);
    expect(bytes.includes("{0: 'cat', 1: 'dog'}")).toBe(true);
  });

  test('--external-data always: two files, both in the line and in --json', () => {
    mkdirSync(join(folder, 'two'));
    const args = ['compile', `${models}/yolov5n.yaml`, '--imgsz', '64', '--external-data', 'always', '-o', 'two/n.onnx'];
    const { code, out, err } = yolonnx(...args);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^two\/n\.onnx {2}\d\d\.\d kB \+ two\/n\.onnx\.data {2}7\.\d MB {2}opset 17, IR 8 {2}/);
    expect(readdirSync(join(folder, 'two')).sort()).toEqual(['n.onnx', 'n.onnx.data']);
    const result = JSON.parse(yolonnx(...args, '--json').out) as CompileResult;
    const sizes = ['n.onnx', 'n.onnx.data'].map((name) => readFileSync(join(folder, 'two', name)).length);
    expect(result).toMatchObject({ bytes: sizes[0], externalData: { file: 'two/n.onnx.data', bytes: sizes[1], sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    rmSync(join(folder, 'two'), { recursive: true });
  });

  test('one module alone', () => {
    const { code, out } = yolonnx('compile', '--module', 'C3', '--args', '[32, False]', '--repeats', '2', '--input', '2x16x8x12', '-o', 'c3.onnx', '--json');
    expect(code).toBe(0);
    expect((JSON.parse(out) as CompileResult).outputs).toEqual([{ name: 'y', dtype: 'float32', shape: [2, 32, 8, 12] }]);
  });

  test('several inputs', () => {
    const { code, out } = yolonnx('compile', '--module', 'Concat', '--input', '1x8x4x4', '--input', '1x3x4x4', '-o', 'cat.onnx', '--json');
    expect(code).toBe(0);
    expect((JSON.parse(out) as CompileResult).inputs.map(({ name }) => name)).toEqual(['x0', 'x1']);
  });

  test('--verify lets a good file through and shows its table', () => {
    const ended = yolonnx('compile', `${models}/yolov5s_SE.yaml`, '--imgsz', '128', '--verify', `${goldens}/models/yolov5s_SE.safetensors`, '--provider', 'cpu', '-o', 'se.onnx');
    expect(ended.code).toBe(0);
    expect(ended.err).toContain('1 passed, 0 failed');
    expect(files()).toContain('se.onnx');
  });

  test('--verify keeps a wrong file from its name: exit 1', () => {
    const before = files();
    const ended = yolonnx('compile', `${models}/yolov5s_SE.yaml`, '--imgsz', '128', '--seed', '7', '--verify', `${goldens}/models/yolov5s_SE.safetensors`, '--provider', 'cpu', '-o', 'wrong.onnx');
    expect(ended.code).toBe(1);
    expect(ended.err).toContain('FAILED');
    expect(files()).toEqual(before);
  });

  test('a golden of another size is said to be at fault: exit 2', () => {
    const before = files();
    const ended = yolonnx('compile', `${models}/yolov5s_SE.yaml`, '--imgsz', '64', '--verify', `${goldens}/models/yolov5s_SE.safetensors`, '--provider', 'cpu', '-o', 'wrong.onnx');
    expect(ended.code).toBe(2);
    expect(ended.out + ended.err).toMatch(/bad-golden/);
    expect(files()).toEqual(before);
  });
});

describe('bad usage ends with exit 2, one message, no file and no stack', () => {
  const model = `${models}/yolov5n.yaml`;
  test.each<[string, readonly string[], RegExp]>([
    ['no command', [], /name a command/],
    ['a misspelt command', ['compil', model], /there is no command compil; did you mean compile\?/],
    ['an unknown command', ['frobnicate'], /there is no command frobnicate/],
    ['an unknown option', ['compile', model, '--imgsize', '64'], /imgsize/],
    ['nothing to compile', ['compile'], /nothing to compile/],
    ['a model and a module', ['compile', model, '--module', 'SE', '--input', '1x8x4x4'], /not both/],
    ['a file that is not there', ['compile', 'nope.yaml'], /nope\.yaml/],
    ['a folder for a yaml', ['compile', models], /folder/],
    ['a word for a number', ['compile', model, '--batch', 'two'], /--batch needs a number/],
    ['an option twice', ['compile', model, '--opset', '17', '--opset', '18'], /--opset is given 2 times/],
    ['an opset that is not there', ['compile', model, '--opset', '23'], /opset must be an integer from 11 to 22/],
    ['an image size of 0', ['compile', model, '--imgsz', '0'], /image size/],
    ['an image size in words', ['compile', model, '--imgsz', 'large'], /--imgsz/],
    ['a batch of 0', ['compile', model, '--batch', '0'], /batch/],
    ['a bad choice', ['compile', model, '--dynamic', 'height'], /dynamic/],
    ['an unknown pass', ['compile', model, '--passes', 'fold-bn'], /fold-batch-norm/],
    ['an unknown scale', ['compile', `${models}/yolov8.yaml`, '--scale', 'q'], /bad-scale/],
    ['an unknown module', ['compile', '--module', 'SEE', '--args', '[64]', '--input', '1x64x8x8'], /Did you mean SE/],
    ['a shape of three', ['compile', '--module', 'SE', '--args', '[64]', '--input', '64x8x8'], /--input/],
    ['args that do not close', ['compile', '--module', 'SE', '--args', '[64', '--input', '1x64x8x8'], /bad-yaml/],
    ['a folder that is not there', ['compile', model, '-o', 'no/such/folder/x.onnx'], /no folder/],
    ['a folder for a target', ['compile', model, '-o', '.'], /folder/],
    ['a yaml for weights', ['compile', model, '--weights', model], /neither a PyTorch checkpoint nor a safetensors file/],
    ['a checkpoint that is not there', ['compile', 'best.pt'], /no such file/],
    ['weights that are not there', ['compile', model, '--weights', 'best.safetensors'], /best\.safetensors/],
    ['a yaml below a file', ['compile', `${model}/x.yaml`], /cannot read/],
    ['a folder of names', ['compile', model, '--names', '.'], /folder/],
    ['names that are not there', ['compile', model, '--names', 'coco.names'], /coco\.names/],
    ['more than 2 GiB to a device', ['compile', '--module', 'Conv', '--args', '[60000, 3]', '--input', '1x60000x4x4', '-o', '/dev/null'], /too-large.*2 GiB/],
    ['external data beside a device', ['compile', model, '--imgsz', '64', '--external-data', 'always', '-o', '/dev/null'], /external data goes to a file beside the model/],
    ['an unknown word for external data', ['compile', model, '--external-data', 'never'], /external-data.*auto.*always/s],
    ['verify without golden', ['verify', 'x.onnx'], /golden/],
    ['a golden that is not there', ['verify', '--golden', 'nope.safetensors'], /nope\.safetensors/],
    ['a golden that is none', ['verify', '--golden', model], /safetensors/],
    ['a model that is none', ['verify', model, '--golden', `${goldens}/modules/SE__sq64.safetensors`, '--provider', 'cpu'], /bad-model/],
    ['summary of nothing', ['summary'], /summary <model>/],
    ['show after no pass', ['show', model, '--after', 'nothing'], /there is no pass/],
    ['an unknown module asked for', ['modules', 'SEE'], /Did you mean SE/],
  ])('%s', (_, args, message) => {
    const before = files();
    const ended = yolonnx(...args);
    expect(ended.err + ended.out).toMatch(message);
    expect(ended.code).toBe(2);
    expect(isPlain(ended)).toBe(true);
    expect(files()).toEqual(before);
  });

  test('a target that is also an input', () => {
    const yaml = 'nc: 1\nbackbone:\n  - [-1, 1, Conv, [8]]\nhead: []\n';
    writeFileSync(join(folder, 'own.yaml'), yaml);
    const ended = yolonnx('compile', 'own.yaml', '-o', './own.yaml');
    expect(ended.code).toBe(2);
    expect(ended.err).toContain('would be overwritten');
    expect(readFileSync(join(folder, 'own.yaml'), 'utf8')).toBe(yaml);
  });

  test('stdout that cannot be written to', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" summary "${model}" > /dev/full`], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error\[unwritable\]/);
  });

  test('stderr that cannot be written to leaves the exit code', () => {
    const { status } = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" compile nope.yaml 2> /dev/full`]);
    expect(status).toBe(2);
  });

  test('a full target', () => {
    const ended = yolonnx('compile', model, '-o', '/dev/full');
    expect(ended.code).toBe(2);
    expect(ended.err).toContain('no space is left');
  });
});

describe('the environment', () => {
  test('--provider cuda without CUDA ends with exit 3 and says what is missing', () => {
    const ended = yolonnx('verify', '--golden', `${goldens}/modules/SE__sq64.safetensors`, '--provider', 'cuda');
    if (ended.code === 0) expect(ended.out).toContain('CUDAExecutionProvider');
    else {
      expect(ended.code).toBe(3);
      expect(ended.err).toMatch(/cuda is not usable here: .*(missing|lib|driver|device)/i);
    }
  });

  test('doctor tells of every provider', () => {
    const { code, out } = yolonnx('doctor', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { providers: { provider: string; usable: boolean; reason?: string; help?: string }[] };
    expect(report.providers.map(({ provider }) => provider)).toEqual(['cpu', 'cuda', 'webgpu']);
    expect(report.providers[0]!.usable).toBe(true);
    for (const { usable, reason } of report.providers) expect(usable || (reason ?? '') !== '').toBe(true);
  });
});

describe('verify', () => {
  test('compiles what goldens name; --json as the contract says', () => {
    const { code, out } = yolonnx('verify', '--golden', `${goldens}/modules`, '--provider', 'cpu', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as VerifyReport;
    expect(report.provider).toEqual({ requested: 'cpu', ran: ['CPUExecutionProvider'], nodes: { CPUExecutionProvider: expect.any(Number) } });
    expect(report.failed).toBe(0);
    expect(report.passed).toBe(readdirSync(`${goldens}/modules`).length);
    for (const { ok, outputs } of report.cases) expect(ok && outputs.every((output) => output.maxAbs <= output.bound)).toBe(true);
  });

  test('runs a file, tolerances overridden: exit 1 where numbers differ', () => {
    const golden = `${goldens}/modules/SE__sq64.safetensors`;
    expect(yolonnx('compile', '--module', 'SE', '--args', '[64]', '--input', '1x64x16x16', '-o', 'alone.onnx').code).toBe(0);
    expect(yolonnx('verify', 'alone.onnx', '--golden', golden, '--provider', 'cpu').code).toBe(0);
    expect(yolonnx('verify', '--golden', golden, 'alone.onnx', '--provider', 'cpu').code).toBe(0);
    const strict = yolonnx('verify', 'alone.onnx', '--golden', golden, '--provider', 'cpu', '--atol', '0', '--rtol', '0');
    expect(strict.code).toBe(1);
    expect(strict.out).toContain('FAILED');
  });
});

describe('other commands', () => {
  test('summary prints the table and the totals that YOLO prints', () => {
    const { code, out } = yolonnx('summary', `${models}/yolov8-ema.yaml`, '--scale', 'n');
    expect(code).toBe(0);
    expect(out).toContain('249 layers, 3170864 parameters, 9.1 GFLOPs');
    const { layers, totals } = JSON.parse(yolonnx('summary', `${models}/yolov8n-ema.yaml`, '--json').out) as Summary;
    expect(totals).toEqual({ layers: 249, parameters: 3170864, gflops: 9.1 });
    expect(layers[16]).toEqual({ index: 16, from: -1, n: 1, params: 672, module: 'EMA', args: [64], shape: [1, 64, 80, 80] });
  });

  test('show prints the graph after a pass', () => {
    const recorded = yolonnx('show', `${models}/yolov5n.yaml`, '--imgsz', '64', '--after', 'record');
    const folded = yolonnx('show', `${models}/yolov5n.yaml`, '--imgsz', '64', '--after', 'fold-batch-norm');
    expect(recorded.out).toContain('BatchNormalization');
    expect(folded.out).not.toContain('BatchNormalization');
    expect(folded.out).toMatch(/^input images: float32\[1, 3, 64, 64\]\n/);
  });

  test('help names every command, every command its options', () => {
    const { out, code } = yolonnx('--help');
    expect(code).toBe(0);
    for (const command of ['compile', 'verify', 'summary', 'modules', 'show', 'doctor']) {
      expect(out).toContain(command);
      expect(yolonnx(command, '--help').out).toContain(`yolonnx ${command}`);
    }
  });

  test('--version is the package’s', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(yolonnx('--version').out).toBe(`${version}\n`);
  });

  test('class names from a file', () => {
    writeFileSync(join(folder, 'data.yaml'), 'names:\n  0: cat\n  1: dog\n');
    expect(yolonnx('compile', `${models}/yolov5n.yaml`, '--imgsz', '64', '--nc', '2', '--names', 'data.yaml', '-o', 'named.onnx').code).toBe(0);
    expect(readFileSync(join(folder, 'named.onnx')).includes("{0: 'cat', 1: 'dog'}")).toBe(true);
  });
});

describe('custom operators', () => {
  const golden = `${goldens}/modules/SOCA__sq64.safetensors`;
  const soca = ['compile', '--module', 'SOCA', '--args', '[64]', '--input', '1x64x16x16'] as const;
  const note = (...names: readonly string[]): string => `onnxruntime has no kernels for ${names.join(', ')}: the function twins of these opaque operators are run`;

  test('opaque nodes of given names, verified by their twins', () => {
    const ended = yolonnx(...soca, '-o', 'opaque.onnx', '--custom-ops', 'opaque', '--custom-domain', 'trt', '--custom-name', 'Sqrtm=MatrixSqrt', '--custom-name', 'Covpool=Covariance');
    expect(ended.err).toBe('');
    expect(ended.code).toBe(0);
    const bytes = readFileSync(join(folder, 'opaque.onnx'));
    for (const name of ['trt', 'MatrixSqrt', 'Covariance', 'iterN', '{"trt::Covariance":"Covpool","trt::MatrixSqrt":"Sqrtm"}']) expect(bytes.includes(name)).toBe(true);
    const verified = yolonnx('verify', 'opaque.onnx', '--golden', golden, '--provider', 'cpu');
    expect(verified.code).toBe(0);
    expect(verified.err).toBe(`note: ${note('trt::Covariance', 'trt::MatrixSqrt')}\n`);
    expect(verified.out).toContain('1 passed, 0 failed');
    const json = yolonnx('verify', 'opaque.onnx', '--golden', golden, '--provider', 'cpu', '--json');
    expect(json.code).toBe(0);
    expect((JSON.parse(json.out) as VerifyReport).passed).toBe(1);
  });

  test('functions: fewer nodes, nothing to say', () => {
    const nodesOf = (form: string): number => {
      const { code, out } = yolonnx(...soca, '-o', `${form}.onnx`, '--custom-ops', form, '--json');
      expect(code).toBe(0);
      return (JSON.parse(out) as CompileResult).nodes;
    };
    expect(nodesOf('function')).toBeLessThan(nodesOf('inline'));
    expect(nodesOf('opaque')).toBe(nodesOf('function'));
    const verified = yolonnx('verify', 'function.onnx', '--golden', golden, '--provider', 'cpu');
    expect([verified.code, verified.err]).toEqual([0, '']);
  });

  test('a whole model', () => {
    const { code, out } = yolonnx('compile', `${models}/yolov5s_C3_DAttention.yaml`, '--imgsz', '64', '--custom-ops', 'opaque', '--custom-domain', 'mmdeploy', '--custom-name', 'DeformableSample=grid_sampler', '-o', 'model.onnx');
    expect(code).toBe(0);
    expect(out).toMatch(/^model\.onnx /);
    expect(readFileSync(join(folder, 'model.onnx')).includes('{"mmdeploy::grid_sampler":"DeformableSample"}')).toBe(true);
  });

  test.each(['inline', 'function', 'opaque'])('compile --verify and verify without a model: %s', (form) => {
    const compiled = yolonnx(...soca, '-o', 'verified.onnx', '--custom-ops', form, '--verify', golden, '--provider', 'cpu');
    expect(compiled.code).toBe(0);
    expect(compiled.err).toContain('1 passed, 0 failed');
    const verified = yolonnx('verify', '--golden', golden, '--provider', 'cpu', '--custom-ops', form, '--custom-domain', 'acme');
    expect(verified.code).toBe(0);
    expect(compiled.err.includes(note('yolonnx::Covpool', 'yolonnx::Sqrtm'))).toBe(form === 'opaque');
    expect(verified.err).toBe(form === 'opaque' ? `note: ${note('acme::Covpool', 'acme::Sqrtm')}\n` : '');
  });

  test.each<[string, readonly string[], RegExp]>([
    ['a name that is none', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm'], /--custom-name takes Operator=Name, got 'Sqrtm'\n {2}help: For example --custom-name Sqrtm=MatrixSqrt\./],
    ['a name of two', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm=A=B'], /takes Operator=Name, got 'Sqrtm=A=B'/],
    ['a name for nothing', ['--custom-ops', 'opaque', '--custom-name', '=A'], /takes Operator=Name, got '=A'/],
    ['a list of names', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm=A,Covpool=B'], /takes Operator=Name/],
    ['two domains', ['--custom-ops', 'opaque', '--custom-domain', 'a', '--custom-domain', 'b'], /--custom-domain is given 2 times/],
    ['a domain of nothing', ['--custom-ops', 'opaque', '--custom-domain', ''], /--custom-domain needs a value/],
    ['the domain of ONNX', ['--custom-ops', 'opaque', '--custom-domain', 'ai.onnx'], /ai\.onnx is ONNX's own domain/],
    ['a name that is inline', ['--custom-name', 'Sqrtm=A'], /another name for Sqrtm is for opaque operators, but these are inline\n {2}help: Add --custom-ops opaque\./],
    ['a name of a function', ['--custom-ops', 'function', '--custom-name', 'Sqrtm=A'], /but these are function/],
    ['a name with a space', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm=matrix root'], /the name for Sqrtm must be letters, digits and _, got 'matrix root'/],
    ['two of one name', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm=A', '--custom-name', 'Covpool=A'], /two custom operators would be called A/],
  ])('%s ends with exit 2, in compile and in verify', (_, options, message) => {
    const before = files();
    for (const ended of [yolonnx(...soca, '-o', 'refused.onnx', ...options), yolonnx('verify', '--golden', golden, '--provider', 'cpu', ...options)]) {
      expect(ended.err).toMatch(message);
      expect(ended.err).toContain('error[bad-option]');
      expect(ended.code).toBe(2);
      expect(isPlain(ended)).toBe(true);
    }
    expect(files()).toEqual(before);
  });

  test.each(['SOCA', 'ChannelShuffle', 'sqrtm', '__proto__'])('another name for %s, which is no custom operator: exit 2', (name) => {
    const ended = yolonnx(...soca, '-o', 'refused.onnx', '--custom-ops', 'opaque', '--custom-name', `${name}=A`);
    expect(ended.err).toBe(`error[bad-option]: ${name} is not a custom operator\n  help: Custom operators are Covpool, DeformableSample, Sqrtm.\n`);
    expect(ended.code).toBe(2);
  });

  test.each(['compile', 'verify'])('the help of %s tells of them', (command) => {
    const { out, code } = yolonnx(command, '--help');
    expect(code).toBe(0);
    expect(out).toContain('Custom operators (Covpool, Sqrtm, DeformableSample):');
    expect(out).toMatch(/--custom-ops .*model-local functions/);
    expect(out).toMatch(/choices: "inline", "function", "opaque"\] \[default: "inline"\]/);
    expect(out).toMatch(/--custom-domain [^]*\[default: "yolonnx"\]/);
    expect(out).toMatch(/--custom-name .*Sqrtm=MatrixSqrt/);
  });
});

describe('modules', () => {
  const entry = (...args: readonly string[]): ModuleEntry => JSON.parse(yolonnx('modules', ...args, '--json').out) as ModuleEntry;

  test('one module', () => {
    const { out, code } = yolonnx('modules', 'SOCA');
    expect(code).toBe(0);
    expect(out).toMatch(/^SOCA \[channels, reduction=8\]\nSecond-order channel attention/);
    for (const line of ['  reduction=8  (int)  bottleneck ratio', '  at least `reduction` channels', 'yamls: yolov5, ultralytics', 'example: [-1, 1, SOCA, [64]]']) expect(out.split('\n')).toContain(line);
    expect(entry('SOCA')).toMatchObject({ name: 'SOCA', aliases: [], operator: false, families: ['yolov5', 'ultralytics'], usage: '[channels, reduction=8]', exampleInputs: [[1, 64, 16, 16]] });
  });

  test('an operator: no yaml names it, and its example compiles', () => {
    const { out, code } = yolonnx('modules', 'Sqrtm');
    expect(code).toBe(0);
    expect(out).toContain('yamls: none: an operator');
    expect(entry('Sqrtm').operator).toBe(true);
    expect(out).toContain("example: --module Sqrtm --args '[5]' --input 1x16x16");
    expect(yolonnx('compile', '--module', 'Sqrtm', '--args', '[5]', '--input', '1x16x16', '-o', 'sqrtm.onnx').code).toBe(0);
  });

  test.each([['PAM_Module', 'DANPositional', 'PAM'], ['Axial', 'AxialAttention'], ['AttnConv', 'EfficientAttention'], ['grid_sample', 'DeformableSample'], ['Criss-CrossAttention', 'CrissCrossAttention']])('%s is another name of %s', (alias, name, ...others) => {
    const { out, code } = yolonnx('modules', alias);
    expect(code).toBe(0);
    expect(out).toContain(`\nalso: ${[name, ...others].join(', ')}\n`);
    const { name: itself, aliases, ...about } = entry(alias);
    expect([itself, aliases]).toEqual([alias, [name, ...others]]);
    const { name: other, aliases: back, ...same } = entry(name);
    expect([other, back]).toEqual([name, [alias, ...others].sort()]);
    expect(about).toEqual(same);
  });

  test('--json lists all, each once', () => {
    const entries = JSON.parse(yolonnx('modules', '--json').out) as readonly ModuleEntry[];
    const byName = new Map(entries.map((each) => [each.name, each]));
    expect(byName.get('DANPositional')).toMatchObject({ aliases: ['PAM', 'PAM_Module'], operator: false });
    expect(byName.get('SplAtConv2d')!.aliases).toEqual(['RESNest', 'ResNeSt']);
    expect(byName.get('DeformableSample')).toMatchObject({ aliases: ['grid_sample'], operator: true });
    expect(entries.filter(({ operator }) => operator).map(({ name }) => name)).toEqual(expect.arrayContaining(['Covpool', 'Sqrtm', 'DeformableSample', 'ChannelShuffle']));
    // A name that means something else in the other family is there twice, and an alias of one may be a name in the other.
    const seen = entries.flatMap(({ name, aliases, families }) => families.flatMap((family) => [name, ...aliases].map((spelling) => `${family} ${spelling}`)));
    expect(seen.length).toBe(new Set(seen).size);
  });

  test('the table names aliases and operators', () => {
    const { out } = yolonnx('modules');
    for (const text of ['PAM_Module', 'AttnConv', 'operator']) expect(out).toContain(text);
  });

  test.each([['PSA', 'ultralytics'], ['Pose', 'yolov5']])('%s is not a module of %s', (name, family) => {
    const ended = yolonnx('modules', name, '--family', family);
    expect(ended.code).toBe(2);
    expect(ended.err).toMatch(new RegExp(`^error\\[unknown-module\\]: there is no module ${name}\n`));
  });
});

test.each([['SIGTERM', 'auto'], ['SIGINT', 'auto'], ['SIGTERM', 'always']] as const)('%s while compiling leaves nothing behind, external data %s', async (signal, externalData) => {
  const own = mkdtempSync(join(folder, 'signal-'));
  const child = spawn(process.execPath, [main, 'compile', `${models}/yolov8x.yaml`, '--external-data', externalData, '-o', join(own, 'x.onnx')], { stdio: 'ignore' });
  const ended = new Promise<NodeJS.Signals | number | null>((resolved) => child.on('exit', (code, by) => resolved(by ?? code)));
  // Wait until the temporary file is there, then stop the process.
  while (readdirSync(own).length === 0 && child.exitCode === null) await new Promise((later) => setTimeout(later, 2));
  child.kill(signal);
  const how = await ended;
  expect(readdirSync(own).sort()).toEqual(how !== 0 ? [] : externalData === 'auto' ? ['x.onnx'] : ['x.onnx', 'x.onnx.data']);
});

describe('options that must not pass silently', () => {
  const small = ['compile', '--module', 'SOCA', '--args', '[64]', '--input', '1x64x16x16', '-o', 'never-written.onnx'] as const;
  test.each<[string, readonly string[], RegExp]>([
    ['an unknown form', ['--custom-ops', 'plugin'], /custom-ops/],
    ['a form of nothing', ['--custom-ops'], /custom-ops/],
    ['two names for one', ['--custom-ops', 'opaque', '--custom-name', 'Sqrtm=A', '--custom-name', 'Sqrtm=B'], /Sqrtm/],
  ])('%s', (_, options, message) => {
    const { code: status, err: stderr } = yolonnx(...small, ...options);
    expect([status, message.test(stderr)]).toEqual([2, true]);
  });
  test('verify knows what is no custom operator', () => {
    const { code: status, err: stderr } = yolonnx('verify', '--golden', `${goldens}/modules/SOCA__sq64.safetensors`, '--provider', 'cpu', '--custom-ops', 'opaque', '--custom-name', 'SOCA=A');
    expect([status, stderr]).toEqual([2, expect.stringContaining('SOCA is not a custom operator')]);
  });
  test.each([['X-Linear', 'ultralytics', /without a definition/], ['Pose', 'yolov5', /head of Ultralytics/], ['PSA', 'ultralytics', /PolarizedPSA/]] as const)('modules %s says why it is not there', (name, family, message) => {
    expect(yolonnx('modules', name, '--family', family).err).toMatch(message);
  });
});
