/** Matches a model's parameters with the tensors of a file by their state_dict keys. */
import { nearest, Problem } from '../errors.js';
import type { Read } from '../ir/graph.js';
import { keptRead } from './seeded.js';
import type { WeightSource } from './source.js';

/** A tensor of a file. Readers give float32, whatever the file stores. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Absent when the dtype holds no weights (integers, booleans). */
  readonly read?: Read | undefined;
}

export interface StateDict {
  /** The file's name, for messages. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

const SHOWN = 10;
/** Buffers that both packages save and no compiled graph reads: counters, and what is known from the architecture. */
const UNREAD = /(^|\.)(num_batches_tracked|anchors|anchor_grid|grid|strides?)$/;

/** Serves parameters from a state_dict; what is missing or wrongly shaped is collected until `finish`. */
export function stateDictWeights({ name, tensors }: StateDict): WeightSource {
  const asked = new Set<string>();
  const missing: { key: string; shape: readonly number[] }[] = [];
  const unfit: string[] = [];
  return {
    tensor(key, shape, kept) {
      asked.add(key);
      const stored = tensors.get(key);
      const numbers = stored?.read;
      if (kept && !numbers) return keptRead(kept);
      if (!stored) missing.push({ key, shape });
      else if (!numbers) unfit.push(`${key} holds ${stored.dtype}, which are no weights`);
      else if (!sameShape(stored.shape, shape)) unfit.push(`${key} is [${stored.shape.join(', ')}], the model needs [${shape.join(', ')}]`);
      else return numbers;
      return (into) => void into.fill(0);
    },
    finish() {
      const spare = [...tensors].filter(([key, { read }]) => !asked.has(key) && read && !UNREAD.test(key)).map(([key]) => key);
      if (missing.length || unfit.length) throw misfit(name, { missing, unfit, spare, asked: asked.size, tensors });
      if (spare.length === 0) return [];
      return [`${name} has ${count(spare.length, 'tensor')} that the model does not use: ${some(spare)}`];
    },
  };
}

interface Misfit {
  readonly missing: readonly { readonly key: string; readonly shape: readonly number[] }[];
  readonly unfit: readonly string[];
  readonly spare: readonly string[];
  readonly asked: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

function misfit(name: string, { missing, unfit, spare, asked, tensors }: Misfit): Problem {
  const lines = missing.map(({ key, shape }) => {
    const near = likely(key, shape, spare, tensors);
    return `${key} is missing${near === undefined ? '' : `; the file has ${near}`}`;
  });
  const all = [...unfit, ...lines];
  const rest = all.length > SHOWN ? [`and ${all.length - SHOWN} more`] : [];
  const message = `${name} does not fit the model: ${count(all.length, 'tensor')} of ${asked}\n${[...all.slice(0, SHOWN), ...rest].map((line) => `    ${line}`).join('\n')}`;
  return new Problem('bad-weights', message, { help: helpFor(missing.length, asked, missing[0]?.key, spare) });
}

function helpFor(missing: number, asked: number, key: string | undefined, spare: readonly string[]): string {
  const prefixed = key === undefined ? undefined : spare.find((candidate) => candidate.endsWith(`.${key}`));
  if (key !== undefined && prefixed !== undefined) {
    return `The keys in the file begin with ${prefixed.slice(0, prefixed.length - key.length)}: save the state_dict of the inner model.`;
  }
  if (missing === asked) return 'None of the keys agree: are these the weights of another model, or a state_dict saved without the names of model.N?';
  return 'Check that the yaml, its scale and nc are those that the weights were trained with.';
}

/** The unused tensor that was probably meant: the nearest name with the same leaf, of the same shape if there is one. */
function likely(key: string, shape: readonly number[], spare: readonly string[], tensors: ReadonlyMap<string, StoredTensor>): string | undefined {
  const leaf = key.slice(key.lastIndexOf('.') + 1);
  const prefixed = spare.find((candidate) => candidate.endsWith(`.${key}`));
  if (prefixed !== undefined) return prefixed;
  const sameLeaf = spare.filter((candidate) => candidate.endsWith(leaf)).slice(0, 500);
  const fitting = sameLeaf.filter((candidate) => sameShape(tensors.get(candidate)!.shape, shape));
  return nearest(key, fitting)[0] ?? nearest(key, sameLeaf)[0];
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function some(keys: readonly string[]): string {
  return keys.slice(0, 5).join(', ') + (keys.length > 5 ? ` and ${keys.length - 5} more` : '');
}
