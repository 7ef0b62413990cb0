/** What a command works on: a yaml, a checkpoint that holds its own, or both. */
import { dirname, join } from 'node:path';
import { Problem, quoted, type Source } from '../errors.js';
import type { NetworkOptions } from '../compile.js';
import { asNetwork, giveYaml, mapKeys, type Checkpoint } from '../weights/checkpoint.js';
import { keyMap as compileKeyMap } from '../weights/key-map.js';
import type { WeightSource } from '../weights/source.js';
import { stateDictWeights } from '../weights/state-dict.js';
import { recoverYaml } from '../recover.js';
import { library } from '../../ops/index.js';
import { exists, readModel } from './model-file.js';
import { isWeightsFile, openCheckpoint, type OpenedCheckpoint } from './weights.js';

export interface InputOptions {
  /** A yaml or a checkpoint: a path, or a yaml's name and text. */
  readonly model?: string | Source;
  /** A checkpoint or safetensors file. */
  readonly weights?: string;
  readonly scale?: string;
  /** Rules `old.*=new.*` for the tensors of a weights file. */
  readonly keyMap?: readonly string[] | undefined;
}

export interface OpenedWeights {
  readonly checkpoint: Checkpoint;
  /** A source for one recording. */
  source(): WeightSource;
  close(): void;
}

export interface OpenedInput {
  readonly source: Source;
  /** Files that were read, other than those that the options name: a yaml found beside a checkpoint. */
  readonly found: readonly string[];
  /** What names and files say of the model. */
  readonly settings: Pick<NetworkOptions, 'scale' | 'scaleByName' | 'fallback'>;
  /** Absent where no file has any. */
  readonly weights: OpenedWeights | undefined;
  close(): void;
}

export interface WeightsUse extends Pick<InputOptions, 'keyMap'> {
  /** A yaml was given beside the file: what it says counts. */
  readonly yamlGiven?: boolean;
  /** For a module alone, whose keys have no `model.<index>`. */
  readonly lone?: boolean;
}

/** Opens a weights file, its tensors under the names that the rules give them. Throws Problem('unreadable', 'bad-weights' or 'bad-option'). */
export async function openWeights(path: string, { keyMap = [], yamlGiven = false, lone = false }: WeightsUse = {}): Promise<OpenedWeights> {
  const rules = compileKeyMap(keyMap);
  const opened = await openCheckpoint(path);
  try {
    const own = lone ? opened.checkpoint : asNetwork(opened.checkpoint);
    const checkpoint = keyMap.length === 0 ? own : mapKeys(own, rules);
    return { checkpoint, source: () => stateDictWeights(checkpoint, { yamlGiven }), close: () => opened.close() };
  } catch (error) {
    opened.close();
    throw error;
  }
}

export const keyMapAlone = (): Problem => new Problem('bad-option', 'a key map renames the tensors of a file, but no weights are given', { help: 'Name the file with --weights.' });

/** Opens a model. Throws Problem('unreadable', 'bad-weights' or 'bad-option'). */
export async function openInput(options: InputOptions & { readonly model: string | Source }, warn: (warning: Problem) => void = () => undefined): Promise<OpenedInput> {
  const { model, weights, scale, keyMap } = options;
  if (typeof model === 'string' && isWeightsFile(model)) return ofCheckpoint(model, options, warn);
  if (weights === undefined && keyMap && keyMap.length > 0) throw keyMapAlone();
  const { source, scale: asked } = readModel(model, scale);
  const opened = weights === undefined ? undefined : await openWeights(weights, { keyMap, yamlGiven: true });
  return { source, found: [], settings: settingsOf(asked, opened?.checkpoint), weights: opened, close: () => opened?.close() };
}

/** The checkpoint's own yaml counts, and that decides its scale, whatever the file is called. */
async function ofCheckpoint(file: string, { weights, scale, keyMap }: InputOptions, warn: (warning: Problem) => void): Promise<OpenedInput> {
  const model: OpenedCheckpoint | OpenedWeights = weights === undefined ? await openWeights(file, { keyMap }) : await openCheckpoint(file);
  try {
    const { checkpoint } = model;
    const source = await yamlOf(checkpoint, warn);
    for (const remark of checkpoint.model.remarks ?? []) warn(new Problem('bad-weights', remark));
    const settings = { ...settingsOf(scale ?? checkpoint.model.scale, checkpoint), scaleByName: source.file !== file };
    const found = source.file === file ? [] : [source.file];
    if (weights === undefined) return { source, found, settings, weights: model as OpenedWeights, close: () => model.close() };
    const others = await openWeights(weights, { keyMap, yamlGiven: true });
    return {
      source,
      found,
      settings,
      weights: others,
      close() {
        model.close();
        others.close();
      },
    };
  } catch (error) {
    model.close();
    throw error;
  }
}

function settingsOf(scale: string | undefined, checkpoint: Checkpoint | undefined): OpenedInput['settings'] {
  const { scale: known, names } = checkpoint?.model ?? {};
  const fallback = { ...(known === undefined ? {} : { scale: known }), ...(names ? { names } : {}) };
  return { ...(scale === undefined ? {} : { scale }), fallback };
}

/** In the file, named by its metadata, beside it under its name, or what its trained layers tell. */
async function yamlOf(checkpoint: Checkpoint, warn: (warning: Problem) => void): Promise<Source> {
  const { name, holds, model: { yaml, oddYaml } } = checkpoint;
  if (oddYaml) throw new Problem('bad-weights', `the yaml in ${name} is not that of a model: it is no mapping, or larger than any`, { help: giveYaml(name) });
  if (yaml && 'text' in yaml) return { file: name, text: yaml.text };
  if (yaml) return readModel(namedIn(name, yaml.path), undefined).source;
  const beside = ['.yaml', '.yml'].map((extension) => name.replace(/\.[^./\\]*$/, extension)).find((path) => exists(path));
  if (beside !== undefined) return readModel(beside, undefined).source;
  const recovered = await recoverYaml(checkpoint, library);
  if (recovered !== undefined) {
    warn(new Problem('bad-weights', `${name} has no yaml: its rows are taken from its layers`));
    return { file: name, text: recovered };
  }
  throw new Problem('bad-weights', `${name} does not tell what its model is: it holds a ${holds} without a yaml`, { help: giveYaml(name) });
}

/** A yaml that a file names: beside it, else as it is. Nothing else is opened for a stranger's file, and no network share. */
function namedIn(file: string, path: string): string {
  if (!/\.ya?ml$/i.test(path) || /^[/\\]{2}/.test(path)) {
    throw new Problem('bad-weights', `${file} names ${quoted(path)} as its yaml, which is no .yaml file`, { help: `Give the yaml: yolonnx compile model.yaml --weights ${file}` });
  }
  const beside = join(dirname(file), path);
  return exists(beside) ? beside : path;
}
