import { defineModule } from '../../compiler/module.js';
import { mul, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { FeatureMap, Value } from '../../compiler/ir/graph.js';

export const Covpool = defineModule({
  doc: 'Covariance pooling: the covariance of the channels over all positions, [n, c, h, w] → [n, c, c].',
  source: 'arXiv:1703.08050 (matrix power normalized covariance pooling); SOCA: CVPR 2019, Dai et al.',
  operator: { shapes: [['batch', 'channels', 'height', 'width']], open: ['height', 'width'], custom: true },
  args: {},
  example: { inputs: [[1, 12, 8, 8]], args: [] },
  build: (g, x) => covpool(g, x),
});
export default Covpool;

/** X Î: n · c · M · M. */
const productWithMatrix = ([x]: readonly Value[]): number => {
  const [n, c, h, w] = x!.shape as readonly number[];
  return n! * c! * (h! * w!) ** 2;
};

/**
 * X Î Xᵀ with Î = (I − 11ᵀ/M) / M over the M positions, as the product of the centred rows: x [n, c, h, w] → [n, c, c].
 * The definition's M × M matrix would be 41 million numbers for a map of 80 × 80, and rounds worse.
 */
export function covpool(g: Builder, x: FeatureMap): Value<readonly [Extent, number, number]> {
  const [n, c] = x.shape;
  const [y] = g.call('Covpool', {}, [x], (body, formal) => {
    const map = formal as FeatureMap;
    const [, , h, w] = map.shape;
    const rows = body.reshape(map, [n, c, mul(h, w)]);
    const centred = body.sub(rows, body.mean(rows, 2));
    const share = body.div(body.div(1, body.size(h)), body.size(w));
    return [body.mul(body.matmul(centred, body.transpose(centred, [0, 2, 1])), share)];
  }, productWithMatrix);
  return y as Value<readonly [Extent, number, number]>;
}
