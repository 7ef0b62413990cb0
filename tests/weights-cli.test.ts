/** Checkpoints on the command line, as a real process: `yolonnx weights`, and a .pt where a yaml could stand. */
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CompileResult, Summary, WeightsListing } from '../compiler/index.js';
import { openSafetensors } from '../compiler/weights/safetensors.js';
import { memorySource } from './made-files.js';
import { fields, named, text, tuple } from './made-pickle.js';
import { floats, parameter, storage, tensor, torchZip } from './made-torch.js';
import { runIn, type Ended } from './command-line.js';

const fixtures = resolve('fixtures/checkpoints');
const fixture = (name: string): string => readFileSync(`${fixtures}/${name}.pt`).toString('latin1');
const yamlOf = (name: string): string => openSafetensors(memorySource(readFileSync(`${fixtures}/${name}.safetensors`))).metadata.get('yaml')!;

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'yolonnx-weights-'))));
beforeEach(() => {
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const yolonnx = (...args: readonly string[]): Ended => runIn(folder, args);

/** A fixture under another name, in the folder of the test. */
function put(name: string, as: string): void {
  copyFileSync(`${fixtures}/${name}.pt`, join(folder, as));
}
const write = (name: string, content: Uint8Array | string): void => writeFileSync(join(folder, name), content);
const files = (): string[] => readdirSync(folder).sort();

describe('weights', () => {
  test('says what is in a checkpoint', () => {
    put('yolov8u-pose_5x2', 'best.pt');
    const { code, out, err } = yolonnx('weights', 'best.pt');
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toBe('best.pt  158.7 kB  PyTorch checkpoint, model object under model');
    for (const line of [/^ {2}model +ultralytics\.nn\.tasks\.PoseModel$/, /^ {2}task +pose$/, /^ {2}scale +t$/, /^ {2}classes +1$/, /^ {2}stride +8, 16$/, /^ {2}keypoints +5, 2$/, /^ {2}reg_max +4$/, /^ {2}code .*ultralytics\.nn\.tasks\.PoseModel.*$/, /^ {2}backbone:$/, /^ {2}model\.0\.conv\.weight +F16 +\[8, 3, 3, 3\]$/, /^ {2}model\.0\.bn\.num_batches_tracked +I64 +\[\]$/]) {
      expect(lines.filter((each) => line.test(each)).length).toBe(1);
    }
    expect(lines.at(-2)).toMatch(/^\d+ tensors \(\d+ F16, \d+ I64\), \d+ elements, [\d.]+ kB$/);
    expect(files()).toEqual(['best.pt']);
  });

  test('--json is one document', () => {
    put('yolov5u-cuda0', 'last.pt');
    const { code, out, err } = yolonnx('weights', 'last.pt', '--json');
    expect([code, err]).toEqual([0, '']);
    const { tensors, totals, yaml, classes, ...listing } = JSON.parse(out) as WeightsListing;
    expect(listing).toMatchObject({ file: 'last.pt', bytes: fixture('yolov5u-cuda0').length, container: 'zip', holds: 'model object under ema', class: 'models.yolo.DetectionModel', nc: 3, stride: [8, 16] });
    expect(tensors[0]).toEqual({ name: 'model.0.conv.weight', dtype: 'F16', shape: [8, 3, 6, 6] });
    expect(totals).toEqual({
      tensors: tensors.length,
      elements: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      bytes: tensors.reduce((sum, { dtype, shape }) => sum + shape.reduce((a, b) => a * b, 1) * (dtype === 'I64' ? 8 : 2), 0),
      dtypes: { F16: tensors.filter(({ dtype }) => dtype === 'F16').length, I64: tensors.filter(({ dtype }) => dtype === 'I64').length },
    });
    expect(yaml).toMatch(/^nc: 3$/m);
    expect(classes).toContain('models.common.Conv');
    expect(out).not.toContain('undefined');
  });

  test('of a state_dict there is less to say; the legacy form is named', () => {
    put('yolov5u-sd_legacy_p4', 'sd.pt');
    const { out } = yolonnx('weights', 'sd.pt');
    expect(out).toMatch(/^sd\.pt {2}37\.2 kB {2}PyTorch checkpoint, legacy form, state_dict\n\n {2}model\.0\.conv\.weight /);
  });

  test('--to writes safetensors, which compile alone as the checkpoint does', () => {
    put('yolov5u-zip_p5', 'best.pt');
    const { code, out } = yolonnx('weights', 'best.pt', '--to', 'best.safetensors');
    expect(code).toBe(0);
    expect(out).toMatch(/\nwritten: best\.safetensors\n$/);
    expect(files()).toEqual(['best.pt', 'best.safetensors']);
    expect(yolonnx('weights', 'best.safetensors').out).toMatch(/^best\.safetensors {2}[\d.]+ kB {2}safetensors, state_dict\n/);
    const sums = ['best.pt', 'best.safetensors'].map((file) => {
      const { code: status, out: document } = yolonnx('compile', file, '--imgsz', '64', '-o', 'out.onnx', '--json');
      expect(status).toBe(0);
      const { nodes, parameters, bytes } = JSON.parse(document) as CompileResult;
      return { nodes, parameters, bytes };
    });
    // The bytes hold the file's name.
    expect(sums[0]).toEqual({ ...sums[1]!, bytes: expect.any(Number) });
  });

  test('--key-map renames on the way', () => {
    put('yolov8u_EMA-key_map', 'best.pt');
    const { code } = yolonnx('weights', 'best.pt', '--key-map', 'model.4.pw.*=model.4.conv1x1.*', '--key-map', 'model.4.norm.*=', '--to', 'new.safetensors');
    expect(code).toBe(0);
    const keys = [...openSafetensors(memorySource(readFileSync(join(folder, 'new.safetensors')))).tensors.keys()].filter((key) => key.startsWith('model.4.'));
    expect(keys.sort()).toEqual(['model.4.conv1x1.bias', 'model.4.conv1x1.weight', 'model.4.dw.bias', 'model.4.dw.weight']);
  });

  test('nothing in a file steers the terminal', () => {
    const odd = 'w\x1b[31m\x07\x9b2J';
    write('odd.pt', torchZip(fields({ [odd]: parameter('0', [1]), 'v\nwritten: elsewhere': parameter('0', [1]), date: text('\x1b]0;title\x07') }), { 0: floats(1) }));
    const { code, out, err } = yolonnx('weights', 'odd.pt');
    expect(code).toBe(0);
    expect(out).toContain('\ufffd[31m\ufffd\ufffd2J');
    expect(out + err).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(out).not.toMatch(/^written/m);
    const json = yolonnx('weights', 'odd.pt', '--json').out;
    expect((JSON.parse(json) as WeightsListing).tensors[0]!.name).toBe(odd);
    expect(json).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
  });
});

describe('a checkpoint in place of a yaml', () => {
  test('compile: named after it', () => {
    put('yolov8u-last', 'last.pt');
    const { code, out, err } = yolonnx('compile', 'last.pt', '--imgsz', '64');
    expect(err).toBe('weights: last.pt, model object under ema; not read: 22 num_batches_tracked\n');
    expect(code).toBe(0);
    expect(out).toMatch(/^last\.onnx {2}[\d.]+ kB {2}opset 17, IR 8 {2}\d+ nodes {2}32826 parameters/);
    expect(files()).toEqual(['last.onnx', 'last.pt']);
    expect(readFileSync(join(folder, 'last.onnx')).includes("{0: 'cat', 1: 'dog', 2: 'bird house'}")).toBe(true);
  });

  test('compile --quiet says nothing; --json says what was read', () => {
    put('yolov5u-zip_p5', 'best.pt');
    expect(yolonnx('compile', 'best.pt', '--imgsz', '64', '--quiet')).toEqual({ code: 0, out: '', err: '' });
    const { weights, warnings } = JSON.parse(yolonnx('compile', 'best.pt', '--imgsz', '64', '--json').out) as CompileResult;
    expect([weights!.file, weights!.holds, new Set(weights!.unused.map((key) => key.replace(/.*\./, ''))), warnings]).toEqual(['best.pt', 'model object under model', new Set(['num_batches_tracked']), []]);
  });

  test('compile: aliases, rules and a yaml beside it', () => {
    put('yolov8u_MyEMA', 'mine.pt');
    expect(yolonnx('compile', 'mine.pt', '--imgsz', '64', '--alias', 'MyEMA=EMA', '--verify', `${fixtures}/yolov8u_MyEMA.safetensors`, '--provider', 'cpu').err).toMatch(/bad-golden/);
    expect(yolonnx('compile', 'mine.pt', '--imgsz', '64', '96', '--alias', 'MyEMA=EMA', '--verify', `${fixtures}/yolov8u_MyEMA.safetensors`, '--provider', 'cpu').code).toBe(0);
    put('yolov8u-sd_yolo_wrapper', 'sd.pt');
    write('yolov8.yaml', yamlOf('yolov8u-sd_yolo_wrapper'));
    expect(yolonnx('compile', 'yolov8.yaml', '--scale', 't', '--weights', 'sd.pt', '--imgsz', '64').code).toBe(0);
    expect(files()).toEqual(['mine.onnx', 'mine.pt', 'sd.pt', 'yolov8.onnx', 'yolov8.yaml']);
  });

  test('summary and show', () => {
    put('yolov5u_C3_DAttention', 'best.pt');
    const { code, out } = yolonnx('summary', 'best.pt', '--imgsz', '64', '--json');
    expect(code).toBe(0);
    const { layers, totals } = JSON.parse(out) as Summary;
    expect(totals.parameters).toBe(13204);
    expect(layers.map(({ module }) => module)).toContain('C3_DAttention');
    const shown = yolonnx('show', 'best.pt', '--imgsz', '64', '--after', 'record');
    expect([shown.code, shown.err]).toEqual([0, '']);
    expect(shown.out).toMatch(/^input images: float32\[1, 3, 64, 64\]\n/);
  });
});

describe('refusals: exit 2, one message, nothing left behind', () => {
  const alone = yamlOf('yolov5u-zip_p5');
  test.each<[string, readonly string[], RegExp]>([
    ['nothing to list', ['weights'], /^error\[bad-option\]: an argument is missing: yolonnx weights <file>/],
    ['a file that is not there', ['weights', 'gone.pt'], /^error\[unreadable\]: cannot read gone\.pt: there is no such file/],
    ['a folder', ['weights', '.'], /folder/],
    ['a yaml', ['weights', 'm.yaml'], /^error\[bad-weights\]: m\.yaml is neither a PyTorch checkpoint nor a safetensors file/],
    ['an empty file', ['compile', 'empty.pt'], /^error\[bad-weights\]: empty\.pt is empty/],
    ['a file that is cut off', ['weights', 'cut.pt', '--to', 'new.safetensors'], /^error\[bad-weights\]: cut\.pt is a damaged zip file/],
    ['a checksum that is wrong', ['compile', 'flipped.pt', '--imgsz', '64'], /^error\[bad-weights\]: flipped\.pt is a damaged zip file: .* does not have the checksum/],
    ['a checksum that is wrong, converted', ['weights', 'flipped.pt', '--to', 'new.safetensors'], /^error\[bad-weights\]: flipped\.pt is a damaged zip file: .* does not have the checksum/],
    ['a file that harms', ['weights', 'evil.pt'], /^error\[bad-weights\]: evil\.pt is not a readable PyTorch checkpoint: it names os\.system, which has no place in a model[^]*\n {2}help: Nothing was run\./],
    ['numbers that repeat without end', ['weights', 'wide.pt', '--to', 'new.safetensors'], /^error\[too-large\]: wide\.pt has \d+ bytes, its tensors would have 1099511627776\n/],
    ['the input as the target', ['weights', 'best.pt', '--to', './best.pt'], /^error\[bad-option\]: \.\/best\.pt would be overwritten, but it is read as best\.pt/],
    ['the checkpoint as compile’s target', ['compile', 'best.pt', '-o', 'best.pt'], /^error\[bad-option\]: best\.pt would be overwritten/],
    ['the yaml beside the checkpoint as compile’s target', ['compile', 'own.pt', '-o', 'own.yaml', '--imgsz', '64'], /^error\[bad-option\]: own\.yaml would be overwritten/],
    ['the weights as compile’s target', ['compile', 'm.yaml', '--weights', 'best.pt', '-o', 'best.pt'], /^error\[bad-option\]: best\.pt would be overwritten/],
    ['a folder for a target', ['weights', 'best.pt', '--to', '.'], /^error\[unwritable\]: cannot write \.: it is a folder/],
    ['a target in no folder', ['weights', 'best.pt', '--to', 'no/new.safetensors'], /^error\[unwritable\]/],
    ['a rule that is none', ['weights', 'best.pt', '--key-map', 'a'], /^error\[bad-option\]: a key map must be old=new, got 'a'/],
    ['a rule that makes two of one', ['weights', 'best.pt', '--key-map', '*=a', '--to', 'new.safetensors'], /^error\[bad-option\]: the key map gives two tensors of best\.pt the name a/],
    ['an alias that is none', ['compile', 'best.pt', '--alias', 'MyEMA'], /^error\[bad-option\]: --alias takes MyName=Name, got 'MyEMA'/],
    ['an alias twice', ['compile', 'best.pt', '--alias', 'A=SE', '--alias', 'A=EMA'], /^error\[bad-option\]: --alias gives A two meanings/],
    ['rules without weights', ['compile', 'm.yaml', '--key-map', 'a=b'], /^error\[bad-option\]: a key map renames the tensors of a file, but no weights are given/],
    ['a state_dict alone', ['compile', 'sd.pt'], /^error\[bad-weights\]: sd\.pt does not tell what its model is[^]*yolonnx compile model\.yaml --weights sd\.pt/],
    ['weights of another model', ['compile', 'm.yaml', '--weights', 'other.pt', '--imgsz', '64'], /^error\[bad-weights\]: other\.pt does not fit the model: /],
    ['weights of another number of classes', ['compile', 'best.pt', '--nc', '5', '--imgsz', '64'], /^error\[bad-weights\]: best\.pt does not fit the model[^]* {2}help: The weights are of a model with nc 3: give --nc 3\./],
  ])('%s', (_, args, message) => {
    put('yolov5u-zip_p5', 'best.pt');
    put('yolov8u-sd_yolo_wrapper', 'other.pt');
    put('yolov5u-sd_zip_p3', 'sd.pt');
    put('yolov5u-sd_zip_p3', 'own.pt');
    for (const name of ['m.yaml', 'own.yaml']) write(name, alone);
    write('empty.pt', '');
    write('cut.pt', Buffer.from(fixture('yolov5u-zip_p5').slice(0, -100), 'latin1'));
    const flipped = Buffer.from(fixture('yolov5u-zip_p5'), 'latin1');
    // In the storages, which make up the most of the file.
    flipped[Math.floor(flipped.length / 2)]! ^= 1;
    write('flipped.pt', flipped);
    write('evil.pt', torchZip(tuple(fields({ w: parameter('0', [1]) }), named('os', 'system')), { 0: floats(1) }));
    write('wide.pt', torchZip(fields({ w: tensor(storage('FloatStorage', '0', 1), [2 ** 20, 2 ** 18], [0, 0]) }), { 0: floats(1) }));
    const before = files();
    const { code, out, err } = yolonnx(...args);
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringMatching(message) });
    expect(err.split('\n').filter((line) => line.startsWith('error')).length).toBe(1);
    expect(err).not.toMatch(/\bat .*\(.*:\d+:\d+\)|node:internal/);
    expect(files()).toEqual(before);
  });
});

test('help of each command names the options for weights', () => {
  const help = yolonnx('--help').out;
  expect(help).toMatch(/yolonnx weights <file> +List a checkpoint/);
  const weights = yolonnx('weights', '--help').out;
  for (const word of ['--to', '--key-map', '--json', 'yolonnx weights best.pt --to best.safetensors']) expect(weights).toContain(word);
  for (const command of ['compile', 'summary', 'show']) {
    const { out } = yolonnx(command, '--help');
    for (const word of ['Weights:', '--weights', '--alias', '--key-map']) expect(out).toContain(word);
  }
});
