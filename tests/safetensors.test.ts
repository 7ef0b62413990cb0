import { describe, expect, test } from '@jest/globals';
import { openSafetensors, safetensorsWeights } from '../compiler/weights/safetensors.js';
import { f32, memorySource, problemOf, safetensors, withHeader, type MadeTensor } from './made-files.js';

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function read(bytes: Uint8Array): ReturnType<typeof openSafetensors> {
  return openSafetensors(memorySource(bytes));
}

describe('safetensors', () => {
  test('widens every float dtype, at any place and across chunks', () => {
    const n = 70_001;
    const numbers = Float32Array.from({ length: n }, (_, i) => (i % 2048) - 1024);
    const halves = Uint16Array.from(numbers, (value) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16);
    const kinds: Record<string, MadeTensor> = {
      F32: { dtype: 'F32', shape: [n], bytes: bytesOf(numbers) },
      F64: { dtype: 'F64', shape: [n], bytes: bytesOf(Float64Array.from(numbers)) },
      BF16: { dtype: 'BF16', shape: [n], bytes: bytesOf(halves) },
    };
    // bfloat16 keeps 8 bits: what it should give is each number cut to them.
    const cut = numbers.map((_, i) => new Float32Array(Uint32Array.of(halves[i]! << 16).buffer)[0]!);
    const file = read(safetensors(kinds));
    for (const dtype of Object.keys(kinds)) {
      const wanted = dtype === 'BF16' ? cut : numbers;
      expect(file.readTensor(dtype)).toEqual(wanted);
      const part = new Float32Array(40_000);
      file.tensors.get(dtype)!.read!(part, 30_001);
      expect(part).toEqual(wanted.subarray(30_001));
    }
  });

  test('F16', () => {
    const bytes = bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000));
    expect([...read(safetensors({ h: { dtype: 'F16', shape: [6], bytes } })).readTensor('h')]).toEqual([1, -2, 2 ** -24, 65504, Infinity, -0]);
  });

  test('metadata, scalars and empty tensors', () => {
    const file = read(safetensors({ scalar: f32([], [7]), none: f32([0, 3], []) }, { a: 'b', __proto__x: 'c' }));
    expect([...file.metadata]).toEqual([['a', 'b'], ['__proto__x', 'c']]);
    expect([...file.readTensor('scalar')]).toEqual([7]);
    expect(file.readTensor('none').length).toBe(0);
    expect(file.tensors.get('none')!.shape).toEqual([0, 3]);
  });

  test('a tensor called __proto__ is a tensor like any other', () => {
    const file = read(withHeader('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytesOf(Float32Array.of(3))));
    expect([...file.readTensor('__proto__')]).toEqual([3]);
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  test('padding after the header and names with colons and quotes are fine', () => {
    const file = read(withHeader(`{"a\\":{\\"b\\\\": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   `, new Uint8Array(4)));
    expect([...file.tensors.keys()]).toEqual(['a":{"b\\']);
  });

  const tensor = (fields: string): string => `{"t":{${fields}}}`;
  test.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /too few/],
    ['short', new Uint8Array(7), /too few/],
    ['a header longer than the file', new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 123]), /9 bytes long/],
    ['a header of 2^63 bytes', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128]), /bytes long/],
    ['no JSON', withHeader('{'), /no JSON text/],
    ['no UTF-8', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), /no JSON text/],
    ['a list', withHeader('[]'), /no JSON object/],
    ['null', withHeader('null'), /no JSON object/],
    ['a tensor that is null', withHeader('{"t":null}'), /t is no object/],
    ['metadata that is no text', withHeader('{"__metadata__":{"a":1}}'), /__metadata__\.a is no text/],
    ['metadata that is a list', withHeader('{"__metadata__":[]}'), /no object/],
    ['a key twice', withHeader('{"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'), /key twice/],
    ['a field twice', withHeader(tensor('"dtype":"F32","shape":[0],"shape":[0],"data_offsets":[0,0]')), /key twice/],
    ['an unknown dtype', withHeader(tensor('"dtype":"F31","shape":[],"data_offsets":[0,0]')), /unknown dtype "F31"/],
    ['a dtype that names a method', withHeader(tensor('"dtype":"constructor","shape":[],"data_offsets":[0,0]')), /unknown dtype/],
    ['no dtype', withHeader(tensor('"shape":[],"data_offsets":[0,0]')), /unknown dtype/],
    ['a negative extent', withHeader(tensor('"dtype":"F32","shape":[-1],"data_offsets":[0,0]')), /no valid shape/],
    ['a fractional extent', withHeader(tensor('"dtype":"F32","shape":[0.5],"data_offsets":[0,2]'), new Uint8Array(2)), /no valid shape/],
    ['an extent that is no number', withHeader(tensor('"dtype":"F32","shape":["1"],"data_offsets":[0,4]'), new Uint8Array(4)), /no valid shape/],
    ['extents whose product overflows', withHeader(tensor('"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]')), /does not/],
    ['extents whose product is infinite times zero', withHeader(tensor(`"dtype":"F32","shape":[${'9007199254740991,'.repeat(30)}0],"data_offsets":[0,0]`)), /does not/],
    ['offsets beyond the file', withHeader(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8]'), new Uint8Array(4)), /outside the file/],
    ['offsets the wrong way round', withHeader(tensor('"dtype":"F32","shape":[1],"data_offsets":[8,4]'), new Uint8Array(8)), /outside the file/],
    ['three offsets', withHeader(tensor('"dtype":"F32","shape":[1],"data_offsets":[0,4,8]'), new Uint8Array(8)), /no valid data_offsets/],
    ['too few bytes for the shape', withHeader(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,4]'), new Uint8Array(4)), /takes 4 bytes/],
    ['a file that is cut off', safetensors({ t: f32([4], [1, 2, 3, 4]) }).subarray(0, -1), /cut off/],
    ['nesting without end', withHeader(`{"t":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), /t is no object/],
  ])('refuses %s', (_, bytes, message) => {
    const problem = problemOf(() => read(bytes));
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toMatch(message);
    expect(problem.message.length).toBeLessThan(500);
  });
});

describe('weights from a safetensors file', () => {
  const file = safetensors({
    'model.0.conv.weight': f32([2, 1], [1, 2]),
    'model.0.bn.num_batches_tracked': { dtype: 'I64', shape: [], bytes: new Uint8Array(8) },
    'model.1.anchors': f32([1], [9]),
  });

  test('serves by key; counters and anchors are not remarked on', () => {
    const source = safetensorsWeights(memorySource(file));
    const values = new Float32Array(1);
    source.tensor('model.0.conv.weight', [2, 1])(values, 1);
    expect([...values]).toEqual([2]);
    expect(source.finish()).toEqual({ unused: ['model.0.bn.num_batches_tracked', 'model.1.anchors'], remarks: [] });
  });

  test("kept values are the architecture's, unless the file has others", () => {
    const source = safetensorsWeights(memorySource(file));
    const values = new Float32Array(1);
    source.tensor('model.1.anchors', [1], [4])(values, 0);
    expect([...values]).toEqual([9]);
    source.tensor('model.2.dfl.conv.weight', [1], [5])(values, 0);
    expect([...values]).toEqual([5]);
    source.tensor('model.0.bn.num_batches_tracked', [], [6])(values, 0);
    expect([...values]).toEqual([6]);
  });

  test('a prefix hides all other tensors', () => {
    const source = safetensorsWeights(memorySource(safetensors({ 'input.x': f32([1], [1]), 'param.w': f32([1], [2]) })), { prefix: 'param.' });
    const values = new Float32Array(1);
    source.tensor('w', [1])(values, 0);
    expect([...values]).toEqual([2]);
    expect(source.finish()).toEqual({ unused: [], remarks: [] });
  });

  test('tells all that is missing or does not fit at once, with the nearest names', () => {
    const source = safetensorsWeights(memorySource(safetensors({ 'model.0.cv1.weight': f32([1], [1]), 'model.0.b': f32([2], [1, 2]) })));
    source.tensor('model.0.cv2.weight', [1]);
    source.tensor('model.0.b', [3]);
    const read = source.tensor('model.0.gone', [1]);
    expect(() => read(new Float32Array(1), 0)).not.toThrow();
    const problem = problemOf(() => source.finish());
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toContain('2 missing, 1 unexpected, 1 of another shape or type (of 3 tensors)');
    expect(problem.message).toContain('model.0.cv2.weight is missing; the file has model.0.cv1.weight');
    expect(problem.message).toContain('model.0.b is [2], the model needs [3]');
    expect(problem.message).toContain('model.0.gone is missing');
  });

  test('names a few of each kind', () => {
    const names = Array.from({ length: 30 }, (_, i) => `${i}.conv.weight`);
    const source = safetensorsWeights(memorySource(safetensors(Object.fromEntries(names.map((name) => [`model.model.${name}`, f32([1], [1])])))));
    for (const name of names) source.tensor(`model.${name}`, [1]);
    const problem = problemOf(() => source.finish());
    expect(problem.message).toContain('30 missing, 30 unexpected');
    expect(problem.message).toContain('model.0.conv.weight is missing; the file has model.model.0.conv.weight');
    expect(problem.message.split('\n').length).toBe(1 + 9 + 9);
    expect(problem.message).toContain('and 22 more');
    expect(problem.help).toContain('--key-map');
  });

  test('refuses tensors that the model does not have', () => {
    const source = safetensorsWeights(memorySource(safetensors({ a: f32([1], [1]), b: f32([1], [1]) })));
    source.tensor('a', [1]);
    expect(problemOf(() => source.finish()).message).toMatch(/1 unexpected \(of 1 tensor\)\n {4}b is not in the model/);
  });
});
