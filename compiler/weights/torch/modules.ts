/** Pickled nn.Modules: the state_dict that they would give, and what each says of itself. */
import { Dict, Inert, PySet, field } from '../pickle/values.js';
import { Tensor } from './tensors.js';

const MAX_MODULES = 100_000;
const MAX_TENSORS = 100_000;
const MAX_DEPTH = 100;
/** Characters of a state_dict key. */
export const MAX_KEY = 1000;

/** An nn.Module: an object whose `__dict__` has `_modules`. */
export const isModule = (value: unknown): value is Inert => value instanceof Inert && field(value, '_modules') instanceof Dict;

/** `state_dict()` and `named_modules()`: both keyed by the path through `_modules`. */
export interface Modules {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly modules: ReadonlyMap<string, Inert>;
}

export function modulesOf(root: Inert, fail: (what: string) => never): Modules {
  const tensors = new Map<string, Tensor>();
  const modules = new Map<string, Inert>();
  const open: { readonly path: string; readonly depth: number; readonly module: Inert }[] = [{ path: '', depth: 0, module: root }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { path, depth, module } = next;
    if (depth > MAX_DEPTH) fail('its modules are nested without end');
    modules.set(path, module);
    const join = (name: unknown): string => {
      if (typeof name !== 'string') return fail('a module or tensor has a name that is no text');
      const key = path === '' ? name : `${path}.${name}`;
      return key.length <= MAX_KEY ? key : fail('the name of a module is too long');
    };
    for (const [name, tensor] of tensorsIn(module)) {
      tensors.set(join(name), tensor);
      if (tensors.size > MAX_TENSORS) fail('it has more tensors than any model');
    }
    const entries = field(module, '_modules') as Dict;
    if (modules.size + open.length + entries.size > MAX_MODULES) fail('it has more modules than any model');
    const children = [...entries].filter((child): child is [unknown, Inert] => isModule(child[1]));
    // The first child is read first.
    for (const [name, child] of children.reverse()) open.push({ path: join(name), depth: depth + 1, module: child });
  }
  return { tensors, modules };
}

/** Parameters and the buffers that are saved, in PyTorch's order. */
function tensorsIn(module: Inert): [unknown, Tensor][] {
  const unsaved = field(module, '_non_persistent_buffers_set');
  const skipped = new Set(unsaved instanceof PySet ? unsaved.items : []);
  const own = ['_parameters', '_buffers'].flatMap((kind) => {
    const entries = field(module, kind);
    return entries instanceof Dict ? [...entries] : [];
  });
  return own.filter((entry): entry is [unknown, Tensor] => entry[1] instanceof Tensor && !skipped.has(entry[0]));
}

/** `DataParallel`, `DistributedDataParallel`, `torch.compile`d and `EMA` wrappers: what they wrap. */
export function unwrapped(value: unknown): unknown {
  let inner = value;
  for (let depth = 0; depth < 8 && inner instanceof Inert; depth++) {
    const children = field(inner, '_modules');
    const wrapped: unknown = children instanceof Dict && children.size === 1 ? (children.get('module') ?? children.get('_orig_mod')) : undefined;
    const ema = isModule(inner) ? undefined : field(inner, 'ema');
    const next: unknown = isModule(wrapped) ? wrapped : isModule(ema) ? ema : undefined;
    if (next === undefined) break;
    inner = next;
  }
  return inner;
}
