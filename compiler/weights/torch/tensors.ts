/** PyTorch's storages and the strided views on them that tensors are. */
import type { ByteSource } from '../../io.js';
import { bytesAt, floatReader, itemSize, type DType, type ReadBytes } from '../dtypes.js';
import type { StoredTensor } from '../state-dict.js';

/** By the classes that persistent ids name (`torch.HalfStorage`; tensors saved from CUDA: `torch.cuda.HalfStorage` in old files). */
const STORAGE_TYPES: ReadonlyMap<string, DType> = new Map([
  ['FloatStorage', 'F32'], ['HalfStorage', 'F16'], ['BFloat16Storage', 'BF16'], ['DoubleStorage', 'F64'],
  ['LongStorage', 'I64'], ['IntStorage', 'I32'], ['ShortStorage', 'I16'], ['CharStorage', 'I8'], ['ByteStorage', 'U8'], ['BoolStorage', 'BOOL'],
  ['ComplexFloatStorage', 'C64'], ['QInt8Storage', 'I8'], ['QUInt8Storage', 'U8'], ['QInt32Storage', 'I32'], ['UntypedStorage', 'U8'],
]);

/** By the names of `torch.dtype`s, which tensors on untyped storages give (`_rebuild_tensor_v3`). */
const DTYPES: ReadonlyMap<string, DType> = new Map([
  ['float32', 'F32'], ['float', 'F32'], ['float16', 'F16'], ['half', 'F16'], ['bfloat16', 'BF16'], ['float64', 'F64'], ['double', 'F64'],
  ['int64', 'I64'], ['int32', 'I32'], ['int16', 'I16'], ['int8', 'I8'], ['uint8', 'U8'], ['uint16', 'U16'], ['uint32', 'U32'], ['uint64', 'U64'], ['bool', 'BOOL'],
  ['float8_e4m3fn', 'F8_E4M3'], ['float8_e5m2', 'F8_E5M2'], ['float8_e8m0fnu', 'F8_E8M0'], ['complex64', 'C64'],
]);

export const storageType = (className: string): DType | undefined => STORAGE_TYPES.get(className);
export const dtypeOf = (name: string): DType | undefined => DTYPES.get(name);

/** A run of elements in the file. Where it lies may be known only after the pickle that names it. */
export class Storage {
  /** Its bytes, and where they begin. */
  place: { readonly source: ByteSource; readonly at: number } | undefined;

  constructor(
    readonly dtype: DType,
    /** Elements. */
    readonly size: number,
  ) {}

  get bytes(): number {
    return this.size * itemSize(this.dtype);
  }
}

/** A view: element [i, j, …] is number offset + i·strides[0] + j·strides[1] + … of the storage. */
export class Tensor {
  constructor(
    readonly storage: Storage,
    readonly dtype: DType,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }
}

const MAX_RANK = 64;
/** Elements of one tensor, expanded ones (stride 0) included. */
const MAX_SIZE = 2 ** 40;

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const areCounts = (value: unknown): value is number[] => Array.isArray(value) && value.length <= MAX_RANK && value.every(isCount);

/** A tensor whose numbers are all in its storage; else what is wrong with it. */
export function viewOf(storage: Storage, dtype: DType, offset: unknown, shape: unknown, strides: unknown): Tensor | string {
  if (!areCounts(shape)) return 'the shape of a tensor is no list of sizes';
  if (!areCounts(strides) || strides.length !== shape.length) return 'the strides of a tensor do not belong to its shape';
  if (!isCount(offset)) return 'the offset of a tensor is no number from 0 on';
  const tensor = new Tensor(storage, dtype, offset, shape, strides);
  if (!(tensor.size <= MAX_SIZE)) return `a tensor would have ${tensor.size} elements`;
  const last = shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
  const room = Math.floor(storage.bytes / itemSize(dtype));
  if (tensor.size > 0 && !(last < room)) return `a tensor reaches to element ${last} of a storage of ${room}`;
  return tensor;
}

/** The tensor as weights are read: row-major, whatever its strides. */
export function stored(tensor: Tensor): StoredTensor {
  const { dtype, shape, size } = tensor;
  const bytes = reader(tensor);
  return { dtype, shape, size, bytes, read: floatReader(dtype, bytes) };
}

function reader(tensor: Tensor): ReadBytes {
  const { storage, dtype, offset } = tensor;
  if (tensor.size === 0) return () => undefined;
  // The place may be set later: ask when reading.
  if (isContiguous(tensor)) return (into, at) => bytesAt(storage.place!.source, storage.place!.at + offset * itemSize(dtype))(into, at);
  return stridedReader(tensor);
}

function isContiguous({ shape, strides }: Tensor): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return false;
    step *= shape[axis]!;
  }
  return true;
}

/** The part of a storage that a transposed tensor lies in is held while the tensor is read, up to this size. */
const MAX_SPAN = 64 * 2 ** 20;

function stridedReader({ storage, dtype, offset, shape, strides, size }: Tensor): ReadBytes {
  const item = itemSize(dtype);
  const length = shape.reduce((at, extent, axis) => at + Math.max(0, extent - 1) * strides[axis]!, 1) * item;
  const read: ReadBytes = (into, at) => storage.place!.source.read(into, storage.place!.at + offset * item + at);
  let span: Uint8Array | undefined;
  return (into, at) => {
    if (!span && length <= MAX_SPAN) read((span = new Uint8Array(length)), 0);
    const first = at / item;
    const index = unravel(first, shape);
    let from = index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0) * item;
    for (let to = 0; to < into.length; to += item) {
      if (span) for (let i = 0; i < item; i++) into[to + i] = span[from + i]!;
      else read(into.subarray(to, to + item), from);
      from = advance(index, shape, strides, from / item) * item;
    }
    if (first + into.length / item >= size) span = undefined;
  };
}

/** The indices of the element at a row-major position. */
function unravel(position: number, shape: readonly number[]): number[] {
  const index = shape.map(() => 0);
  for (let axis = shape.length - 1, rest = position; axis >= 0; axis--) {
    index[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return index;
}

/** Steps to the next element in row-major order; returns where that lies. */
function advance(index: number[], shape: readonly number[], strides: readonly number[], at: number): number {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis]!++;
    if (index[axis]! < shape[axis]!) return at + strides[axis]!;
    at -= (shape[axis]! - 1) * strides[axis]!;
    index[axis] = 0;
  }
  return at;
}
