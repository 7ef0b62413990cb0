/** What a weights file holds, whatever its format: tensors by state_dict key, and what it says of its model. */
import { Problem } from '../errors.js';
import type { KeyMap } from './key-map.js';
import type { ModuleFacts } from './source.js';
import type { StateDict, StoredTensor } from './state-dict.js';

/** Data of a file as JSON can hold it. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

export interface Checkpoint extends StateDict {
  /** `zip` and `legacy` are torch.save's. */
  readonly container: 'zip' | 'legacy' | 'safetensors';
  /** Such as `model object under ema`. */
  readonly holds: string;
  /** What the file says of its model; empty where it is a plain state_dict. */
  readonly model: ModelFacts;
  /** Pickled nn.Modules by path; empty where there are none. */
  readonly modules: ReadonlyMap<string, ModuleFacts>;
  /** Whatever else a trainer writes: date, epoch, version, arguments. */
  readonly info: Readonly<Record<string, Plain>>;
  /** Classes that are neither PyTorch's nor Python's. None was loaded. */
  readonly classes: readonly string[];
}

export interface ModelFacts {
  /** The class of the model object. */
  readonly class?: string;
  readonly task?: string;
  readonly scale?: string;
  readonly names?: readonly string[];
  readonly nc?: number;
  readonly stride?: readonly number[];
  readonly kptShape?: readonly number[];
  readonly regMax?: number;
  /** [levels][2 · anchors], in pixels: the head's own, which autoanchor may have changed. */
  readonly anchors?: readonly (readonly number[])[];
  /** The model's yaml: its text, or a path to it. */
  readonly yaml?: { readonly text: string } | { readonly path: string };
  /** There is a yaml, but not one that any model has. */
  readonly oddYaml?: true;
  /** Where the pickled yaml and the layers disagreed, and which was believed. */
  readonly remarks?: readonly string[];
}

/** The way out where a file does not tell what its model is. */
export const giveYaml = (file: string): string => `Give the yaml that it was trained with: yolonnx compile model.yaml --weights ${file}`;

/**
 * What wrappers put in front of every key: `module.` of DataParallel, `_orig_mod.` of torch.compile, `model.` of the YOLO
 * class. Without it the keys of a model begin with `model.<index>.`.
 */
export function prefixOf(keys: Iterable<string>): string {
  const all = [...keys];
  let prefix = '';
  const shared = (more: string): boolean => all.length > 0 && all.every((key) => key.startsWith(prefix + more));
  while (shared('module.') || shared('_orig_mod.')) prefix += shared('module.') ? 'module.' : '_orig_mod.';
  const inner = /^(.*?)model\.\d+\./.exec(all[0]?.slice(prefix.length) ?? '')?.[1] ?? '';
  return inner !== '' && shared(inner) ? prefix + inner : prefix;
}

/** Entries by key, without a prefix that all keys have. */
export function withoutPrefix<T>(entries: ReadonlyMap<string, T>, prefix: string): ReadonlyMap<string, T> {
  return prefix === '' ? entries : new Map([...entries].map(([key, value]) => [key.slice(prefix.length), value]));
}

/** Of a network: the keys of its inner Sequential alone (`0.conv.weight`) get the `model.` that its layers have. */
export function asNetwork(checkpoint: Checkpoint): Checkpoint {
  const { tensors, modules } = checkpoint;
  if (![...tensors.keys()].every((key) => /^\d+\./.test(key))) return checkpoint;
  const inModel = <T>(entries: ReadonlyMap<string, T>): Map<string, T> => new Map([...entries].map(([key, value]) => [`model.${key}`, value]));
  return { ...checkpoint, tensors: inModel(tensors), modules: inModel(modules) };
}

/** The checkpoint with its tensors and modules under other names. Throws Problem('bad-option') where two would share one. */
export function mapKeys(checkpoint: Checkpoint, map: KeyMap): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const [key, tensor] of checkpoint.tensors) {
    const name = map(key);
    if (name === undefined) continue;
    if (tensors.has(name)) throw new Problem('bad-option', `the key map gives two tensors of ${checkpoint.name} the name ${name}`, { help: `One of them is ${key}. Make the patterns narrower.` });
    tensors.set(name, tensor);
  }
  const modules = [...checkpoint.modules].map(([path, module]) => {
    // A rule for what lies in a module names the module with a dot: `model.9.fc.*`.
    const inside = map(`${path}.`);
    return [inside?.endsWith('.') ? inside.slice(0, -1) : path, module] as const;
  });
  return { ...checkpoint, tensors, modules: new Map(modules) };
}
