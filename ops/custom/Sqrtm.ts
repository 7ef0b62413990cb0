import { defineModule, int } from '../../compiler/module.js';
import { Problem } from '../../compiler/errors.js';
import { showShape, type Extent } from '../../compiler/ir/extent.js';
import type { Builder } from '../../compiler/builder.js';
import type { Value } from '../../compiler/ir/graph.js';

export type Matrices = Value<readonly [Extent, Extent, Extent]>;

export const Sqrtm = defineModule({
  doc: 'Square root of symmetric positive definite matrices by Newton–Schulz iteration, [n, c, c] → [n, c, c].',
  source: 'arXiv:1712.01034 (iSQRT-COV)',
  operator: { shapes: [['batch', 'size', 'size']], open: [], custom: true, args: ({ iterN }) => [iterN!] },
  args: { iterN: int('iterations', 5, { max: 64 }) },
  constraints: ['square matrices'],
  example: { inputs: [[1, 16, 16]], args: [5] },
  build: (g, x, { iterN }) => sqrtm(g, x as Value as Matrices, iterN),
});
export default Sqrtm;

/**
 * The trace normalizes, A = X / tr X; then, from Y = A and Z = I,
 *
 *     T = (3I − Z Y) / 2,   Y ← Y T,   Z ← T Z
 *
 * `iterN` times, of which the last needs Y alone. The result is √(tr X) Y. One iteration gives √(tr X) T, as in the article.
 */
export function sqrtm(g: Builder, x: Matrices, iterN: number): Matrices {
  const rank: number = x.shape.length;
  if (rank !== 3 || x.shape[1] !== x.shape[2]) throw new Problem('bad-shape', `Sqrtm takes square matrices [n, c, c], got ${showShape(x.shape)}`);
  return g.call('Sqrtm', { iterN }, [x], (body, formal) => [newtonSchulz(body, formal as Matrices, iterN)])[0] as Value as Matrices;
}

function newtonSchulz(g: Builder, x: Matrices, iterN: number): Value {
  const threeI = g.mul(identity(g, x.shape[1]), 3);
  const trace = g.mul(g.sum(g.mul(x, threeI), [1, 2]), 1 / 3);
  const step = (zy: Value): Value => g.mul(g.sub(threeI, zy), 0.5);
  const a = g.div(x, trace);
  const t = step(a);
  if (iterN === 1) return g.mul(t, g.sqrt(trace));
  let [y, z]: [Value, Value] = [g.matmul(a, t), t];
  for (let i = 2; i < iterN; i++) {
    const next = step(g.matmul(z, y));
    [y, z] = [g.matmul(y, next), g.matmul(next, z)];
  }
  return g.mul(g.matmul(y, step(g.matmul(z, y))), g.sqrt(trace));
}

/** I of a size: [size, size]. */
function identity(g: Builder, size: Extent): Value {
  const index = g.range(size);
  return g.cast(g.equal(g.reshape(index, [size, 1]), g.reshape(index, [1, size])), 'float32');
}
