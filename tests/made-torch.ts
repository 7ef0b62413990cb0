/** Files of torch.save, made in memory: what PyTorch would pickle, and its two containers. */
import { FALSE, MARK, STOP, bigInteger, bytesOf, called, fields, int, ints, list, named, object, persistent, pickle, text, tuple, u64, type Part } from './made-pickle.js';
import { zipOf, type MadeEntry, type MadeZip } from './made-zip.js';

export const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

export const storage = (type: string, key: string, size: number, device = 'cpu'): Part => persistent(tuple(text('storage'), named('torch', type), text(key), text(device), int(size)));

const rowMajor = (shape: readonly number[]): number[] => shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
const HOOKS = called('collections', 'OrderedDict');

export function tensor(data: Part, shape: readonly number[], strides: readonly number[] = rowMajor(shape), offset = 0): Part {
  return called('torch._utils', '_rebuild_tensor_v2', data, int(offset), ints(shape), ints(strides), FALSE, HOOKS);
}

/** A float32 tensor with a storage of its own. */
export const parameter = (key: string, shape: readonly number[]): Part => tensor(storage('FloatStorage', key, shape.reduce((product, size) => product * size, 1)), shape);

export const ordered = (entries: Readonly<Record<string, Part>>): Part => [HOOKS, MARK, Object.entries(entries).map(([key, value]) => [text(key), value]), 'u'];

export interface MadeModule {
  readonly parameters?: Readonly<Record<string, Part>>;
  readonly buffers?: Readonly<Record<string, Part>>;
  readonly modules?: Readonly<Record<string, Part>>;
  readonly [attribute: string]: unknown;
}

/** A pickled nn.Module; further members are its attributes. */
export function nnModule(path: string, { parameters = {}, buffers = {}, modules = {}, ...attributes }: MadeModule = {}, callee?: Part): Part {
  const at = path.lastIndexOf('.');
  const state = fields({ training: FALSE, _parameters: ordered(parameters), _buffers: ordered(buffers), _modules: ordered(modules), ...(attributes as Record<string, Part>) });
  return callee === undefined ? object(path.slice(0, at), path.slice(at + 1), state) : [callee, ')', '\x81', state, 'b'];
}

export interface MadeTorchZip extends MadeZip {
  readonly folder?: string;
  /** Entries in place of, or besides, those that PyTorch writes. */
  readonly more?: readonly MadeEntry[];
  /** Of every entry. */
  readonly all?: Partial<MadeEntry>;
}

export function torchEntries(root: Part, storages: Readonly<Record<string, Uint8Array>> = {}, { folder = 'best', more = [], all = {} }: MadeTorchZip = {}): MadeEntry[] {
  const files: Readonly<Record<string, Uint8Array>> = {
    'data.pkl': pickle(root),
    byteorder: Buffer.from('little'),
    ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`data/${key}`, bytes])),
    version: Buffer.from('3\n'),
  };
  const made = Object.entries(files).map(([name, bytes]): MadeEntry => ({ name: `${folder}/${name}`, bytes, ...all }));
  return [...made.filter(({ name }) => !more.some((other) => other.name === name)), ...more];
}

/** The zip form of a file that holds `root`. */
export const torchZip = (root: Part, storages: Readonly<Record<string, Uint8Array>> = {}, options: MadeTorchZip = {}): Uint8Array => zipOf(torchEntries(root, storages, options), options);

export interface MadeLegacy {
  readonly magic?: Part;
  readonly version?: Part;
  readonly system?: Part;
  /** The list of keys, and what lies behind it. */
  readonly keys?: Part;
  readonly data?: Part;
}

/** The legacy form. Storages: bytes by key, with their number of elements. */
export function torchLegacy(root: Part, storages: Readonly<Record<string, readonly [size: number, bytes: Uint8Array]>> = {}, made: MadeLegacy = {}): Uint8Array {
  const { magic = ['\x8a', 10, bigInteger(0x1950a86a20f9469cfc6cn, 10)], version = int(1001), system = fields({ protocol_version: int(1001), little_endian: '\x88', type_sizes: fields({ long: int(4) }) }) } = made;
  const sorted = Object.keys(storages).sort();
  const { keys = list(...sorted.map(text)), data = sorted.map((key) => [u64(storages[key]![0]), storages[key]![1]]) } = made;
  return bytesOf([...[magic, version, system, root, keys].map((part): Part => ['\x80', 2, part, STOP]), data]);
}

/** The persistent id with which the legacy form brings a class and its source text. */
export const sourced = (path: string, source: string): Part => {
  const at = path.lastIndexOf('.');
  return persistent(tuple(text('module'), named(path.slice(0, at), path.slice(at + 1)), text('/home/user/model.py'), text(source)));
};
