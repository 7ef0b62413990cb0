/** The graph passes in the order in which they run, with the reason for each place. */
import { collapseChains } from './graph/collapse-chains.js';
import { detectionRows } from './graph/detection-rows.js';
import { distributeConvs } from './graph/distribute-convs.js';
import { dropDead } from './graph/drop-dead.js';
import { expandOperators } from './graph/expand-operators.js';
import { foldBatchNorm } from './graph/fold-batch-norm.js';
import { foldConstants } from './graph/fold-constants.js';
import { foldPermutations } from './graph/fold-permutations.js';
import { lowerCalls } from './graph/lower-calls.js';
import { mergeBranches } from './graph/merge-branches.js';
import { narrowConstants } from './graph/narrow-constants.js';
import { shareNodes } from './graph/share-nodes.js';
import { shareTensors } from './graph/share-tensors.js';
import { softmaxLast } from './graph/softmax-last.js';
import { splitConvs } from './graph/split-convs.js';
import { toHalf } from './graph/to-half.js';
import { upsampleLater } from './graph/upsample-later.js';
import { winograd } from './graph/winograd.js';
import type { Pass } from './pass.js';

export const graphPasses: readonly Pass[] = [
  foldBatchNorm, // first, while every BatchNormalization still follows its Conv
  mergeBranches, // after normalizations have gone into the branches
  foldPermutations,
  softmaxLast, // before expansions, which would turn the axis of Softmax for old opsets
  splitConvs, // before upsample-later, which may take the parts apart further
  upsampleLater,
  distributeConvs, // after upsample-later, which gains more from the same convolutions
  winograd, // after the passes that want convolutions
  detectionRows, // before to-half, which keeps positions in float32, and before folding
  toHalf, // before expansions, whose constants then have the precision of what they stand for
  expandOperators, // before folding: expansions bring constants of their own
  foldConstants, // grids, anchors, shapes
  collapseChains, // what the others left between each other
  shareNodes, // after collapse-chains, which makes nodes alike
  dropDead, // what folding left without readers
  lowerCalls, // passes work in bodies before they become functions
  narrowConstants, // after folding, which would undo it
  shareTensors, // last: every tensor of the file has its place
];
