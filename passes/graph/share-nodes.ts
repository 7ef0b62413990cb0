import { printAttributes } from '../../compiler/ir/print.js';
import type { Constant, OpNode, Value } from '../../compiler/ir/graph.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/**
 * Two nodes of one operator with equal attributes and the same inputs give the same result: the second one goes.
 * Constants are the same where their numbers are. Operators here have no state and no randomness. Refused: custom
 * operators, and parameters that merely have the same numbers (share-tensors).
 */
export const shareNodes: Pass = {
  name: 'share-nodes',
  doc: 'Computes once what several nodes compute alike.',
  scope: 'every-graph',
  run(graph) {
    const numbers = new Numbers();
    const known = new Map<string, OpNode>();
    return rewrite(graph, (node, { replace }) => {
      if (node.kind !== 'op') return [node];
      const key = `${node.op}${printAttributes(node.attrs)}(${node.inputs.map((value) => numbers.of(value)).join()})`;
      const first = known.get(key);
      if (!first) {
        known.set(key, node);
        return [node];
      }
      node.outputs.forEach((value, i) => replace(value, first.outputs[i]!));
      return [];
    });
  },
};

/** Gives equal values equal numbers. */
class Numbers {
  private readonly known = new Map<Value, number>();
  private readonly constants = new Map<string, Constant[]>();

  of(value: Value): number {
    const same = value.kind === 'constant' ? this.first(value) : value;
    const number = this.known.get(same) ?? this.known.size;
    this.known.set(same, number);
    return number;
  }

  /** The first constant with these numbers. */
  private first(constant: Constant): Constant {
    const { dtype, shape, data } = constant;
    const key = `${dtype}[${shape.join()}]${data[0] ?? ''},${data[data.length - 1] ?? ''}`;
    const alike = this.constants.get(key) ?? [];
    this.constants.set(key, alike);
    const found = alike.find((other) => other.data === data || equal(other.data, data));
    if (!found) alike.push(constant);
    return found ?? constant;
  }
}

/** Bit for bit, but for the payload of NaN. */
function equal(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
