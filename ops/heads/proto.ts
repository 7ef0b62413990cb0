/** Mask prototypes of the segmentation heads, from their first level. */
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';
import { Conv } from '../blocks/Conv.js';

export interface Prototypes {
  readonly masks: number;
  readonly hidden: number;
  /** YOLOv5 repeats pixels, Ultralytics learns the upsampling. */
  readonly upsampling: 'nearest' | 'learnt';
}

/** x [n, c, h, w] → [n, masks, 2h, 2w]. */
export function prototypes(g: Builder, x: FeatureMap, { masks, hidden, upsampling }: Prototypes): Value {
  const low = g.use('cv1', Conv, x, { out: hidden, kernel: [3, 3] });
  const high = upsampling === 'learnt' ? g.convTranspose2d('upsample', low, { out: hidden, kernel: 2, stride: 2 }) : g.resize(low, { scales: [2, 2], mode: 'nearest' }, 'upsample');
  return g.use('cv3', Conv, g.use('cv2', Conv, high, { out: hidden, kernel: [3, 3] }), { out: masks });
}
