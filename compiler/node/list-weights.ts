/** What is in a weights file, and the same as safetensors. */
import { Problem } from '../errors.js';
import { stopIfAborted } from './abort.js';
import { checkListing } from './options.js';
import type { Checkpoint, ModelFacts, Plain } from '../weights/checkpoint.js';
import { itemSize } from '../weights/dtypes.js';
import { writeSafetensors } from '../weights/write-safetensors.js';
import { atomicFile, fileSource, refuseOverwriting } from './files.js';
import { openWeights } from './inputs.js';

export interface WeightsOptions {
  /** A PyTorch checkpoint or a safetensors file. */
  readonly file: string;
  /** Rules `old.*=new.*` for the names of tensors. */
  readonly keyMap?: readonly string[] | undefined;
  /** A safetensors file to write, with the model's yaml and names in its metadata. */
  readonly to?: string;
  readonly onWarning?: (warning: Problem) => void;
  /** Stops the writing; nothing is left behind. */
  readonly signal?: AbortSignal;
}

export interface WeightsListing extends Omit<ModelFacts, 'yaml' | 'oddYaml' | 'remarks'> {
  readonly file: string;
  readonly bytes: number;
  /** `zip` and `legacy` are torch.save's forms. */
  readonly container: 'zip' | 'legacy' | 'safetensors';
  /** Such as `model object under ema`. */
  readonly holds: string;
  /** The text of the model's yaml, or the path that the file names. */
  readonly yaml?: string;
  /** What else the trainer wrote: date, epoch, arguments. */
  readonly info: Readonly<Record<string, Plain>>;
  /** Classes that are neither PyTorch's nor Python's; none was loaded. */
  readonly classes: readonly string[];
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  readonly totals: { readonly tensors: number; readonly elements: number; readonly bytes: number; readonly dtypes: Readonly<Record<string, number>> };
  /** The file that was written. */
  readonly output?: string;
}

/** Lists a weights file. Throws Problem('unreadable', 'bad-weights', 'unwritable' or 'bad-option'). */
export async function listWeights(options: WeightsOptions): Promise<WeightsListing> {
  const { file, keyMap, to, onWarning, signal } = checkListing(options);
  if (to !== undefined) refuseOverwriting(to, [file]);
  const { checkpoint, close } = await openWeights(file, { keyMap });
  try {
    const bytes = sizeOf(file);
    if (to !== undefined) {
      const target = atomicFile(to);
      try {
        await writeSafetensors(target, checkpoint, bytes, async () => {
          await new Promise((resume) => setImmediate(resume));
          stopIfAborted(signal);
        });
        target.commit();
      } catch (error) {
        target.abort();
        throw error;
      }
    }
    const { container, holds, info, classes, model } = checkpoint;
    const { yaml, oddYaml, remarks = [], ...facts } = model;
    if (oddYaml) onWarning?.(new Problem('bad-weights', `the yaml in ${file} is not that of a model`));
    for (const remark of remarks) onWarning?.(new Problem('bad-weights', remark));
    const tensors = [...checkpoint.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    return {
      file, bytes, container, holds, ...facts,
      ...(yaml ? { yaml: 'text' in yaml ? yaml.text : yaml.path } : {}),
      info, classes, tensors, totals: totalsOf(checkpoint.tensors),
      ...(to === undefined ? {} : { output: to }),
    };
  } finally {
    close();
  }
}

function sizeOf(path: string): number {
  const source = fileSource(path);
  source.close();
  return source.size;
}

function totalsOf(tensors: Checkpoint['tensors']): WeightsListing['totals'] {
  const dtypes: Record<string, number> = {};
  const totals = { tensors: tensors.size, elements: 0, bytes: 0 };
  for (const { dtype, size } of tensors.values()) {
    dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
    totals.elements += size;
    totals.bytes += size * itemSize(dtype);
  }
  return { ...totals, dtypes };
}
