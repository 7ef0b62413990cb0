import { Builder, newRecording } from '../../compiler/builder.js';
import { internal } from '../../compiler/errors.js';
import type { Node, OpNode } from '../../compiler/ir/graph.js';
import { expansionOf } from '../../compiler/onnx/expansions.js';
import { rowOf } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/** An operator that the opset or the runtime lacks becomes the same arithmetic in operators that it has (onnx/expansions.ts). */
export const expandOperators: Pass = {
  name: 'expand-operators',
  doc: 'Writes operators that the opset or the target lacks with others.',
  scope: 'every-graph',
  required: true,
  run: (graph, { opset, lacks = [] }) =>
    rewrite(graph, (node, { replace }) => {
      if (node.kind !== 'op') return [node];
      const available = isAvailable(node, opset);
      if (available && !lacks.includes(node.op)) return [node];
      const nodes: Node[] = [];
      const results = expansionOf(node, new Builder(inert, nodes, node.scope));
      if (!results && available) return [node];
      if (!results) throw internal(`opset ${opset} lacks ${node.op} and the table of expansions has nothing for it`);
      node.outputs.forEach((value, i) => replace(value, results[i]!));
      return nodes.flatMap((made) => expandAgain(made, opset));
    }),
};

function isAvailable({ op, attrs, inputs }: OpNode, opset: number): boolean {
  const { since } = rowOf(op);
  return (typeof since === 'number' ? since : since(attrs, inputs)) <= opset;
}

/** Expansions are written in operators of opset 11; a row that says otherwise is a fault of the table. */
function expandAgain(node: Node, opset: number): readonly Node[] {
  if (node.kind === 'op' && !isAvailable(node, opset)) throw internal(`an expansion uses ${node.op}, which opset ${opset} lacks as well`);
  return [node];
}

/** Expansions declare no parameters of their own. */
const inert = newRecording({
  weights: {
    tensor: (key) => {
      throw internal(`an expansion declares ${key}`);
    },
    finish: () => ({ unused: [], remarks: [] }),
  },
  namedActivations: false,
  warn: () => undefined,
});
