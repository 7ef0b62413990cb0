/**
 * Files of `torch.save`: the zip form (a folder with data.pkl, and one file for each storage) and the legacy form (five
 * pickles in a row, then the storages). Sources: torch/serialization.py, caffe2/serialize/inline_container.cc.
 */
import { Problem, quoted } from '../../errors.js';
import type { ByteSource } from '../../io.js';
import { readPickle, type PickleHooks } from '../pickle/machine.js';
import { ByteStream } from '../pickle/stream.js';
import { Global, Inert, field } from '../pickle/values.js';
import { callValue } from './calls.js';
import { Storage, storageType } from './tensors.js';

export interface TorchFile {
  readonly container: 'zip' | 'legacy';
  /** What was saved. */
  readonly root: unknown;
  /** Classes and functions that it names, and that are neither PyTorch's own nor Python's. */
  readonly classes: readonly string[];
}

/** The files in a zip, by name. */
export type Archive = ReadonlyMap<string, ByteSource>;

const AGAIN = 'Download or copy the file again.';

const damaged = (name: string, what: string, help = AGAIN): Problem => new Problem('bad-weights', `${name} is not a readable PyTorch checkpoint: ${what}`, { help });

/** Reads the zip form. Throws Problem('bad-weights'). */
export function readTorchZip(name: string, archive: Archive): TorchFile {
  const roots = [...archive.keys()].filter((entry) => /^[^/]+\/data\.pkl$/.test(entry));
  if (roots.length === 0) throw damaged(name, 'it is a zip file without data.pkl', 'Give the .pt file that the trainer wrote.');
  if (roots.length > 1) throw damaged(name, `it has ${roots.length} models: ${roots.slice(0, 3).map(quoted).join(', ')}`);
  const folder = roots[0]!.slice(0, -'data.pkl'.length);
  if (archive.has(`${folder}constants.pkl`)) {
    throw new Problem('bad-weights', `${name} is a TorchScript archive, not a checkpoint`, { help: 'Give the checkpoint that it was exported from (best.pt).' });
  }
  const order = archive.get(`${folder}byteorder`);
  if (order && textOf(order, 16).trim() !== 'little') throw damaged(name, 'its numbers are not little-endian', 'Save it again on a little-endian machine.');
  const names = new Names();
  const pickle = archive.get(`${folder}data.pkl`)!;
  const hooks = hooksFor(name, names, new Map(), ({ dtype, key, size, fail }) => {
    const file = archive.get(`${folder}data/${key}`);
    if (!file) return fail(`there is no storage ${quoted(key)}`);
    const storage = new Storage(dtype, size);
    if (storage.bytes > file.size) fail(`storage ${quoted(key)} would have ${storage.bytes} bytes, it has ${file.size}`);
    storage.place = { source: file, at: 0 };
    return storage;
  });
  const root = readPickle(new ByteStream(pickle, hooks.fail), hooks);
  return { container: 'zip', root, classes: names.foreign };
}

const MAGIC = BigInt('0x1950a86a20f9469cfc6c');
const PROTOCOL_VERSION = 1001;

/** Reads the legacy form. Throws Problem('bad-weights'). */
export function readTorchLegacy(source: ByteSource): TorchFile {
  const { name } = source;
  const names = new Names();
  const storages = new Map<string, Storage>();
  const hooks = hooksFor(name, names, storages, ({ dtype, key, size, fail }) => {
    const storage = new Storage(dtype, size);
    if (storage.bytes > source.size) fail(`storage ${quoted(key)} would have ${storage.bytes} bytes, the file has ${source.size}`);
    return storage;
  });
  const stream = new ByteStream(source, hooks.fail);
  if (readPickle(stream, hooks) !== MAGIC) throw damaged(name, 'it is a pickle, but not one that torch.save wrote', 'Save it with torch.save, or the state_dict as safetensors.');
  const version = readPickle(stream, hooks);
  if (version !== PROTOCOL_VERSION) throw damaged(name, 'its version of the legacy form is not known', 'Load and save it with a recent PyTorch.');
  if (field(readPickle(stream, hooks), 'little_endian') === false) throw damaged(name, 'its numbers are not little-endian', 'Save it again on a little-endian machine.');
  const root = readPickle(stream, hooks);
  place(storages, readPickle(stream, hooks), stream, source, hooks);
  return { container: 'legacy', root, classes: names.foreign };
}

/** Behind the last pickle, in the order of its keys: an int64 with the number of elements, then the elements. */
function place(storages: ReadonlyMap<string, Storage>, keys: unknown, stream: ByteStream, source: ByteSource, { fail }: PickleHooks): void {
  if (!Array.isArray(keys)) return fail('its list of storages is missing');
  for (const key of keys as unknown[]) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage || storage.place) return fail('its list of storages names one that is not described, or one twice');
    const size = stream.uint64();
    if (size !== storage.size) fail(`a storage has ${size} elements, ${storage.size} are announced`);
    if (storage.bytes > stream.left) fail('it is cut off');
    storage.place = { source, at: stream.at };
    stream.at += storage.bytes;
  }
  for (const storage of storages.values()) if (!storage.place) fail('a storage that tensors use is missing');
}

/** Where PyTorch's storage classes are; in old files those of tensors on a GPU too. */
const TORCH: ReadonlySet<string> = new Set(['torch', 'torch.cuda', 'torch.storage']);

interface StorageId {
  readonly dtype: NonNullable<ReturnType<typeof storageType>>;
  readonly key: string;
  readonly size: number;
  fail(what: string): never;
}

/** `storages` collects them by key; `made` makes one that is not there yet. */
function hooksFor(name: string, names: Names, storages: Map<string, Storage>, made: (id: StorageId) => Storage): PickleHooks {
  const fail = (what: string, help?: string): never => {
    throw damaged(name, what, help);
  };
  return {
    fail,
    named: (global) => names.add(global),
    call: (callee, args) => callValue(callee, args, fail),
    persistent(id) {
      if (!Array.isArray(id)) return fail('a persistent id is not one of PyTorch');
      const [kind, type, key, , size, view] = id as readonly unknown[];
      // The first use of a class in a legacy file, with its source text.
      if (kind === 'module' && type instanceof Global) return type;
      if (kind !== 'storage' || !(type instanceof Global)) return fail('a persistent id is not one of PyTorch');
      if (typeof key !== 'string') return fail('the key of a storage is no text');
      if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return fail(`storage ${quoted(key)} has no valid size`);
      if (view !== undefined && view !== null) return fail('it has views of storages, which PyTorch 0.4 wrote last', 'Load and save it with a recent PyTorch.');
      const dtype = TORCH.has(type.module) ? storageType(type.name) : undefined;
      if (dtype === undefined) return new Inert(type, []);
      const storage = storages.get(key) ?? made({ dtype, key, size, fail });
      if (storage.dtype !== dtype || storage.size !== size) fail(`storage ${quoted(key)} is described twice, in two ways`);
      storages.set(key, storage);
      return storage;
    },
  };
}

/** Names that files of any model have: they say nothing of this one. */
const COMMON = /^(torch|collections|builtins|__builtin__|_codecs|numpy|copyreg|copy_reg|datetime|pathlib|argparse)(\.|$)/;

const MOST_LISTED = 1000;

class Names {
  readonly foreign: string[] = [];
  add(global: Global): void {
    if (this.foreign.length < MOST_LISTED && !COMMON.test(global.module)) this.foreign.push(quoted(global.path));
  }
}

function textOf(source: ByteSource, most: number): string {
  const bytes = new Uint8Array(Math.min(source.size, most));
  source.read(bytes, 0);
  return new TextDecoder().decode(bytes);
}

