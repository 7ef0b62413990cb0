/** Matches a model's parameters with the tensors of a file by their state_dict keys. */
import { nearest, Problem } from '../errors.js';
import type { Read } from '../ir/graph.js';
import type { DType, ReadBytes } from './dtypes.js';
import { keptRead } from './seeded.js';
import { className, type ModuleFacts, type WeightSource } from './source.js';

/** A tensor of a file. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Its elements as stored, in row-major order. */
  readonly bytes: ReadBytes;
  /** Gives float32, whatever the file stores. Absent when the dtype holds no weights (integers, booleans). */
  readonly read?: Read | undefined;
}

export interface StateDict {
  /** The file's name, for messages. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Pickled modules by path, where the file has them. */
  readonly modules?: ReadonlyMap<string, ModuleFacts>;
}

export interface StateDictOptions {
  /** A yaml was given beside the file. */
  readonly yamlGiven?: boolean;
}

/**
 * What PyTorch saves and no compiled graph reads: counters (thop's too), what is known from the architecture, and the
 * one-to-one branches of heads that are trained with `end2end`.
 */
const UNREAD = /(^|\.)(num_batches_tracked|anchors|anchor_grid|grid|strides?|total_ops|total_params)$|\.one2one_\w+\./;
const LAYER = /^model\.\d+\./;

/** Serves parameters from a state_dict; what is missing or wrongly shaped is collected until `finish`. */
export function stateDictWeights({ name, tensors, modules }: StateDict, { yamlGiven = false }: StateDictOptions = {}): WeightSource {
  const asked = new Set<string>();
  const missing: { key: string; shape: readonly number[] }[] = [];
  const unfit: { key: string; what: string }[] = [];
  return {
    tensor(key, shape, kept) {
      asked.add(key);
      const stored = tensors.get(key);
      const numbers = stored?.read;
      if (kept && !numbers) return keptRead(kept);
      if (!stored) missing.push({ key, shape });
      else if (!numbers) unfit.push({ key, what: `holds ${stored.dtype}, which are no weights` });
      else if (!sameShape(stored.shape, shape)) unfit.push({ key, what: `is [${stored.shape.join(', ')}], the model needs [${shape.join(', ')}]` });
      else return numbers;
      return (into) => void into.fill(0);
    },
    yamlGiven,
    has: (key) => tensors.has(key),
    ...(modules && modules.size > 0 ? { module: (path: string): ModuleFacts | undefined => modules.get(path) } : {}),
    finish(layerOf = () => undefined) {
      const left = [...tensors].filter(([key]) => !asked.has(key));
      // A model object runs its layers alone: what stands beside them (a loss, an auxiliary head) is for training.
      const beside = (key: string): boolean => modules?.has('model') === true && !LAYER.test(key);
      const spare = left.filter(([key, { read }]) => read && !UNREAD.test(key) && !beside(key)).map(([key]) => key);
      if (missing.length + unfit.length + spare.length > 0) throw misfit({ name, missing, unfit, spare, asked: asked.size, tensors, modules, layerOf });
      const one2one = left.filter(([key]) => key.includes('.one2one_')).length;
      return {
        unused: left.map(([key]) => key),
        remarks: one2one === 0 ? [] : [`${name} has ${count(one2one, 'tensor')} of a one-to-one branch (end2end), which is not compiled`],
      };
    },
  };
}

interface Misfit extends Omit<StateDict, 'modules'> {
  readonly missing: readonly { readonly key: string; readonly shape: readonly number[] }[];
  readonly unfit: readonly { readonly key: string; readonly what: string }[];
  /** Tensors that nothing in the model has. */
  readonly spare: readonly string[];
  /** How many tensors the model has. */
  readonly asked: number;
  readonly modules: StateDict['modules'];
  readonly layerOf: (key: string) => string | undefined;
}

/** Lines that a message shows of each kind. */
const SHOWN = 8;

function misfit(found: Misfit): Problem {
  const { name, missing, unfit, spare, asked, tensors } = found;
  const counts = [
    missing.length > 0 ? `${missing.length} missing` : '',
    spare.length > 0 ? `${spare.length} unexpected` : '',
    unfit.length > 0 ? `${unfit.length} of another shape or type` : '',
  ].filter((part) => part !== '');
  const likelies = new Map<string, string>();
  const named = new Set<string>();
  for (const { key, shape } of missing.slice(0, SHOWN)) {
    const near = likely(key, shape, spare.filter((candidate) => !named.has(candidate)), tensors);
    if (near === undefined) continue;
    likelies.set(key, near);
    named.add(near);
  }
  const lines = [
    ...shown(unfit.map(({ key, what }) => () => `${key} ${what}${where(key, found)}`)),
    ...shown(missing.map(({ key }) => () => `${key} is missing${likelies.get(key) === undefined ? '' : `; the file has ${likelies.get(key)!}`}${where(key, found)}`)),
    ...shown(spare.filter((key) => !named.has(key)).map((key) => () => `${key} is not in the model${where(key, found)}`)),
  ];
  return new Problem('bad-weights', `${name} does not fit the model: ${counts.join(', ')} (of ${count(asked, 'tensor')})\n${lines.map((line) => `    ${line}`).join('\n')}`, { help: helpFor(found) });
}

function shown(lines: readonly (() => string)[]): string[] {
  return [...lines.slice(0, SHOWN).map((line) => line()), ...(lines.length > SHOWN ? [`and ${lines.length - SHOWN} more`] : [])];
}

/** `(layer 9, SE; my.attention.MySE in the file)`. */
function where(key: string, { layerOf, modules }: Misfit): string {
  const layer = layerOf(key);
  const facts = modules?.get(/^model\.\d+/.exec(key)?.[0] ?? '');
  const parts = [layer, facts && (!layer?.endsWith(` ${className(facts)}`)) ? `${facts.path} in the file` : undefined].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

function helpFor({ missing, unfit, spare, asked, layerOf }: Misfit): string {
  if (missing.length === asked) return 'None of the keys agree: are these the weights of another model? --key-map "old.*=new.*" renames keys.';
  if (missing.length > 0 && missing.length === spare.length && unfit.length === 0) return 'Where only names differ, --key-map "old.*=new.*" gives tensors the names that the model has; --alias MyName=Name takes a row for another module.';
  const layers = new Set(spare.map((key) => layerOf(key)));
  if (missing.length === 0 && unfit.length === 0) return `Check that the yaml has every layer that was trained${layers.has(undefined) ? '' : ' and the same arguments'}. --key-map "old.*=" leaves tensors out.`;
  return 'Check that the yaml, its scale and nc are those that the weights were trained with. --key-map "old.*=new.*" renames keys, --alias MyName=Name takes a row for another module.';
}

/** The unused tensor that was probably meant: the nearest name with the same leaf, of the same shape if there is one. */
function likely(key: string, shape: readonly number[], spare: readonly string[], tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  const leaf = key.slice(key.lastIndexOf('.') + 1);
  const prefixed = spare.find((candidate) => candidate.endsWith(`.${key}`));
  if (prefixed !== undefined) return prefixed;
  const sameLeaf = spare.filter((candidate) => candidate.endsWith(leaf)).slice(0, 500);
  const fitting = sameLeaf.filter((candidate) => sameShape(tensors.get(candidate)!.shape, shape));
  const alike = nearest(key, fitting)[0] ?? nearest(key, sameLeaf)[0];
  // Of names that are not alike, the numbers may still be: `net.layers.0.m.1.weight` for `model.0.m.1.conv.weight`.
  return alike ?? fitting.find((candidate) => numbersIn(candidate) === numbersIn(key));
}

const numbersIn = (key: string): string => (key.match(/(?<=\.|^)\d+(?=\.)/g) ?? []).join('.');

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
