/** Where parameters get their numbers from: seeded (weights/seeded.ts) or a file (weights/safetensors.ts). */
import type { Read } from '../ir/graph.js';

export interface WeightSource {
  /**
   * A reader for the tensor under a state_dict key. `kept` holds the values of a tensor that is not trained (DFL's
   * weights, anchors): the architecture's own, unless a file has others. A source that cannot serve a tensor notes
   * it and returns any reader: `finish` then throws with all that is wrong at once.
   */
  tensor(key: string, shape: readonly number[], kept?: ArrayLike<number>): Read;
  /** Called once when every parameter is declared. Throws Problem('bad-weights') naming missing, wrongly shaped keys; returns remarks. */
  finish(): readonly string[];
}
