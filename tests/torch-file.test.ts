/** Files of torch.save, both forms: which values they give, and what is refused. */
import fc from 'fast-check';
import { describe, expect, test } from '@jest/globals';
import type { Problem } from '../compiler/errors.js';
import type { ByteSource } from '../compiler/io.js';
import { readCheckpoint } from '../compiler/node/weights.js';
import type { Checkpoint } from '../compiler/weights/checkpoint.js';
import { itemSize, type DType } from '../compiler/weights/dtypes.js';
import type { StoredTensor } from '../compiler/weights/state-dict.js';
import { checkpointOfZip } from '../compiler/weights/torch/checkpoint.js';
import { memorySource, problemOfAsync } from './made-files.js';
import { FALSE, NONE, bigInteger, blob, called, dict, fields, float, int, ints, list, named, object, persistent, pickle, text, tuple, type Part } from './made-pickle.js';
import { floats, nnModule, ordered, parameter, sourced, storage, tensor, torchLegacy, torchZip } from './made-torch.js';

const open = (bytes: Uint8Array, name = 'made.pt'): Promise<Checkpoint> => readCheckpoint(memorySource(bytes, name));
const refusal = (bytes: Uint8Array): Promise<Problem> => problemOfAsync(open(bytes));

/** The tensor of a state_dict that holds it alone. */
async function only(value: Part, storages: Readonly<Record<string, Uint8Array>> = {}): Promise<StoredTensor> {
  const { tensors } = await open(torchZip(fields({ w: value }), storages));
  expect([...tensors.keys()]).toEqual(['w']);
  return tensors.get('w')!;
}

function raw({ bytes, size, dtype }: StoredTensor): Uint8Array {
  const all = new Uint8Array(size * itemSize(dtype));
  bytes(all, 0);
  return all;
}

function numbers({ read, size }: StoredTensor): number[] {
  const values = new Float32Array(size);
  read!(values, 0);
  return [...values];
}

const one = floats(1, 2, 3, 4, 5, 6);
const halves = new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer);

describe('tensors', () => {
  test.each<[string, Part, Uint8Array, readonly number[]]>([
    ['on a CUDA device', tensor(storage('FloatStorage', '0', 6, 'cuda:0'), [6]), one, [1, 2, 3, 4, 5, 6]],
    ['on Apple’s', tensor(storage('FloatStorage', '0', 6, 'mps'), [6]), one, [1, 2, 3, 4, 5, 6]],
    ['of an old CUDA class', tensor(persistent(tuple(text('storage'), named('torch.cuda', 'FloatStorage'), text('0'), text('cuda:0'), int(6))), [2]), one, [1, 2]],
    ['half', tensor(storage('HalfStorage', '0', 2), [2]), halves, [1, -2]],
    ['bfloat16', tensor(storage('BFloat16Storage', '0', 2), [2]), new Uint8Array(Uint16Array.of(0x3f80, 0xc000).buffer), [1, -2]],
    ['double', tensor(storage('DoubleStorage', '0', 2), [2]), new Uint8Array(Float64Array.of(1, -2).buffer), [1, -2]],
    ['with an offset', tensor(storage('FloatStorage', '0', 6), [2], [1], 3), one, [4, 5]],
    ['transposed', tensor(storage('FloatStorage', '0', 6), [3, 2], [1, 3]), one, [1, 4, 2, 5, 3, 6]],
    ['expanded', tensor(storage('FloatStorage', '0', 6), [2, 2], [0, 5]), one, [1, 6, 1, 6]],
    ['of one number', tensor(storage('FloatStorage', '0', 6), [], [], 5), one, [6]],
    ['without any', tensor(storage('FloatStorage', '0', 6), [0, 7], [7, 1], 6), one, []],
    ['a Parameter', called('torch._utils', '_rebuild_parameter', parameter('0', [2]), '\x88', called('collections', 'OrderedDict')), floats(7, 8), [7, 8]],
    ['a Parameter with attributes', called('torch._utils', '_rebuild_parameter_with_state', parameter('0', [2]), '\x88', called('collections', 'OrderedDict'), fields({ seen: '\x88' })), floats(7, 8), [7, 8]],
    ['as torch 0.3 wrote them', called('torch._utils', '_rebuild_tensor', storage('FloatStorage', '0', 6), int(1), ints([2]), ints([2])), one, [2, 4]],
    ['on an untyped storage', called('torch._utils', '_rebuild_tensor_v3', storage('UntypedStorage', '0', 4), int(1), ints([1]), ints([1]), FALSE, called('collections', 'OrderedDict'), named('torch', 'float16')), halves, [-2]],
    ['of a subclass', called('torch._tensor', '_rebuild_from_type_v2', named('torch._utils', '_rebuild_tensor_v2'), named('my.tensors', 'Watched'), tuple(storage('FloatStorage', '0', 6), int(0), ints([2]), ints([1]), FALSE, called('collections', 'OrderedDict')), fields({})), one, [1, 2]],
    ['whose shape is a torch.Size', called('torch._utils', '_rebuild_tensor_v2', storage('FloatStorage', '0', 6), int(0), called('torch', 'Size', ints([2])), ints([1]), FALSE, called('collections', 'OrderedDict')), one, [1, 2]],
    ['with a longer storage than it says', tensor(storage('FloatStorage', '0', 2), [2]), one, [1, 2]],
  ])('%s', async (_, value, bytes, wanted) => {
    expect(numbers(await only(value, { 0: bytes }))).toEqual(wanted);
  });

  test.each<[string, DType, number]>([['LongStorage', 'I64', 8], ['IntStorage', 'I32', 4], ['ShortStorage', 'I16', 2], ['CharStorage', 'I8', 1], ['ByteStorage', 'U8', 1], ['BoolStorage', 'BOOL', 1], ['ComplexFloatStorage', 'C64', 8]])(
    '%s holds %s, which are no weights',
    async (type, dtype, bytes) => {
      const stored = await only(tensor(storage(type, '0', 2), [2]), { 0: Uint8Array.from({ length: 2 * bytes }, (_, i) => i) });
      expect([stored.dtype, stored.read]).toEqual([dtype, undefined]);
      expect([...raw(stored)]).toEqual(Array.from({ length: 2 * bytes }, (_, i) => i));
    },
  );

  test('several share a storage, which is in the file once', async () => {
    const { tensors } = await open(torchZip(fields({ a: tensor(storage('FloatStorage', '0', 6), [2, 3]), b: tensor(storage('FloatStorage', '0', 6), [2, 2], [3, 1], 1), c: ']' }), { 0: one }));
    expect([...tensors].map(([key, stored]) => [key, numbers(stored)])).toEqual([['a', [1, 2, 3, 4, 5, 6]], ['b', [2, 3, 5, 6]]]);
  });

  test('views are gathered in row-major order, whole and in parts', async () => {
    const types: readonly (readonly [string, DType])[] = [['FloatStorage', 'F32'], ['HalfStorage', 'F16'], ['DoubleStorage', 'F64'], ['LongStorage', 'I64'], ['BoolStorage', 'BOOL'], ['ShortStorage', 'I16']];
    const axis = fc.record({ extent: fc.integer({ min: 0, max: 5 }), stride: fc.integer({ min: 0, max: 9 }) });
    const view = fc.record({ type: fc.constantFrom(...types), axes: fc.array(axis, { maxLength: 5 }), offset: fc.integer({ min: 0, max: 7 }), spare: fc.integer({ min: 0, max: 3 }), from: fc.nat(), length: fc.nat() });
    await fc.assert(
      fc.asyncProperty(view, async ({ type: [className, dtype], axes, offset, spare, from, length }) => {
        const [shape, strides] = [axes.map(({ extent }) => extent), axes.map(({ stride }) => stride)];
        const places = gather(shape, strides, offset);
        const item = itemSize(dtype);
        const elements = Math.max(offset, ...places) + 1 + spare;
        const bytes = Uint8Array.from({ length: elements * item }, (_, i) => (i * 37 + 11) & 255);
        const stored = await only(tensor(storage(className, '0', elements), shape, strides, offset), { 0: bytes });
        const wanted = Buffer.concat(places.map((place) => bytes.subarray(place * item, (place + 1) * item)));
        expect(stored).toMatchObject({ dtype, shape, size: places.length });
        expect(Buffer.compare(raw(stored), wanted)).toBe(0);
        // A part, then the part before it: readers start anywhere.
        const start = places.length === 0 ? 0 : from % places.length;
        const part = new Uint8Array((places.length === 0 ? 0 : length % (places.length - start + 1)) * item);
        for (const at of [start, 0]) {
          stored.bytes(part, at * item);
          expect(Buffer.compare(part, wanted.subarray(at * item, at * item + part.length))).toBe(0);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test('a large transposed tensor is read across chunks', async () => {
    const [rows, columns] = [300, 401];
    const values = Float64Array.from({ length: rows * columns }, (_, i) => i);
    const stored = await only(tensor(storage('DoubleStorage', '0', values.length), [columns, rows], [1, columns]), { 0: new Uint8Array(values.buffer) });
    const read = numbers(stored);
    expect(read.findIndex((value, i) => value !== (i % rows) * columns + Math.floor(i / rows))).toBe(-1);
    const part = new Float32Array(7);
    stored.read!(part, 299);
    expect([...part]).toEqual(read.slice(299, 306));
  });

  test('a view across more of a storage than is held at once', () => {
    const far = 2 ** 25;
    const storages: ByteSource = {
      name: 'huge.pt',
      size: 4 * (2 * far + 20),
      // Each element is its own number.
      read: (into, at) => into.forEach((_, i) => (into[i] = new Uint8Array(Float32Array.of(Math.floor((at + i) / 4)).buffer)[(at + i) % 4]!)),
    };
    const root = fields({ w: tensor(storage('FloatStorage', '0', 2 * far + 20), [3, 2], [far, 5], 2) });
    const archive = new Map([['a/data.pkl', memorySource(pickle(root))], ['a/data/0', storages]]);
    const { tensors } = checkpointOfZip('huge.pt', archive);
    expect(numbers(tensors.get('w')!)).toEqual([2, 7, far + 2, far + 7, 2 * far + 2, 2 * far + 7].map(Math.fround));
  });

  const data = storage('FloatStorage', '0', 6);
  const rebuilt = (...args: readonly Part[]): Part => called('torch._utils', '_rebuild_tensor_v2', ...args);
  test.each<[string, Part, RegExp]>([
    ['a view that ends beyond its storage', tensor(data, [7]), /a tensor reaches to element 6 of a storage of 6$/],
    ['strides that lead beyond it', tensor(data, [2, 2], [5, 1]), /a tensor reaches to element 6 of a storage of 6$/],
    ['an offset beyond it', tensor(data, [1], [1], 6), /a tensor reaches to element 6 of a storage of 6$/],
    ['one number of an empty storage', tensor(storage('FloatStorage', '0', 0), []), /a tensor reaches to element 0 of a storage of 0$/],
    ['a view of another type that is larger', called('torch._utils', '_rebuild_tensor_v3', storage('UntypedStorage', '0', 24), int(0), ints([4]), ints([1]), FALSE, NONE, named('torch', 'float64')), /a tensor reaches to element 3 of a storage of 3$/],
    ['an offset below 0', tensor(data, [1], [1], -1), /the offset of a tensor is no number from 0 on$/],
    ['a stride below 0', tensor(data, [2], [-1], 2), /the strides of a tensor do not belong to its shape$/],
    ['fewer strides than sizes', tensor(data, [2, 2], [1]), /the strides of a tensor do not belong to its shape$/],
    ['a size below 0', tensor(data, [-2], [1]), /the shape of a tensor is no list of sizes$/],
    ['a size that is a fraction', rebuilt(data, int(0), tuple(float(1.5)), ints([1])), /the shape of a tensor is no list of sizes$/],
    ['a shape that is a number', rebuilt(data, int(0), int(6), ints([1])), /the shape of a tensor is no list of sizes$/],
    ['65 axes', tensor(data, new Array<number>(65).fill(1)), /the shape of a tensor is no list of sizes$/],
    ['more elements than can be read', tensor(data, [2 ** 21, 2 ** 20], [0, 0]), /a tensor would have 2199023255552 elements$/],
    ['extents whose product is no number', tensor(data, new Array<number>(40).fill(2 ** 30), new Array<number>(40).fill(0)), /a tensor would have .* elements$/],
    ['no storage', rebuilt(NONE, int(0), ints([1]), ints([1])), /a tensor has no storage$/],
    ['nothing at all', rebuilt(), /a tensor has no storage$/],
    ['a storage that is not in the file', tensor(storage('FloatStorage', '1', 1), [1]), /there is no storage 1$/],
    ['a storage that is larger than its file', tensor(storage('FloatStorage', '0', 7), [7]), /storage 0 would have 28 bytes, it has 24$/],
    ['one storage of two types', tuple(data, storage('HalfStorage', '0', 6)), /storage 0 is described twice, in two ways$/],
    ['one storage of two sizes', tuple(data, storage('FloatStorage', '0', 5)), /storage 0 is described twice, in two ways$/],
    ['a storage of a size below 0', storage('FloatStorage', '0', -1), /storage 0 has no valid size$/],
    ['a storage of a size in words', persistent(tuple(text('storage'), named('torch', 'FloatStorage'), text('0'), text('cpu'), text('6'))), /storage 0 has no valid size$/],
    ['a storage of a size beyond 2^53', persistent(tuple(text('storage'), named('torch', 'FloatStorage'), text('0'), text('cpu'), ['\x8a', 9, bigInteger(2n ** 64n, 9)])), /storage 0 has no valid size$/],
    ['a storage without a key', persistent(tuple(text('storage'), named('torch', 'FloatStorage'), int(0), text('cpu'), int(6))), /the key of a storage is no text$/],
    ['a persistent id of another kind', persistent(tuple(text('tensor'), named('torch', 'FloatStorage'), text('0'), text('cpu'), int(6))), /a persistent id is not one of PyTorch$/],
    ['a persistent id that is text', persistent(text('storage')), /a persistent id is not one of PyTorch$/],
    ['a storage whose class is text', persistent(tuple(text('storage'), text('FloatStorage'), text('0'), text('cpu'), int(6))), /a persistent id is not one of PyTorch$/],
  ])('refuses %s', async (_, value, message) => {
    const problem = await refusal(torchZip(fields({ w: value }), { 0: one }));
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toMatch(/^made\.pt is not a readable PyTorch checkpoint: /);
    expect(problem.message.replace(/ \(byte \d+\)$/, '')).toMatch(message);
    expect(problem.help).toBe('Download or copy the file again.');
  });

  test.each<[string, Part]>([
    ['on a storage of other libraries', tensor(persistent(tuple(text('storage'), named('my.storages', 'FloatStorage'), text('0'), text('cpu'), int(1))), [1])],
    ['on a quantized storage', tensor(storage('QUInt4x2Storage', '9', 1), [1])],
    ['of a type that is not known', called('torch._utils', '_rebuild_tensor_v3', storage('UntypedStorage', '1', 4), int(0), ints([4]), ints([1]), FALSE, NONE, named('torch', 'bits8'))],
    ['that are sparse', called('torch._utils', '_rebuild_sparse_tensor', named('torch', 'sparse_coo'), tuple(parameter('0', [1])))],
    ['that are on no device', called('torch._utils', '_rebuild_meta_tensor_no_storage', named('torch', 'float32'), ints([1]), ints([1]), FALSE)],
  ])('those %s are left out', async (_, value) => {
    const { tensors } = await open(torchZip(fields({ w: parameter('0', [1]), v: parameter('0', [1]), other: value }), { 0: floats(1), 1: floats(2) }));
    expect([...tensors.keys()]).toEqual(['w', 'v']);
  });
});

/** Where each element of a view lies, by the definition. */
function gather(shape: readonly number[], strides: readonly number[], offset: number): number[] {
  return shape.reduce<number[]>((places, extent, axis) => places.flatMap((place) => Array.from({ length: extent }, (_, i) => place + i * strides[axis]!)), [offset]);
}

describe('what stands beside the weights', () => {
  const scalar = (code: string, bytes: Uint8Array, core = 'numpy._core'): Part => called(`${core}.multiarray`, 'scalar', called('numpy', 'dtype', text(code), FALSE, '\x88'), blob(bytes));
  const info = async (key: string, value: Part): Promise<unknown> => (await open(torchZip(fields({ model: fields({ w: parameter('0', [1]) }), [key]: value }), { 0: floats(1) }))).info[key];
  const doubled = Array.from({ length: 40 }).reduce<Part>((inner) => [inner, '2\x86'], tuple(int(1)));

  test.each<[string, Part, unknown]>([
    ['numpy.float64', scalar('f8', new Uint8Array(Float64Array.of(0.25).buffer)), 0.25],
    ['numpy.float32 of an old NumPy', scalar('f4', floats(0.5), 'numpy.core'), 0.5],
    ['numpy.int64', scalar('i8', new Uint8Array(BigInt64Array.of(-3n).buffer)), -3],
    ['numpy.int32', scalar('i4', new Uint8Array(Int32Array.of(-4).buffer)), -4],
    ['bytes as protocol 2 writes them', fields({ a: called('_codecs', 'encode', text('\xff'), text('latin1')), b: int(1) }), { b: 1 }],
    ['an integer beyond 2^53', ['\x8a', 9, bigInteger(2n ** 70n, 9)], String(2n ** 70n)],
    ['a path', called('pathlib', 'PosixPath', text('/'), text('runs'), text('train')), '/runs/train'],
    ['a namespace', object('ultralytics.utils', 'IterableSimpleNamespace', fields({ task: text('detect'), lr0: float(0.01) })), { task: 'detect', lr0: 0.01 }],
    ['sets and lists', list(called('builtins', 'set', list(int(1))), called('builtins', 'frozenset', list(int(2))), called('builtins', 'tuple', list(int(3)))), [[1], [2], [3]]],
    ['a dict of any keys', dict([int(0), text('cat')], [text('__proto__'), int(1)], [tuple(int(1), int(2)), NONE], [NONE, FALSE]), JSON.parse('{"0": "cat", "__proto__": 1, "[1,2]": null, "null": false}')],
    ['an ordered dict of pairs', called('collections', 'OrderedDict', list(tuple(text('a'), int(1)), list(text('b'), int(2)))), { a: 1, b: 2 }],
    ['one odd value, the others shown', fields({ hook: object('my.hooks', 'Hook', fields({})), lr: float(0.1) }), { lr: 0.1 }],
    ['an object', object('my.metrics', 'Metric', fields({})), undefined],
    ['a list that holds itself', [']', 'q', 77, 'h', 77, 'a'], undefined],
    ['2^40 values in 80 opcodes', doubled, undefined],
  ])('%s', async (_, value, wanted) => {
    const key = 'train_args';
    expect(await info(key, value)).toEqual(wanted);
  });

  test('classes of others are listed, each once; PyTorch’s and Python’s are not', async () => {
    const { classes } = await open(torchZip(fields({ model: nnModule('my.net.Net', { parameters: { w: parameter('0', [1]) }, loss: object('my.loss', 'Loss', fields({})), also: object('my.loss', 'Loss', fields({})), when: called('datetime', 'date', text('x')) }) }), { 0: floats(1) }));
    expect(classes).toEqual(['my.net.Net', 'my.loss.Loss']);
  });

  test('names of a file are quoted where they could steer a terminal', async () => {
    const { classes, modules } = await open(torchZip(nnModule('x.Net', { modules: { model: nnModule('x.Net', { parameters: { w: parameter('0', [1]) } }, [text('my\x1b[31m'), text('Net'), '\x93']) } }), { 0: floats(1) }));
    expect(classes).toContain('my\\u001b[31m.Net');
    expect([...modules.values()].map(({ path }) => path)).toContain('my\\u001b[31m.Net');
  });
});

describe('which weights are taken', () => {
  const [a, b] = [fields({ w: parameter('0', [1]) }), fields({ w: parameter('1', [1]) })];
  const net = (key: string): Part => nnModule('my.Net', { parameters: { w: parameter(key, [1]) } });
  test.each<[string, Part, string, number]>([
    ['a state_dict', a, 'state_dict', 10],
    ['a module', net('0'), 'model object', 10],
    ['the averaged before the others', fields({ model: a, ema: b }), 'state_dict under ema', 20],
    ['the others where none are averaged', fields({ ema: NONE, model: net('1') }), 'model object under model', 20],
    ['the averaged of Ultralytics', fields({ model: NONE, ema: net('1') }), 'model object under ema', 20],
    ['Lightning’s', fields({ epoch: int(3), state_dict: a }), 'state_dict under state_dict', 10],
    ['those of an EMA with its counter', fields({ model: a, ema: fields({ module: b, updates: int(4) }) }), 'state_dict under ema.module', 20],
    ['what an EMA wraps', fields({ ema: object('utils.torch_utils', 'ModelEMA', fields({ ema: net('1'), updates: int(4) })) }), 'model object under ema', 20],
    ['what DataParallel wraps', nnModule('torch.nn.parallel.data_parallel.DataParallel', { modules: { module: net('1') } }), 'model object', 20],
    ['what torch.compile wraps in that', fields({ model: nnModule('torch.nn.parallel.distributed.DistributedDataParallel', { modules: { module: nnModule('torch._dynamo.eval_frame.OptimizedModule', { modules: { _orig_mod: net('1') } }) } }) }), 'model object under model', 20],
    ['an averaged state_dict beside a model object', fields({ model: net('0'), ema: b }), 'state_dict under ema', 20],
  ])('%s', async (_, root, holds, wanted) => {
    const checkpoint = await open(torchZip(root, { 0: floats(10), 1: floats(20) }));
    expect(checkpoint.holds).toBe(holds);
    expect([...checkpoint.tensors].map(([key, stored]) => [key, numbers(stored)])).toEqual([['w', [wanted]]]);
  });

  test.each<[string, Part, string]>([
    ['an empty dict', fields({}), 'it is an empty dict'],
    ['a dict of other things', fields({ epoch: int(1), 'opt\x1b': NONE }), 'it is a dict of epoch, opt\\u001b'],
    ['an object', object('my.net', 'Config', fields({})), 'it is an object of my.net.Config'],
    ['an object of an unknown class', [called('m', 'f'), ')', 'R'], 'it is an object of an unknown class'],
    ['one tensor', parameter('0', [1]), 'it is one tensor'],
    ['a list', list(parameter('0', [1])), 'it is a list'],
    ['None', NONE, 'it is None'],
    ['a number', int(5), 'it is a number'],
    ['text', text('weights'), 'it is a string'],
    ['a module without tensors', nnModule('my.Net'), 'its model has no tensors'],
  ])('refuses %s', async (_, root, what) => {
    const problem = await refusal(torchZip(root, { 0: floats(1) }));
    expect([problem.code, problem.message]).toEqual(['bad-weights', `made.pt holds no weights that can be used: ${what}`]);
    expect(problem.help).toBe('Give the checkpoint that the trainer wrote (best.pt), or a state_dict.');
  });

  test('a module that holds itself is refused', async () => {
    const root = [nnModule('m.Net', { parameters: { w: parameter('0', [1]) } }), 'q', 250, fields({ _modules: ordered({ self: ['h', 250] }) }), 'b'];
    expect((await refusal(torchZip(root, { 0: floats(1) }))).message).toMatch(/its modules are nested without end$/);
  });
});

describe('modules as pickled', () => {
  test('tensors by their paths, as state_dict() would give them', async () => {
    const inner = nnModule('torch.nn.modules.batchnorm.BatchNorm2d', {
      parameters: { weight: parameter('0', [1]), bias: NONE },
      buffers: { running_mean: parameter('1', [1]), secret: parameter('2', [1]) },
      _non_persistent_buffers_set: called('__builtin__', 'set', list(text('secret'))),
      eps: float(0.5),
      stray: parameter('2', [1]),
    });
    const root = nnModule('my.Net', { modules: { model: nnModule('torch.nn.modules.container.Sequential', { modules: { 0: nnModule('my.Conv', { modules: { bn: inner, act: NONE } }), 1: nnModule('torch.nn.modules.linear.Identity') } }) } });
    const { tensors, modules, model } = await open(torchZip(root, { 0: floats(1), 1: floats(2), 2: floats(3) }));
    expect([...tensors].map(([key, stored]) => [key, ...numbers(stored)])).toEqual([['model.0.bn.weight', 1], ['model.0.bn.running_mean', 2]]);
    expect([...modules].map(([path, { path: of }]) => [path, of])).toEqual([['model', 'torch.nn.modules.container.Sequential'], ['model.0', 'my.Conv'], ['model.0.bn', 'torch.nn.modules.batchnorm.BatchNorm2d'], ['model.1', 'torch.nn.modules.linear.Identity']]);
    expect(modules.get('model.0.bn')!.attribute('eps')).toBe(0.5);
    expect(modules.get('model.0.bn')!.attribute('stray')).toEqual([3]);
    expect(modules.get('model.0.bn')!.attribute('toString')).toBeUndefined();
    expect(model.class).toBe('my.Net');
  });

  test('one module at two places has its tensors under both', async () => {
    const shared = [nnModule('my.Bottleneck', { parameters: { w: parameter('0', [1]) } }), 'q', 200];
    const { tensors } = await open(torchZip(nnModule('my.Net', { modules: { model: nnModule('S.S', { modules: { 0: shared, 1: ['h', 200] } }) } }), { 0: floats(4) }));
    expect([...tensors].map(([key, stored]) => [key, ...numbers(stored)])).toEqual([['model.0.w', 4], ['model.1.w', 4]]);
  });
});

describe('the zip form', () => {
  const root = fields({ w: parameter('0', [1]), v: parameter('0', [1]) });
  const files = { 0: floats(1) };

  test.each(['archive', 'best', 'my weights', '模型'])('its folder may be called %s', async (folder) => {
    expect((await open(torchZip(root, files, { folder }))).container).toBe('zip');
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a zip of something else', torchZip(root, files, { folder: 'a/b' }), /it is a zip file without data\.pkl$/],
    ['two models in one zip', torchZip(root, files, { more: [{ name: 'other/data.pkl', bytes: Uint8Array.of(1) }] }), /it has 2 models: best\/data\.pkl, other\/data\.pkl$/],
    ['big-endian numbers', torchZip(root, files, { more: [{ name: 'best/byteorder', bytes: Buffer.from('big') }] }), /its numbers are not little-endian$/],
    ['a pickle without its end', torchZip(root, files, { more: [{ name: 'best/data.pkl', bytes: Buffer.from('\x80\x02}', 'latin1') }] }), /it is cut off$/],
    ['an empty pickle', torchZip(root, files, { more: [{ name: 'best/data.pkl', bytes: new Uint8Array(0) }] }), /it is cut off$/],
    ['a name that harms', torchZip(tuple(root, named('posix', 'system')), files), /it names posix\.system, which has no place in a model/],
  ])('refuses %s', async (_, bytes, message) => {
    const problem = await refusal(bytes);
    expect(problem.code).toBe('bad-weights');
    expect(problem.message.replace(/ \(byte \d+\)$/, '')).toMatch(message);
    expect(problem.message).toMatch(/^made\.pt is not a readable PyTorch checkpoint: /);
  });

  test('a TorchScript archive is told from a checkpoint', async () => {
    const problem = await refusal(torchZip(root, files, { more: [{ name: 'best/constants.pkl', bytes: Uint8Array.of(1) }] }));
    expect(problem.message).toBe('made.pt is a TorchScript archive, not a checkpoint');
    expect(problem.help).toBe('Give the checkpoint that it was exported from (best.pt).');
  });

  test('a byteorder with a newline, or none at all', async () => {
    for (const byteorder of ['little\n', 'little']) expect((await open(torchZip(root, files, { more: [{ name: 'best/byteorder', bytes: Buffer.from(byteorder) }] }))).tensors.size).toBe(2);
  });
});

/** Calls and states that copy something large from the memo, a hundred times over. */
describe('copies are charged to the budget too', () => {
  const hundred = (part: Part): Part => Array.from({ length: 100 }, () => part);
  const copies = (large: Part, callee: Part): Part => [large, 'q', 0, '0', callee, 'q', 1, '0', '(', hundred(['h', 1, 'h', 0, '\x85', 'R']), 't'];
  const nothings = new Uint8Array(100_000).fill('N'.charCodeAt(0));
  const items = [']', '(', nothings, 'e'];
  const entries = ['}', '(', Array.from({ length: 20_000 }, (_, i) => [int(i), 'N']), 'u'];
  test.each<[string, Part]>([
    ['lists', copies(items, named('__builtin__', 'list'))],
    ['sets', copies(items, named('__builtin__', 'set'))],
    ['sizes', copies(items, named('torch', 'Size'))],
    ['dicts', copies(entries, named('collections', 'OrderedDict'))],
    ['bytes', copies(text('x'.repeat(1e6)), named('_codecs', 'encode'))],
    ['states', [entries, 'q', 0, '0', named('m', 'C'), ')', '\x81', hundred(['h', 0, 'b'])]],
  ])('%s', async (_, root) => {
    expect((await refusal(torchZip(root))).message).toMatch(/it holds more objects and texts than any model has \(byte \d+\)$/);
  });
});

describe('the legacy form', () => {
  const id = (key: string, size: number, ...view: readonly Part[]): Part => persistent(tuple(text('storage'), named('torch', 'FloatStorage'), text(key), text('cpu'), int(size), ...view));
  const root = fields({ a: tensor(id('94', 2, NONE), [2]), b: tensor(id('1234', 1), [1]) });
  const storages = { 94: [2, floats(1, 2)], 1234: [1, floats(3)] } as const;

  test('storages lie behind the pickles, in the order of their keys as text', async () => {
    const { container, holds, tensors } = await open(torchLegacy(root, storages));
    expect([container, holds]).toEqual(['legacy', 'state_dict']);
    expect([...tensors].map(([key, stored]) => [key, ...numbers(stored)])).toEqual([['a', 1, 2], ['b', 3]]);
  });

  test('a class that comes with its source text is its name; the text is not kept', async () => {
    const conv = sourced('models.common.Conv', 'import os\nos.system("rm")\n');
    const made = nnModule('models.yolo.Model', { modules: { model: nnModule('S.S', { modules: { 0: nnModule('C', { parameters: { w: tensor(id('94', 2, NONE), [2]) } }, [conv, 'q', 240]), 1: nnModule('C', { parameters: { w: tensor(id('1234', 1, NONE), [1]) } }, ['h', 240]) } }) } }, sourced('models.yolo.Model', 'class Model: ...\n'));
    const checkpoint = await open(torchLegacy(fields({ model: made }), storages));
    expect(checkpoint).toMatchObject({ holds: 'model object under model', classes: ['models.yolo.Model', 'S.S', 'models.common.Conv'], model: { class: 'models.yolo.Model' } });
    expect([...checkpoint.tensors].map(([key, stored]) => [key, ...numbers(stored)])).toEqual([['model.0.w', 1, 2], ['model.1.w', 3]]);
    expect(checkpoint.modules.get('model.1')!.path).toBe('models.common.Conv');
  });

  test('strided views in it', async () => {
    const { tensors } = await open(torchLegacy(fields({ a: tensor(id('7', 6), [3, 2], [1, 3]) }), { 7: [6, one] }));
    expect(numbers(tensors.get('a')!)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  const whole = torchLegacy(root, storages);
  test.each<[string, Uint8Array, RegExp]>([
    ['a pickle that torch.save did not write', torchLegacy(root, storages, { magic: fields({ a: int(1) }) }), /it is a pickle, but not one that torch\.save wrote$/],
    ['another number at its start', torchLegacy(root, storages, { magic: int(1) }), /it is a pickle, but not one that torch\.save wrote$/],
    ['another version', torchLegacy(root, storages, { version: int(1002) }), /its version of the legacy form is not known$/],
    ['big-endian numbers', torchLegacy(root, storages, { system: fields({ little_endian: FALSE }) }), /its numbers are not little-endian$/],
    ['views of storages', torchLegacy(fields({ a: tensor(id('94', 2, tuple(text('v'), int(0), int(2))), [2]) }), storages), /it has views of storages, which PyTorch 0\.4 wrote last$/],
    ['no list of storages', torchLegacy(root, storages, { keys: NONE }), /its list of storages is missing$/],
    ['a list that names too few', torchLegacy(root, storages, { keys: list(text('94')), data: [Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), floats(1, 2)] }), /a storage that tensors use is missing$/],
    ['a list that names others', torchLegacy(root, storages, { keys: list(text('94'), text('95')), data: [Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), floats(1, 2)] }), /its list of storages names one that is not described, or one twice$/],
    ['a list that names one twice', torchLegacy(root, storages, { keys: list(text('94'), text('94')), data: [0, 1].map(() => [Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), floats(1, 2)]) }), /its list of storages names one that is not described, or one twice$/],
    ['a list of numbers', torchLegacy(root, storages, { keys: list(int(94)) }), /its list of storages names one that is not described, or one twice$/],
    ['a storage of another size', torchLegacy(root, { ...storages, 94: [3, floats(1, 2, 3)] }), /a storage has 3 elements, 2 are announced$/],
    ['storages that are cut off', whole.subarray(0, -1), /it is cut off$/],
    ['numbers of storages that are cut off', whole.subarray(0, -25), /it is cut off$/],
    ['pickles that are cut off', whole.subarray(0, 60), /it is cut off$/],
    ['a storage that is larger than the file', torchLegacy(fields({ a: tensor(id('94', 2 ** 20), [2]) }), storages), /storage 94 would have 4194304 bytes, the file has \d+$/],
    ['one storage in two ways', torchLegacy(fields({ a: tensor(id('94', 2), [2]), b: tensor(id('94', 1), [1]) }), storages), /storage 94 is described twice, in two ways$/],
    ['a name that harms, in its first pickle', torchLegacy(root, storages, { magic: called('os', 'system', text('ls')) }), /it names os\.system, which has no place in a model/],
    ['a module without a class', torchLegacy(fields({ a: persistent(tuple(text('module'), text('C'), text('f'), text('s'))) }), storages), /a persistent id is not one of PyTorch$/],
  ])('refuses %s', async (_, bytes, message) => {
    const problem = await refusal(bytes);
    expect(problem.code).toBe('bad-weights');
    expect(problem.message).toMatch(/^made\.pt is not a readable PyTorch checkpoint: /);
    expect(problem.message.replace(/ \(byte \d+\)$/, '')).toMatch(message);
  });
});

describe('files that are something else', () => {
  test.each<[string, string, Uint8Array, RegExp]>([
    ['an empty file', 'best.pt', new Uint8Array(0), /^best\.pt is empty$/],
    ['text', 'best.pt', Buffer.from('nc: 80\n'), /^best\.pt is neither a PyTorch checkpoint nor a safetensors file$/],
    ['ONNX', 'best.pt', Uint8Array.of(8, 8, 18, 7, 112, 121, 116, 111, 114, 99, 104), /^best\.pt is neither a PyTorch checkpoint nor/],
    ['safetensors that are none', 'best.safetensors', Buffer.from('nc: 80\n'), /^best\.safetensors is not a valid safetensors file/],
    ['a pickle of protocol 6', 'best.pt', Uint8Array.of(0x80, 6, 0x4e, 0x2e), /^best\.pt is neither a PyTorch checkpoint nor/],
  ])('%s', async (_, name, bytes, message) => {
    const problem = await problemOfAsync(open(bytes, name));
    expect([problem.code, problem.message]).toEqual(['bad-weights', expect.stringMatching(message)]);
  });

  test('safetensors are known by their beginning, whatever they are called', async () => {
    const header = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    const bytes = Buffer.concat([Buffer.from([header.length, 0, 0, 0, 0, 0, 0, 0]), Buffer.from(header), floats(5)]);
    expect((await open(bytes, 'best.bin')).container).toBe('safetensors');
  });
});
