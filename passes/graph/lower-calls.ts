import { internal } from '../../compiler/errors.js';
import { paramsOf, type CallNode, type FunctionNode, type Graph, type Input, type Node, type Param, type Value } from '../../compiler/ir/graph.js';
import type { CustomOps, Pass } from '../pass.js';
import { rewrite } from '../rewrite.js';

/**
 * A call becomes what was asked for: its body's nodes (`inline`), one node of a model-local function (`function`),
 * or one node without a body (`opaque`). A function holds no initializers, so a body's parameters become inputs;
 * two uses with other weights then share one function. Bodies are lowered before the graph that uses them.
 */
export const lowerCalls: Pass = {
  name: 'lower-calls',
  doc: 'Presents custom operators inline, as model-local functions, or as opaque nodes.',
  scope: 'top',
  required: true,
  run: (graph, { customOps }) => lower(graph, customOps),
};

function lower(graph: Graph, customOps: CustomOps): Graph {
  return rewrite(graph, (node, { replace }) => {
    if (node.kind !== 'call') return [node];
    const call = { ...node, body: lower(node.body, customOps) };
    if (customOps.form !== 'inline') return [presented(call, customOps)];
    const { nodes, results } = inlined(call);
    call.outputs.forEach((value, i) => replace(value, results[i]!));
    return nodes;
  });
}

/** The body's nodes with the call's values in place of its inputs. */
function inlined({ body, inputs }: CallNode): { nodes: readonly Node[]; results: readonly Value[] } {
  const actual = new Map<Value, Value>(body.inputs.map((formal, i) => [formal, inputs[i] ?? missing(formal)]));
  const put = (value: Value): Value => actual.get(value) ?? value;
  return { nodes: body.nodes.map((node) => ({ ...node, inputs: node.inputs.map(put) })), results: body.outputs.map(({ value }) => put(value)) };
}

function missing(formal: Input): never {
  throw internal(`a call has no value for ${formal.name}`);
}

function presented({ name, attrs, body, inputs, outputs, scope }: CallNode, { form, domain, names }: CustomOps): FunctionNode {
  const params = paramsOf(body);
  const all = [...inputs, ...params];
  if (form === 'opaque') return { kind: 'function', name: names[name] ?? name, domain, attrs, inputs: all, outputs, scope };
  return { kind: 'function', name, domain, attrs: {}, body: lifted(body, params), inputs: all, outputs, scope };
}

/** The body with its parameters as further inputs. */
function lifted(body: Graph, params: readonly Param[]): Graph {
  const extra = params.map(({ dtype, shape }, i): Input => ({ kind: 'input', name: `p${i}`, dtype, shape }));
  const formal = new Map<Value, Value>(params.map((param, i) => [param, extra[i]!]));
  const put = (value: Value): Value => formal.get(value) ?? value;
  return {
    inputs: [...body.inputs, ...extra],
    outputs: body.outputs.map((output) => ({ ...output, value: put(output.value) })),
    nodes: body.nodes.map((node) => ({ ...node, inputs: node.inputs.map(put) })),
  };
}
