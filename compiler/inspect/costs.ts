/** Multiply-adds of nodes as they ran, by the shapes that the runtime saw. */
import type { Kernel } from '../runner.js';

const product = (sizes: readonly number[]): number => sizes.reduce((whole, size) => whole * size, 1);

/** Of Conv, ConvTranspose, Gemm and MatMul, as users count GFLOPs; 0 for others. `transposed`: Gemm's transA. */
export function macsOf({ op, inputs, outputs }: Pick<Kernel, 'op' | 'inputs' | 'outputs'>, transposed = false): number {
  const [x, w] = inputs.map(({ shape }) => shape);
  const [y] = outputs.map(({ shape }) => shape);
  if (!x || !w || !y) return 0;
  switch (op) {
    case 'Conv':
      // w: [out, in / groups, height, width]
      return product(y) * product(w.slice(1));
    case 'ConvTranspose':
      // w: [in, out / groups, height, width]
      return product(x) * product(w.slice(1));
    case 'Gemm':
      return product(y) * (transposed ? (x[0] ?? 0) : (x.at(-1) ?? 0));
    case 'MatMul':
      return product(y) * (x.at(-1) ?? 0);
    default:
      return 0;
  }
}
