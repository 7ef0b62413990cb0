/** Pickles as data: what every opcode makes, and what is refused. Opcodes are spelt as in CPython's pickletools.py. */
import { describe, expect, test } from '@jest/globals';
import { Problem } from '../compiler/errors.js';
import { isHarmful } from '../compiler/weights/pickle/globals.js';
import { quoted } from '../compiler/errors.js';
import { readPickle, type PickleHooks } from '../compiler/weights/pickle/machine.js';
import { ByteStream } from '../compiler/weights/pickle/stream.js';
import { Dict, Global, Inert, PySet, field } from '../compiler/weights/pickle/values.js';
import { memorySource, problemOf } from './made-files.js';
import { FALSE, MARK, NONE, STOP, TRUE, bigInteger, bytesOf, dict, f64, fields, float, i32, int, named, object, text, tuple, u16, u32, u64, type Part } from './made-pickle.js';

interface Read {
  readonly value: unknown;
  readonly names: readonly string[];
  /** Where the pickle ended. */
  readonly end: number;
}

function readWith(parts: Part, hooks: Partial<PickleHooks> = {}): Read {
  const bytes = bytesOf(parts);
  const names: string[] = [];
  const fail = (what: string, help?: string): never => {
    throw new Problem('bad-weights', what, { help });
  };
  const stream = new ByteStream(memorySource(bytes), fail);
  const value = readPickle(stream, { fail, persistent: (id) => ({ id }), call: () => undefined, named: ({ path }) => names.push(path), ...hooks });
  return { value, names, end: stream.at };
}

/** The value of opcodes, with the STOP put behind them. */
const read = (...parts: readonly Part[]): unknown => readWith([parts, STOP]).value;

function dictOf(...entries: readonly (readonly [unknown, unknown])[]): Dict {
  const made = new Dict();
  for (const [key, value] of entries) made.set(key, value);
  return made;
}

const short = (value: string): Part => ['\x8c', Buffer.byteLength(value), Buffer.from(value)];

describe('what opcodes make', () => {
  test.each<[string, Part, unknown]>([
    ['NONE', NONE, null],
    ['NEWTRUE', TRUE, true],
    ['NEWFALSE', FALSE, false],
    ['INT', 'I-12\n', -12],
    ['INT of a large number', `I${2n ** 70n}\n`, 2n ** 70n],
    ['INT as a boolean', 'I01\n', true],
    ['INT as the other boolean', 'I00\n', false],
    ['INT with the line ends of Windows', 'I7\r\n', 7],
    ['LONG', 'L123L\n', 123],
    ['LONG of a large number', `L-${2n ** 64n}L\n`, -(2n ** 64n)],
    ['BININT', ['J', i32(-(2 ** 31))], -(2 ** 31)],
    ['BININT1', ['K', 255], 255],
    ['BININT2', ['M', u16(65535)], 65535],
    ['LONG4', ['\x8b', i32(3), bigInteger(-70_000n, 3)], -70_000],
    ['FLOAT', 'F-1.5e3\n', -1500],
    ['FLOAT without end', 'Finf\n', Infinity],
    ['FLOAT without end, below', 'F-inf\n', -Infinity],
    ['FLOAT that is no number', 'Fnan\n', NaN],
    ['BINFLOAT', ['G', f64(-0.1)], -0.1],
    ['BINFLOAT of NaN', ['G', f64(NaN)], NaN],
    ['SHORT_BINUNICODE', ['\x8c', 3, Buffer.from('狗')], '狗'],
    ['BINUNICODE', ['X', u32(4), Buffer.from('a\n\0b')], 'a\n\0b'],
    ['BINUNICODE8', ['\x8d', u64(2), 'ab'], 'ab'],
    ['UNICODE', 'Vplain text\n', 'plain text'],
    ['UNICODE with escapes', 'V\\u72d7\\u000a\xe9\n', '狗\né'],
    ['STRING', "S'model'\n", 'model'],
    ['STRING in double quotes', 'S"it\'s"\n', "it's"],
    ['SHORT_BINSTRING', ['U', 2, 'ab'], 'ab'],
    ['BINSTRING', ['T', i32(2), 'ab'], 'ab'],
    ['SHORT_BINBYTES', ['C', 2, 0xff, 0], Uint8Array.of(255, 0)],
    ['BINBYTES', ['B', u32(1), 7], Uint8Array.of(7)],
    ['BINBYTES8', ['\x8e', u64(1), 7], Uint8Array.of(7)],
    ['BYTEARRAY8 and READONLY_BUFFER', ['\x96', u64(2), 7, 8, '\x98'], Uint8Array.of(7, 8)],
    ['EMPTY_LIST', ']', []],
    ['APPEND', [']', 'K', 1, 'a', 'K', 2, 'a'], [1, 2]],
    ['APPENDS', [']', MARK, 'K', 1, 'K', 2, 'e', MARK, 'e'], [1, 2]],
    ['LIST', [MARK, 'K', 1, NONE, 'l'], [1, null]],
    ['EMPTY_TUPLE', ')', []],
    ['TUPLE', [MARK, 'K', 1, 'K', 2, 'K', 3, 'K', 4, 't'], [1, 2, 3, 4]],
    ['TUPLE1', ['K', 1, '\x85'], [1]],
    ['TUPLE2', ['K', 1, 'K', 2, '\x86'], [1, 2]],
    ['TUPLE3', ['K', 1, 'K', 2, 'K', 3, '\x87'], [1, 2, 3]],
    ['EMPTY_DICT', '}', dictOf()],
    ['SETITEM', ['}', 'K', 1, NONE, 's'], dictOf([1, null])],
    ['SETITEMS', ['}', MARK, 'K', 1, NONE, 'K', 2, TRUE, 'u'], dictOf([1, null], [2, true])],
    ['DICT', [MARK, text('a'), 'K', 1, 'd'], dictOf(['a', 1])],
    ['a key that is set again', ['}', text('a'), 'K', 1, 's', text('a'), 'K', 2, 's'], dictOf(['a', 2])],
    ['EMPTY_SET and ADDITEMS', ['\x8f', MARK, 'K', 1, 'K', 2, '\x90', MARK, 'K', 3, '\x90'], new PySet([1, 2, 3])],
    ['FROZENSET', [MARK, 'K', 1, '\x91'], new PySet([1])],
    ['POP', ['K', 1, 'K', 2, '0'], 1],
    ['POP of a mark', ['K', 1, MARK, '0'], 1],
    ['POP_MARK', ['K', 1, MARK, 'K', 2, 'K', 3, '1'], 1],
    ['DUP', ['K', 1, '2', '\x86'], [1, 1]],
    ['PUT and GET', ['K', 1, 'p12\n', '0', 'g12\n'], 1],
    ['BINPUT and BINGET', ['K', 1, 'q', 255, '0', 'h', 255], 1],
    ['LONG_BINPUT and LONG_BINGET', ['K', 1, 'r', u32(70_000), '0', 'j', u32(70_000)], 1],
    ['MEMOIZE counts on', ['K', 5, '\x94', 'K', 6, '\x94', '0', '0', 'h', 0, 'h', 1, '\x86'], [5, 6]],
    ['a memo that is put to again', ['K', 1, 'q', 0, '0', 'K', 2, 'q', 0, '0', 'h', 0], 2],
    ['GLOBAL', named('my.attn', 'SE'), new Global('my.attn', 'SE')],
    ['STACK_GLOBAL', [text('my.attn'), text('Zoo.SE'), '\x93'], new Global('my.attn', 'Zoo.SE')],
    ['STACK_GLOBAL of memoised parts', [short('my.attn'), '\x94', '0', short('SE'), '\x94', '0', 'h', 0, 'h', 1, '\x93'], new Global('my.attn', 'SE')],
    ['PERSID', 'Pthe id\n', { id: 'the id' }],
    ['BINPERSID', [tuple('K\x01', NONE), 'Q'], { id: [1, null] }],
    ['PROTO of each', [['\x80', 0], ['\x80', 1], ['\x80', 5], 'K', 1], 1],
    ['FRAME', ['\x80', 4, '\x95', u64(2), 'K', 1], 1],
  ])('%s', (_, parts, wanted) => {
    expect(read(parts)).toEqual(wanted);
  });

  test('LONG1 of every length', () => {
    for (let length = 0; length <= 255; length++) {
      const most = length === 0 ? 0n : 2n ** BigInt(8 * length - 1) - 1n;
      for (const wanted of length === 0 ? [0n] : [most, -most - 1n, -1n, 1n]) {
        const safe = wanted >= BigInt(Number.MIN_SAFE_INTEGER) && wanted <= BigInt(Number.MAX_SAFE_INTEGER);
        expect(read('\x8a', length, bigInteger(wanted, length))).toBe(safe ? Number(wanted) : wanted);
      }
    }
  });

  test('integers are numbers as far as these are exact', () => {
    const [last, first] = [BigInt(Number.MAX_SAFE_INTEGER), BigInt(Number.MIN_SAFE_INTEGER)];
    for (const value of [last, first]) expect(read('\x8a', 8, bigInteger(value, 8))).toBe(Number(value));
    for (const value of [last + 1n, first - 1n, 2n ** 63n - 1n, 2n ** 70n]) expect(read('\x8a', 9, bigInteger(value, 9))).toBe(value);
  });

  test('lone surrogates are still text', () => {
    expect(read('X', u32(5), 'a', 0xed, 0xa0, 0x80, 'b')).toMatch(/^a\ufffd+b$/);
  });

  test('bytes are a copy, not a window on the file', () => {
    const value = read(tuple(['C', 1, 1], ['B', u32(70_000), new Uint8Array(70_000).fill(2)], ['C', 1, 3])) as Uint8Array[];
    expect(value.map((bytes) => [bytes[0], bytes.length])).toEqual([[1, 1], [2, 70_000], [3, 1]]);
  });

  test('texts and names across the window of the stream', () => {
    const long = 'x'.repeat(200_001);
    expect(read(tuple(text(long), named(`m${'y'.repeat(60_000)}`, 'N'), text(`${long}狗`)))).toEqual([long, new Global(`m${'y'.repeat(60_000)}`, 'N'), `${long}狗`]);
  });

  test('one pickle is read up to its STOP', () => {
    expect(readWith([['\x80', 2], 'K', 1, STOP, 'K', 2, STOP]).end).toBe(5);
  });

  test('values are shared by the memo, and may hold themselves', () => {
    const twice = read(']', 'q', 0, 'h', 0, '\x86') as [unknown, unknown];
    expect(twice[0]).toBe(twice[1]);
    const inner = read(']', 'q', 0, 'h', 0, 'a') as unknown[];
    expect(inner[0]).toBe(inner);
    const outer = read('}', 'q', 0, text('self'), 'h', 0, 's') as Dict;
    expect(outer.get('self')).toBe(outer);
    const itself = read(named('m', 'C'), ')', '\x81', 'q', 0, fields({ me: ['h', 0] }), 'b') as Inert;
    expect(field(itself, 'me')).toBe(itself);
  });

  test('keys keep their types, and none is special', () => {
    const value = read(dict([text('__proto__'), fields({ polluted: TRUE })], [text('constructor'), int(1)], [int(1), text('int')], [text('1'), text('text')], [tuple(int(1)), NONE], [float(0.5), NONE])) as Dict;
    expect([value.size, value.get(1), value.get('1'), value.get('constructor'), value.has('toString')]).toEqual([6, 'int', 'text', 1, false]);
    expect(field(value.get('__proto__'), 'polluted')).toBe(true);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('what would be called is a record', () => {
  const seen: unknown[] = [];
  const C = new Global('my.attn', 'C');
  const inert = (args: unknown, state?: unknown): Inert => Object.assign(new Inert(C, args), { state });

  test.each<[string, Part, Inert]>([
    ['REDUCE', [named('my.attn', 'C'), tuple(int(1)), 'R'], inert([1])],
    ['NEWOBJ', [named('my.attn', 'C'), ')', '\x81'], inert([])],
    ['NEWOBJ_EX', [named('my.attn', 'C'), tuple(int(1)), '}', '\x92'], inert([1])],
    ['NEWOBJ_EX with keywords', [named('my.attn', 'C'), tuple(int(1)), fields({ k: int(2) }), '\x92'], inert([[1], dictOf(['k', 2])])],
    ['INST', [MARK, int(1), 'imy.attn\nC\n'], inert([1])],
    ['OBJ', [MARK, named('my.attn', 'C'), int(1), int(2), 'o'], inert([1, 2])],
    ['BUILD', object('my.attn', 'C', fields({ a: int(1) })), inert([], dictOf(['a', 1]))],
    ['BUILD of slots', object('my.attn', 'C', tuple(NONE, fields({ a: int(1) }))), inert([], [null, dictOf(['a', 1])])],
    ['a second BUILD', [object('my.attn', 'C', fields({ a: int(1), b: int(2) })), fields({ b: int(3) }), 'b'], inert([], dictOf(['a', 1], ['b', 3]))],
    ['items for an object', [named('my.attn', 'C'), ')', '\x81', int(1), 'a', MARK, int(1), 'e', text('k'), int(1), 's', MARK, int(1), '\x90'], inert([])],
    ['a call of what a call gave', [named('my.attn', 'C'), ')', 'R', ')', 'R'], new Inert(new Inert(C, []), [])],
  ])('%s', (_, parts, wanted) => {
    expect(read(parts)).toEqual(wanted);
  });

  test('an object that shares its state keeps it when another is given more', () => {
    const parts = tuple([named('m', 'A'), ')', '\x81', fields({ a: int(1) }), 'q', 0, 'b', fields({ b: int(2) }), 'b'], [named('m', 'B'), ')', '\x81', 'h', 0, 'b']);
    const [first, second] = read(parts) as [Inert, Inert];
    expect([field(first, 'b'), field(second, 'a'), field(second, 'b')]).toEqual([2, 1, undefined]);
  });

  test('the dict of an object with slots is its attributes', () => {
    expect(field(read(object('m', 'C', tuple(fields({ a: int(1) }), fields({ slot: int(2) })))), 'a')).toBe(1);
  });

  test('a callee that the hooks know has their value; BUILD on it changes nothing', () => {
    const call: PickleHooks['call'] = ({ path }, args) => {
      seen.push([path, args]);
      return path === 'm.known' ? dictOf(['args', args]) : undefined;
    };
    const { value } = readWith([tuple([named('m', 'known'), tuple(int(1)), 'R', fields({ a: NONE }), 'b'], [named('m', 'other'), ')', 'R']), STOP], { call });
    expect(value).toEqual([dictOf(['args', [1]]), new Inert(new Global('m', 'other'), [])]);
    expect(seen).toEqual([['m.known', [1]], ['m.other', []]]);
  });

  test('names are told once each, and are one object', () => {
    const { value, names } = readWith([tuple(named('m', 'A'), named('m', 'B'), [text('m'), text('A'), '\x93']), STOP]);
    expect(names).toEqual(['m.A', 'm.B']);
    expect((value as Global[])[0]).toBe((value as Global[])[2]);
  });

  test('names are UTF-8', () => {
    expect(readWith([['c', Buffer.from('我的\n注意力\n')], STOP]).names).toEqual(['我的.注意力']);
  });
});

describe('refusals', () => {
  const underflow = /^an opcode takes more values than there are/;
  const noMark = /^an opcode needs a mark and there is none/;
  test.each<[string, Part, RegExp]>([
    ['a byte that is no opcode', '\xff', /^0xff is no opcode of a pickle \(byte 0\)$/],
    ['a letter that is no opcode', ['K', 1, 'A'], /^0x41 is no opcode of a pickle \(byte 2\)$/],
    ['protocol 6', ['\x80', 6], /^its pickle protocol is 6; at most 5 is known \(byte 0\)$/],
    ['EXT1', ['\x82', 1], /copyreg extension registry/],
    ['EXT2', ['\x83', u16(1)], /copyreg extension registry/],
    ['EXT4', ['\x84', i32(1)], /copyreg extension registry/],
    ['NEXT_BUFFER', '\x97', /buffers outside the file/],
    ['an empty stack', STOP, underflow],
    ['a STOP above a mark', ['K', 1, MARK], underflow],
    ['POP of nothing', '0', underflow],
    ['DUP of nothing', '2', underflow],
    ['DUP of what is below a mark', ['K', 1, MARK, '2'], underflow],
    ['MEMOIZE of nothing', '\x94', underflow],
    ['APPEND of nothing', [']', 'a'], underflow],
    ['APPENDS to nothing', [MARK, 'e'], underflow],
    ['TUPLE3 of two', ['K', 1, 'K', 2, '\x87'], underflow],
    ['TUPLE2 across a mark', ['K', 1, MARK, 'K', 2, '\x86'], underflow],
    ['REDUCE without arguments', [named('m', 'C'), 'R'], underflow],
    ['BUILD without an object', ['}', 'b'], underflow],
    ['TUPLE without a mark', 't', noMark],
    ['LIST without a mark', 'l', noMark],
    ['DICT without a mark', 'd', noMark],
    ['APPENDS without a mark', [']', 'e'], noMark],
    ['SETITEMS without a mark', ['}', 'u'], noMark],
    ['ADDITEMS without a mark', ['\x8f', '\x90'], noMark],
    ['FROZENSET without a mark', '\x91', noMark],
    ['OBJ without a mark', 'o', noMark],
    ['INST without a mark', 'im\nC\n', noMark],
    ['POP_MARK without a mark', '1', noMark],
    ['a memo that is empty', ['h', 3], /^it refers to value 3, which is not there \(byte 0\)$/],
    ['a memo index in words', ['K', 1, 'pone\n'], /^a memo index is no number from 0 on/],
    ['a memo index below 0', ['K', 1, 'p-1\n'], /^a memo index is no number from 0 on/],
    ['a dict with a key alone', [MARK, 'K', 1, 'd'], /^a key of a dict has no value/],
    ['SETITEMS of three', ['}', MARK, 'K', 1, 'K', 2, 'K', 3, 'u'], /^a key of a dict has no value/],
    ['items for a number', ['K', 1, 'K', 2, 'a'], /^items are appended to what is no list/],
    ['keys for text', [text('a'), 'K', 1, 'K', 2, 's'], /^keys are set on what is no dict/],
    ['set items for None', [NONE, MARK, 'K', 1, '\x90'], /^items are added to what is no set/],
    ['items for bytes', ['C', 1, 0, 'K', 1, 'a'], /^items are appended to what is no list/],
    ['a state for a number', ['K', 1, '}', 'b'], /^a state is given to what is no object/],
    ['items for a tuple', [tuple(int(1)), 'K', 2, 'a'], /^items are appended to what is no list/],
    ['items for a dict', ['}', 'K', 2, 'a'], /^items are appended to what is no list/],
    ['keys for a list', [']', 'K', 1, 'K', 2, 's'], /^keys are set on what is no dict/],
    ['set items for a list', [']', MARK, 'K', 1, '\x90'], /^items are added to what is no set/],
    ['a state for a list', [']', '}', 'b'], /^a state is given to what is no object/],
    ['a call of what is no name', [int(1), ')', 'R'], /^what is called is neither a class nor a function/],
    ['arguments that are no tuple', [named('m', 'C'), NONE, 'R'], /^a call has arguments that are no tuple/],
    ['keywords that are no dict', [named('m', 'C'), ')', ')', '\x92'], /^a call has keywords that are no dict/],
    ['OBJ of nothing', [MARK, 'o'], /^what is called is neither a class nor a function/],
    ['READONLY_BUFFER of text', [text('a'), '\x98'], /^a buffer holds no bytes/],
    ['STRING without quotes', 'Smodel\n', /^a text has no quotes/],
    ['STRING with one quote', "S'model\n", /^a text has no quotes/],
    ['text that is no UTF-8', ['X', u32(2), 0xc3, 0x28], /^a text is no UTF-8/],
    ['a line that does not end', ['c', 'x'.repeat(70_000), '\nC\n'], /^a line has more than 65536 bytes/],
    ['values in values in values', [']'.repeat(1002), 'a'.repeat(1001)], /^its values are nested more than 1000 deep/],
    ['STACK_GLOBAL of a number', [text('m'), 'K', 1, '\x93'], /^STACK_GLOBAL names something that is no text/],
    ['INT in words', 'Iten\n', /^an integer is not written as one/],
    ['an empty INT', 'I\n', /^an integer is not written as one/],
    ['LONG with a fraction', 'L1.5L\n', /^an integer is not written as one/],
    ['INT of 5000 digits', `I${'9'.repeat(5000)}\n`, /^an integer is not written as one/],
    ['LONG4 of 2049 bytes', ['\x8b', i32(2049), new Uint8Array(2049)], /^an integer is 2049 bytes long/],
    ['LONG4 of a length below 0', ['\x8b', i32(-1)], /^a length is negative/],
    ['BINSTRING of a length below 0', ['T', i32(-1)], /^a length is negative/],
    ['more values than any model has', [new Uint8Array(4 * 2 ** 20 + 2).fill(NONE.charCodeAt(0))], /^it holds more objects and texts than any model has \(byte \d+\)$/],
    ['one list of everything', [']', MARK, new Uint8Array(3 * 2 ** 20).fill(NONE.charCodeAt(0)), 'e'], /^it holds more objects and texts/],
    ['dicts without end', new Uint8Array(300_000).fill('}'.charCodeAt(0)), /^it holds more objects and texts/],
    ['a text of 40 MB', [text('x'.repeat(40e6))], /^it holds more objects and texts/],
  ])('%s', (_, parts, message) => {
    const problem = problemOf(() => read(parts));
    expect(problem.message).toMatch(message);
  });

  test.each<[string, Part]>([
    ['nothing at all', ''],
    ['no STOP', 'N'],
    ['an argument that is cut off', ['J', 1, 2]],
    ['a line without its end', 'I12'],
    ['text longer than the file', ['X', u32(2 ** 32 - 1), 'abc']],
    ['text of a length that no file has', ['\x8d', u64(2n ** 64n - 1n), 'abc']],
    ['bytes longer than the file', ['B', u32(5), 'abcd']],
    ['a frame longer than the file', ['\x80', 4, '\x95', u64(10), 'N', STOP]],
  ])('%s: it is cut off', (_, parts) => {
    expect(problemOf(() => readWith(parts)).message).toMatch(/^it (is cut off|holds more objects)/);
  });
});

describe('names that harm', () => {
  test.each([
    ['os', 'system'], ['posix', 'system'], ['nt', 'system'], ['os', 'popen'], ['os', 'execv'], ['os', 'spawnlp'], ['os', 'posix_spawn'], ['os', 'remove'], ['os', 'rmdir'],
    ['subprocess', 'Popen'], ['subprocess', 'check_output'], ['commands', 'getoutput'], ['pty', 'spawn'], ['builtins', 'eval'], ['__builtin__', 'eval'], ['__builtin__', 'execfile'],
    ['builtins', 'exec'], ['builtins', 'compile'], ['builtins', '__import__'], ['builtins', 'open'], ['runpy', '_run_code'], ['importlib', 'import_module'], ['importlib._bootstrap', 'anything'],
    ['code', 'interact'], ['code', 'InteractiveInterpreter.runcode'], ['socket', 'socket'], ['http.client', 'HTTPSConnection'], ['urllib.request', 'urlopen'], ['requests.api', 'get'], ['webbrowser', 'open'],
    ['shutil', 'rmtree'], ['shutil', 'os.execv'], ['ctypes', 'CDLL'], ['pickle', 'loads'], ['_pickle', 'Unpickler'], ['cPickle', 'load'], ['dill', 'load_session'], ['cloudpickle', 'loads'], ['joblib', 'load'],
    ['marshal', 'loads'], ['types', 'CodeType'], ['types', 'FunctionType'], ['timeit', 'timeit'], ['pdb', 'run'], ['cProfile', 'runctx'], ['pip', 'main'], ['pip._internal', 'main'],
    ['torch', 'load'], ['torch', 'hub.load'], ['torch.hub', 'load'], ['torch.serialization', 'load'], ['torch.utils.cpp_extension', 'load_inline'], ['torch.utils.collect_env', 'run'],
    ['numpy.testing._private.utils', 'runstring'], ['numpy.f2py', 'compile'],
    ['torch.serialization', 'os.system'],
  ])('%s.%s', (module, name) => {
    expect(isHarmful(module, name)).toBe(true);
    const shown = quoted(`${module}.${name}`);
    for (const parts of [named(module, name), [MARK, `i${module}\n${name}\n`], [text(module), text(name), '\x93']]) {
      const problem = problemOf(() => read(parts));
      expect(problem.message).toMatch(/^it names .*, which has no place in a model and runs code when Python opens the file \(byte \d+\)$/);
      expect(problem.message).toContain(`it names ${shown}, `);
      expect(problem.help).toBe('Nothing was run. Do not open this file with PyTorch; get the weights from a source that you trust.');
    }
  });

  test.each([
    ['code.attn', 'MyEMA'], ['code', 'attn.MyEMA'], ['code', 'MyEMA'], ['builtins', 'getattr'], ['__builtin__', 'set'], ['builtins', 'evaluate'], ['builtins', 'bytearray'], ['os', 'PathLike'],
    ['os.path', 'join'], ['ossystem', 'system'], ['my.os', 'system_block'], ['models.commands', 'getoutput'], ['my_project.subprocess', 'Popen'], ['my.builtins', 'eval'], ['torch', 'loads'], ['torch', 'Size'], ['torch.nn.modules.conv', 'Conv2d'],
    ['torch.compile', 'load'], ['torch.utils', 'collect'], ['types', 'SimpleNamespace'], ['trace', 'TraceNet'], ['pickles', 'load'], ['profile', 'ProfileConv'], ['http', 'HTTPStatus'], ['socketio', 'x'], ['requests_block', 'get'],
    ['collections', 'OrderedDict'], ['numpy.core.multiarray', '_reconstruct'], ['numpy', 'dtype'], ['_codecs', 'encode'], ['__main__', 'SE'], ['pathlib', 'PosixPath'], ['datetime', 'datetime'], ['evals', 'eval'], ['', ''], ['constructor', '__proto__'],
  ])('%s.%s is any other name', (module, name) => {
    expect(isHarmful(module, name)).toBe(false);
    expect(read(named(module, name))).toEqual(new Global(module, name));
  });

  test('a name that would steer a terminal is quoted', () => {
    const { message } = problemOf(() => read(text('os'), text('system.\x1b[2J\n'), '\x93'));
    expect(message).toContain('os.system.\\u001b[2J\\n, which');
  });
});
