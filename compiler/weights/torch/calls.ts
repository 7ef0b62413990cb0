/** The calls of honest checkpoints whose values matter: tensors, containers, bytes, NumPy's scalars. None is made: each has its value built here. */
import { Dict, Global, Inert, PySet } from '../pickle/values.js';
import { Storage, Tensor, dtypeOf, viewOf } from './tensors.js';

type Fail = (what: string) => never;
type Call = (args: readonly unknown[], fail: Fail) => unknown;

const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['collections.OrderedDict', ([items]) => dictOf(items)],
  ['collections.defaultdict', () => new Dict()],
  ['builtins.dict', ([items]) => dictOf(items)],
  ['builtins.set', ([items]) => new PySet(listOf(items))],
  ['builtins.frozenset', ([items]) => new PySet(listOf(items))],
  ['builtins.list', ([items]) => listOf(items)],
  ['builtins.tuple', ([items]) => listOf(items)],
  ['builtins.bytearray', bytesOf],
  ['builtins.bytes', bytesOf],
  ['_codecs.encode', bytesOf],
  ['torch.Size', ([items]) => listOf(items)],

  ['torch._utils._rebuild_tensor', ([storage, offset, shape, strides], fail) => tensor(storage, undefined, offset, shape, strides, fail)],
  ['torch._utils._rebuild_tensor_v2', ([storage, offset, shape, strides], fail) => tensor(storage, undefined, offset, shape, strides, fail)],
  ['torch._utils._rebuild_tensor_v3', ([storage, offset, shape, strides, , , dtype], fail) => tensor(storage, dtype, offset, shape, strides, fail)],
  ['torch._utils._rebuild_parameter', ([data]) => (data instanceof Tensor ? data : undefined)],
  ['torch._utils._rebuild_parameter_with_state', ([data]) => (data instanceof Tensor ? data : undefined)],
  // func, type, args, state: a subclass of Tensor, or one with attributes.
  ['torch._tensor._rebuild_from_type_v2', ofSubclass],
  ['torch._tensor._rebuild_from_type', ofSubclass],

  ['numpy.core.multiarray.scalar', numpyScalar],
  ['numpy._core.multiarray.scalar', numpyScalar],
]);

/** The value of a call that is known here; undefined of any other. */
export function callValue(callee: Global, args: readonly unknown[], fail: Fail): unknown {
  const known = CALLS.get(callee.module === '__builtin__' ? `builtins.${callee.name}` : callee.path);
  return known?.(args, fail);
}

function ofSubclass([func, , args]: readonly unknown[], fail: Fail): unknown {
  if (!(func instanceof Global) || !Array.isArray(args)) return undefined;
  if (func.name.startsWith('_rebuild_from_type')) return fail('a tensor is rebuilt in a tensor that is rebuilt');
  return callValue(func, args as unknown[], fail);
}

/** A copy: later opcodes may fill it. */
function listOf(items: unknown): unknown[] {
  if (Array.isArray(items)) return [...(items as unknown[])];
  return items instanceof PySet ? [...items.items] : [];
}

function dictOf(items: unknown): Dict {
  const dict = new Dict();
  const pairs = items instanceof Dict ? [...items] : listOf(items);
  for (const pair of pairs) if (Array.isArray(pair) && pair.length === 2) dict.set(pair[0], pair[1]);
  return dict;
}

/** `_codecs.encode(text, 'latin1')` is how protocol 2 writes bytes. */
function bytesOf([content]: readonly unknown[]): unknown {
  if (content instanceof Uint8Array) return content;
  if (content === undefined) return new Uint8Array(0);
  return typeof content === 'string' ? Uint8Array.from(content, (character) => character.charCodeAt(0)) : undefined;
}

function tensor(storage: unknown, dtype: unknown, offset: unknown, shape: unknown, strides: unknown, fail: Fail): unknown {
  // A storage of a type that is not known here (quantized ones): the tensor is none of the model's weights.
  if (!(storage instanceof Storage)) return storage instanceof Inert ? undefined : fail('a tensor has no storage');
  const type = dtype === undefined ? storage.dtype : dtype instanceof Global ? dtypeOf(dtype.name) : undefined;
  if (type === undefined) return undefined;
  const view = viewOf(storage, type, offset, shape, strides);
  return typeof view === 'string' ? fail(view) : view;
}

/** numpy.float64(…) and the like: dtype record and bytes. */
function numpyScalar([dtype, bytes]: readonly unknown[]): unknown {
  const code: unknown = dtype instanceof Inert && Array.isArray(dtype.args) ? dtype.args[0] : undefined;
  if (!(bytes instanceof Uint8Array)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (code === 'f8' && bytes.length === 8) return view.getFloat64(0, true);
  if (code === 'f4' && bytes.length === 4) return view.getFloat32(0, true);
  if (code === 'i8' && bytes.length === 8) return Number(view.getBigInt64(0, true));
  if (code === 'i4' && bytes.length === 4) return view.getInt32(0, true);
  return undefined;
}
