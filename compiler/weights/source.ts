/** Where parameters get their numbers from: seeded (weights/seeded.ts) or a file (weights/state-dict.ts). */
import type { Read } from '../ir/graph.js';

export interface WeightSource {
  /**
   * A reader for the tensor under a state_dict key. `kept` holds the values of a tensor that is not trained (DFL's
   * weights, anchors): the architecture's own, unless a file has others. A source that cannot serve a tensor notes
   * it and returns any reader: `finish` then throws with all that is wrong at once.
   */
  tensor(key: string, shape: readonly number[], kept?: ArrayLike<number>): Read;
  /** Whether a file has a tensor of this key; absent where every tensor is made on demand. */
  has?(key: string): boolean;
  /** What a pickled model says of one of its modules, by its path. */
  module?(path: string): ModuleFacts | undefined;
  /** A yaml was given beside the file: where that says something of a module, it counts. */
  readonly yamlGiven?: boolean;
  /**
   * Called once when every parameter is declared. Throws Problem('bad-weights') naming missing, unexpected and wrongly
   * shaped keys; returns what the file has and the graph never reads. `layerOf` says which layer a key belongs to.
   */
  finish(layerOf?: (key: string) => string | undefined): Leftover;
}

export interface Leftover {
  /** Keys of tensors that the graph does not read: counters, stored strides, branches for training alone. */
  readonly unused: readonly string[];
  readonly remarks: readonly string[];
}

/** A pickled nn.Module: its class and what stands in its `__dict__`. */
export interface ModuleFacts {
  /** Such as `torch.nn.modules.activation.SiLU`. */
  readonly path: string;
  /** The file, for messages. */
  readonly file: string;
  /** Plain data; the numbers of a small tensor as a list. */
  attribute(name: string): unknown;
}

/** The last part of the class's path: `SiLU`. */
export const className = ({ path }: Pick<ModuleFacts, 'path'>): string => path.slice(path.lastIndexOf('.') + 1);

/** The attributes that the compiler asks modules for. */
export const STATED = ['eps', 'stride', 'padding', 'padding_mode', 'dilation', 'groups', 'kernel_size', 'negative_slope', 'alpha', 'approximate'] as const;
