/**
 * Files from strangers: whatever the bytes, a reader gives a checkpoint whose tensors can be read, or one plain Problem.
 * fixtures/fuzz/seeds holds what is altered, fixtures/fuzz/refused what was made, or found, to break readers. FUZZ_RUNS
 * and FUZZ_SEED make longer and other runs.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync, readdirSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { Problem } from '../compiler/errors.js';
import type { ByteSource } from '../compiler/io.js';
import { readCheckpoint } from '../compiler/node/weights.js';
import { keyMap } from '../compiler/weights/key-map.js';
import { mapKeys } from '../compiler/weights/checkpoint.js';
import { memorySource } from './made-files.js';

const folder = new URL('../../fixtures/fuzz/', import.meta.url);
const filesIn = (name: string): readonly (readonly [string, Uint8Array])[] => readdirSync(new URL(name, folder)).sort().map((file) => [file, new Uint8Array(readFileSync(new URL(`${name}/${file}`, folder)))]);
const seeds = filesIn('seeds');

const options = { numRuns: Number(process.env.FUZZ_RUNS ?? 400), seed: Number(process.env.FUZZ_SEED ?? 20_261_121), endOnFailure: true };

/** More than any test file holds: what a reader allocates before it looks. */
const MOST_READ = 64 * 2 ** 20;

/** Reads all that a file claims to have; counts what it costs. */
async function readAll(bytes: Uint8Array, name = 'fuzz.pt'): Promise<'read' | Problem> {
  let read = 0;
  const memory = memorySource(bytes);
  const source: ByteSource = {
    name,
    size: bytes.length,
    read(into, at) {
      read += into.length;
      if (read > MOST_READ) throw new Error('reads without end');
      if (!(at >= 0 && at + into.length <= bytes.length)) throw new Error(`reads ${into.length} bytes at ${at} of ${bytes.length}`);
      memory.read(into, at);
    },
  };
  try {
    const checkpoint = mapKeys(await readCheckpoint(source), keyMap(['a.*=b.c.*']));
    for (const module of checkpoint.modules.values()) module.attribute('stride');
    for (const { size, read: numbers, bytes: raw } of checkpoint.tensors.values()) {
      numbers?.(new Float32Array(Math.min(size, 300)), Math.max(0, size - 300));
      if (size > 0) raw(new Uint8Array(1).subarray(0, 0), 0);
    }
    return 'read';
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/** A plain message of the kind that input at fault gets. */
function expectPlain(outcome: 'read' | Problem): void {
  if (outcome === 'read') return;
  expect(outcome.exitCode).toBe(2);
  expect(outcome.message.length).toBeLessThan(4000);
  expect(outcome.message).not.toMatch(/undefined|\[object|NaN|\n {4}at /);
}

const seed = fc.constantFrom(...seeds.map(([, bytes]) => bytes));

describe('files from strangers', () => {
  test.each(seeds)('the seed %s is read', async (name, bytes) => {
    expect(await readAll(bytes, name)).toBe('read');
  });

  test.each(filesIn('refused'))('%s is refused', async (name, bytes) => {
    const outcome = await readAll(bytes, name);
    expect(outcome).toBeInstanceOf(Problem);
    expectPlain(outcome);
  });

  test('bytes altered, cut out, repeated, cut off', async () => {
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), kind: fc.constantFrom('flip', 'set', 'cut', 'repeat', 'end'), value: fc.integer({ min: 0, max: 255 }), length: fc.integer({ min: 1, max: 40 }) });
    await fc.assert(
      fc.asyncProperty(seed, fc.array(edit, { minLength: 1, maxLength: 6 }), async (bytes, edits) => {
        expectPlain(await readAll(edits.reduce(edited, bytes)));
      }),
      options,
    );
  });

  test('a data.pkl of random opcodes, packed or not', async () => {
    await fc.assert(
      fc.asyncProperty(pickle, fc.boolean(), async (code, packed) => {
        expectPlain(await readAll(zip([['a/data.pkl', code], ['a/data/0', new Uint8Array(64)], ['a/version', Uint8Array.of(51, 10)]], packed)));
      }),
      options,
    );
  });

  test('the same as the object of a legacy file', async () => {
    const start = seeds.find(([name]) => name === 'legacy.pt')![1];
    // Magic, version and sysinfo end at the third STOP.
    const headAt = start.reduce((stops: number[], byte, i) => (byte === 0x2e && stops.length < 3 ? [...stops, i] : stops), [])[2]! + 1;
    await fc.assert(
      fc.asyncProperty(pickle, fc.uint8Array({ maxLength: 80 }), async (code, rest) => {
        expectPlain(await readAll(joined([start.subarray(0, headAt), code, rest])));
      }),
      options,
    );
  });

  test('safetensors headers of the right kind and the wrong values', async () => {
    const size = fc.oneof(fc.integer({ min: -1, max: 20 }), fc.constantFrom(2 ** 31, 2 ** 53, 1e300, 0.5, '4', null, [1]));
    const entry = fc.oneof(
      fc.record({ dtype: fc.constantFrom('F32', 'F16', 'I64', 'F8_E4M3', 'X', '__proto__', 3), shape: fc.array(size, { maxLength: 4 }), data_offsets: fc.array(size, { maxLength: 3 }) }, { requiredKeys: [] }),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const name = fc.constantFrom('a.weight', '__metadata__', '__proto__', 'constructor', 'toString', '', 'model.0.conv.weight');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, entry), { maxLength: 4 }), fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { freq: 8 }), async (entries, length) => {
        const text = new TextEncoder().encode(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`);
        const head = new Uint8Array(8);
        new DataView(head.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
        expectPlain(await readAll(joined([head, text, new Uint8Array(16)]), 'fuzz.safetensors'));
      }),
      options,
    );
  });
});

function edited(bytes: Uint8Array, { at, kind, value, length }: { at: number; kind: string; value: number; length: number }): Uint8Array {
  const i = Math.min(bytes.length - 1, Math.floor(at * bytes.length));
  if (i < 0) return bytes;
  if (kind === 'end') return bytes.slice(0, i);
  if (kind === 'cut') return joined([bytes.subarray(0, i), bytes.subarray(i + length)]);
  if (kind === 'repeat') return joined([bytes.subarray(0, i + length), bytes.subarray(i)]);
  const copy = bytes.slice();
  copy[i] = kind === 'flip' ? copy[i]! ^ (1 << (value % 8)) : value;
  return copy;
}

// --- pickles ---------------------------------------------------------------------------------------------------

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const short = (value: string): Uint8Array => joined([Uint8Array.of(0x8c, value.length), text(value)]);
const global = (path: string): Uint8Array => text(`c${path.slice(0, path.lastIndexOf('.'))}\n${path.slice(path.lastIndexOf('.') + 1)}\n`);

const GLOBALS = [
  'torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor_v3', 'torch._utils._rebuild_parameter', 'torch.HalfStorage', 'torch.UntypedStorage', 'torch.float32', 'collections.OrderedDict',
  'collections.defaultdict', 'builtins.set', '_codecs.encode', 'numpy.core.multiarray.scalar', 'models.yolo.Model', '__builtin__.getattr', 'torch.Size', 'torch._tensor._rebuild_from_type_v2', 'os.system', 'toString.constructor',
];
const WORDS = ['storage', 'module', '0', '1', 'cpu', 'model', 'ema', 'state_dict', '_modules', '_parameters', '_buffers', '_non_persistent_buffers_set', 'yaml', 'names', 'nc', 'backbone', 'stride', 'anchors', '__proto__', 'constructor', 'a.weight', 'model.0.conv.weight', ''];

/** One value that files of torch.save are made of. */
const piece: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...WORDS).map(short) },
  { weight: 4, arbitrary: fc.constantFrom(...GLOBALS).map(global) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 255 }).map((value) => Uint8Array.of(0x4b, value)) },
  { weight: 1, arbitrary: fc.integer().map((value) => joined([Uint8Array.of(0x4a), new Uint8Array(Int32Array.of(value).buffer)])) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => joined([Uint8Array.of(0x8a, bytes.length), bytes])) },
  { weight: 1, arbitrary: fc.double().map((value) => joined([Uint8Array.of(0x47), new Uint8Array(Float64Array.of(value).buffer)])) },
  // A storage and a tensor as they are written.
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('HalfStorage', 'FloatStorage', 'LongStorage', 'UntypedStorage'), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })).map(([type, size, rows, step]) => tensor(type, size, rows, step)) },
  // Everything that works on what is there.
  { weight: 8, arbitrary: fc.constantFrom(...'()]}e asutlobRQ0122', '\x81', '\x85', '\x86', '\x87', '\x88', '\x89', '\x8f', '\x90', '\x91', '\x92', '\x93', '\x94').map((opcode) => Uint8Array.of(opcode.charCodeAt(0))) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(0x68, 0x71), fc.integer({ min: 0, max: 5 })).map(([opcode, index]) => Uint8Array.of(opcode, index)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) },
);

const pickle = fc.array(piece, { maxLength: 60 }).map((pieces) => joined([Uint8Array.of(0x80, 4), ...pieces, Uint8Array.of(0x2e)]));

function tensor(type: string, size: number, rows: number, step: number): Uint8Array {
  const id = joined([Uint8Array.of(0x28), short('storage'), global(`torch.${type}`), short('0'), short('cpu'), Uint8Array.of(0x4b, size, 0x74, 0x51)]);
  const shape = Uint8Array.of(0x4b, rows, 0x4b, 2, 0x86);
  return joined([global('torch._utils._rebuild_tensor_v2'), Uint8Array.of(0x28), id, Uint8Array.of(0x4b, 0), shape, Uint8Array.of(0x4b, step, 0x4b, 1, 0x86), Uint8Array.of(0x89), global('collections.OrderedDict'), Uint8Array.of(0x29, 0x52, 0x74, 0x52)]);
}

// --- containers ------------------------------------------------------------------------------------------------

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A zip without checksums, as torch.save writes it when told so. */
function zip(files: readonly (readonly [string, Uint8Array])[], packed: boolean): Uint8Array {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of files) {
    const data = packed ? new Uint8Array(deflateRawSync(content)) : content;
    const fields = (offset: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      const view = new DataView(bytes.buffer);
      view.setUint16(offset + 4, packed ? 8 : 0, true);
      view.setUint32(offset + 14, data.length, true);
      view.setUint32(offset + 18, content.length, true);
      view.setUint16(offset + 22, name.length, true);
      return bytes;
    };
    const local = fields(4, 30);
    new DataView(local.buffer).setUint32(0, 0x04034b50, true);
    const central = fields(6, 46);
    new DataView(central.buffer).setUint32(0, 0x02014b50, true);
    new DataView(central.buffer).setUint32(42, at, true);
    locals.push(local, text(name), data);
    directory.push(central, text(name));
    at += local.length + name.length + data.length;
  }
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, files.length, true);
  view.setUint16(10, files.length, true);
  view.setUint32(12, directory.reduce((sum, part) => sum + part.length, 0), true);
  view.setUint32(16, at, true);
  return joined([...locals, ...directory, end]);
}
