/**
 * The safetensors format, read by ranges: 8 bytes of length (little-endian), a JSON header, then the tensors' bytes.
 *
 *     { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, "__metadata__": { "key": "text" } }
 *
 * Everything in the header is checked before it is used: files come from strangers.
 */
import { Problem, quoted } from '../errors.js';
import type { ByteSource } from '../io.js';
import { bytesAt, floatReader, isDType, itemSize } from './dtypes.js';
import { prefixOf, withoutPrefix, type Checkpoint, type ModelFacts } from './checkpoint.js';
import { parseHeader, type Entry, type Header } from './safetensors-header.js';
import type { ModuleFacts, WeightSource } from './source.js';
import { stateDictWeights, type StoredTensor } from './state-dict.js';

/** The format's own limit. */
const MAX_HEADER = 100_000_000;

export interface SafetensorsFile {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** In the header's order. F32, F64, F16 and BF16 have readers, which widen (or round, F64) to float32. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** A whole tensor. Throws when there is none of that name or its dtype has no reader. */
  readTensor(name: string): Float32Array;
}

/** Opens a safetensors file: reads and checks the header alone. Faults are Problems of the given code. */
export function openSafetensors(source: ByteSource, code: 'bad-weights' | 'bad-golden' = 'bad-weights'): SafetensorsFile {
  const fail: Fail = (what) => {
    throw new Problem(code, `${source.name} is not a valid safetensors file: ${what}`, { help: 'Download or export the file again.' });
  };
  const { header, dataAt } = readHeader(source, fail);
  const tensors = new Map([...header.tensors].map(([name, entry]) => [name, tensorOf(name.slice(0, 200), entry, source, dataAt, fail)]));
  checkCovered(header, source.size - dataAt, fail);
  const readTensor = (name: string): Float32Array => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Problem(code, `${source.name} has no tensor ${name}`);
    if (!tensor.read) throw new Problem(code, `${name} in ${source.name} holds ${tensor.dtype}, float numbers are needed`);
    const values = new Float32Array(tensor.size);
    tensor.read(values, 0);
    return values;
  };
  return { name: source.name, metadata: header.metadata, tensors, readTensor };
}

export interface SafetensorsOptions {
  /** Only the tensors whose names begin so, without it: `param.` in goldens with embedded weights. */
  readonly prefix?: string;
}

/** Weights from a safetensors file by state_dict key. Throws Problem('bad-weights') when the file is damaged. */
export function safetensorsWeights(source: ByteSource, { prefix = '' }: SafetensorsOptions = {}): WeightSource {
  const { name, tensors } = openSafetensors(source);
  const named = [...tensors].filter(([key]) => key.startsWith(prefix));
  return stateDictWeights({ name, tensors: new Map(named.map(([key, tensor]) => [key.slice(prefix.length), tensor])) });
}

/**
 * A safetensors file as a checkpoint. Its metadata may hold the model's `yaml` (the text, or the path of a file), `scale`,
 * `task`, `nc`, and `names`, `stride`, `kpt_shape` as JSON. Throws Problem('bad-weights').
 */
export function checkpointOfSafetensors(source: ByteSource): Checkpoint {
  const { name, metadata, tensors } = openSafetensors(source);
  if (tensors.size === 0) throw new Problem('bad-weights', `${name} has no tensors`);
  const text = (key: string): string | undefined => (metadata.get(key) === '' ? undefined : metadata.get(key));
  const yaml = text('yaml');
  const path = yaml !== undefined && /^[^\n]*\.ya?ml$/i.test(yaml) ? yaml : text('yaml_file');
  const facts: { -readonly [K in keyof ModelFacts]: ModelFacts[K] | undefined } = {
    scale: text('scale'),
    task: text('task'),
    nc: classesIn(jsonIn(text('nc'))),
    names: namesIn(jsonIn(text('names'), MAX_JSON)),
    stride: numbersIn(jsonIn(text('stride'))),
    kptShape: numbersIn(jsonIn(text('kpt_shape'))),
    yaml: yaml !== undefined && path !== yaml ? { text: yaml } : path === undefined ? undefined : { path },
  };
  return {
    name,
    container: 'safetensors',
    holds: 'state_dict',
    tensors: withoutPrefix(tensors, prefixOf(tensors.keys())),
    modules: modulesIn(name, jsonIn(text('modules'), MAX_JSON)),
    model: Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)),
    info: Object.fromEntries([...metadata].filter(([key]) => !SAID.has(key))),
    classes: [],
  };
}

/** Metadata that is part of the model's facts. */
const SAID: ReadonlySet<string> = new Set(['format', 'yaml', 'yaml_file', 'scale', 'task', 'nc', 'names', 'stride', 'kpt_shape', 'modules']);

/** Attributes of layers, as write-safetensors.ts keeps them of a model object: path → [class, attributes]. */
function modulesIn(file: string, value: unknown): ReadonlyMap<string, ModuleFacts> {
  const modules = new Map<string, ModuleFacts>();
  for (const [path, entry] of isFields(value) ? Object.entries(value) : []) {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !isFields(entry[1])) continue;
    const attributes = new Map(Object.entries(entry[1]));
    modules.set(path, { file, path: quoted(entry[0]), attribute: (name) => attributes.get(name) });
  }
  return modules;
}

/** More than names of 65,536 classes, or what a model's layers state, take. */
const MAX_JSON = 4 * 2 ** 20;
const MAX_LIST = 1 << 12;

/** A value of the metadata. What is longer than anything of its kind is left out, before JSON.parse builds it. */
function jsonIn(text: string | undefined, most = MAX_LIST): unknown {
  if (text === undefined || text.length > most) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const namesIn = (value: unknown): readonly string[] | undefined => {
  const list = typeof value === 'object' && value !== null ? Object.values(value) : [];
  return list.length > 0 && list.every((name) => typeof name === 'string') ? list : undefined;
};

const classesIn = (value: unknown): number | undefined => (typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined);

const numbersIn = (value: unknown): readonly number[] | undefined => (Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined);

type Fail = (what: string) => never;
function readHeader(source: ByteSource, fail: Fail): { header: Header; dataAt: number } {
  if (source.size < 8) fail(`${source.size} bytes are too few`);
  const head = new Uint8Array(8);
  source.read(head, 0);
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER || length > source.size - 8) fail(`its header would be ${length} bytes long`);
  const bytes = new Uint8Array(length);
  source.read(bytes, 8);
  return { header: parseHeader(bytes, fail), dataAt: 8 + length };
}

function tensorOf(name: string, { dtype, shape, offsets }: Entry, source: ByteSource, dataAt: number, fail: Fail): StoredTensor {
  if (!isDType(dtype)) return fail(`${name} has the unknown dtype ${JSON.stringify(dtype).slice(0, 80)}`);
  if (!areSizes(shape)) fail(`${name} has no valid shape`);
  if (!areSizes(offsets) || offsets.length !== 2) fail(`${name} has no valid data_offsets`);
  const [start, end] = [offsets[0]!, offsets[1]!];
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (start > end || end > source.size - dataAt) fail(`${name} lies outside the file (bytes ${start} to ${end} of ${source.size - dataAt}); the file may be cut off`);
  if (!Number.isSafeInteger(size) || size * itemSize(dtype) !== end - start) fail(`${name} takes ${end - start} bytes, its shape [${shape.join(', ').slice(0, 80)}] does not`);
  const bytes = bytesAt(source, dataAt + start);
  return { dtype, shape, size, bytes, read: floatReader(dtype, bytes) };
}

/** The format allows neither holes nor bytes of two tensors. */
function checkCovered({ tensors }: Header, size: number, fail: Fail): void {
  const spans = [...tensors.values()].map(({ offsets }) => offsets).sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d);
  let end = 0;
  for (const [start = 0, next = 0] of spans) {
    if (start !== end) fail(start < end ? 'two tensors share bytes' : `the bytes from ${end} to ${start} belong to no tensor`);
    end = next;
  }
  if (end !== size) fail(`the bytes from ${end} to ${size} belong to no tensor`);
}

const areSizes = (values: readonly number[]): boolean => values.every((size) => Number.isSafeInteger(size) && size >= 0);

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
