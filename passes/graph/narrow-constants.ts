import type { Constant, Node, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { opNode } from '../rewrite.js';

/**
 * A large constant whose numbers float16 holds exactly is stored in half the bytes: c = Cast(half(c)), bit for bit.
 * Grids and strides are such numbers. Runtimes cast them once, when they load the file. Refused: constants below 24,576
 * elements, which save less than 48 KiB, and any with a number that would be rounded.
 */
export const narrowConstants: Pass = {
  name: 'narrow-constants',
  doc: 'Stores large constants as float16 where that holds them exactly.',
  scope: 'top',
  run(graph) {
    const narrowed = new Map<Value, Value>();
    const nodes = graph.nodes.flatMap((node): readonly Node[] => {
      const casts: Node[] = [];
      const inputs = node.inputs.map((value) => {
        if (narrowed.has(value) || value.kind !== 'constant' || !narrowable(value)) return narrowed.get(value) ?? value;
        const cast = opNode('Cast', [{ ...value, dtype: 'float16' }], { to: 'float32' }, node.scope);
        casts.push(cast);
        narrowed.set(value, cast.outputs[0]!);
        return cast.outputs[0]!;
      });
      return inputs.some((value, i) => value !== node.inputs[i]) ? [...casts, { ...node, inputs }] : [node];
    });
    return { ...graph, nodes };
  },
};

const LEAST = 24_576;

function narrowable({ dtype, data }: Constant): boolean {
  if (dtype !== 'float32' || data.length < LEAST) return false;
  const bits = new Int32Array(new Float32Array(data).buffer);
  // A plain loop: V8 compiles it on the way.
  let at = 0;
  while (at < bits.length && isHalf(bits[at]!)) at++;
  return at === bits.length;
}

/** Whether a float32, by its bits, is 0 or a multiple of float16's unit at its size: 10 bits of fraction, and 2^-24 at the least. */
function isHalf(bits: number): boolean {
  const exponent = (bits >>> 23) & 255;
  const spare = exponent >= 113 ? 13 : 126 - exponent;
  return (bits & 0x7fffffff) === 0 || (exponent >= 103 && exponent <= 142 && (bits & ((1 << spare) - 1)) === 0);
}
