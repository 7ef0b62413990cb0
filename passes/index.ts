/** The graph passes in the order in which they run, with the reason for each place. */
import { dropDead } from './graph/drop-dead.js';
import { expandOperators } from './graph/expand-operators.js';
import { foldBatchNorm } from './graph/fold-batch-norm.js';
import { foldConstants } from './graph/fold-constants.js';
import { lowerCalls } from './graph/lower-calls.js';
import { toHalf } from './graph/to-half.js';
import type { Pass } from './pass.js';

export const graphPasses: readonly Pass[] = [
  foldBatchNorm, // first, while every BatchNormalization still follows its Conv
  toHalf, // before expansions, whose constants then have the precision of what they stand for
  expandOperators, // before folding: expansions bring constants of their own
  foldConstants, // grids, anchors, shapes
  dropDead, // what folding left without readers
  lowerCalls, // last: passes work in bodies before they become functions
];
