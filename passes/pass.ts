/** What a pass is, and the runner that checks the graph after each one. */
import { Problem, internal } from '../compiler/errors.js';
import { check } from '../compiler/ir/check.js';
import type { Graph, Node } from '../compiler/ir/graph.js';
import type { OpName } from '../compiler/onnx/operators/index.js';

export interface PassContext {
  readonly opset: number;
  readonly customOps: CustomOps;
  /** Operators that the runtime lacks, whatever the opset has. */
  readonly lacks?: readonly OpName[];
  /** `compute`: float16 weights and arithmetic; `io`: inputs and outputs too. */
  readonly half?: 'none' | 'compute' | 'io';
}

export interface CustomOps {
  readonly form: 'inline' | 'function' | 'opaque';
  readonly domain: string;
  /** Other names for the opaque form, such as a TensorRT plugin's. */
  readonly names: Readonly<Record<string, string>>;
}

export interface Pass {
  readonly name: string;
  /** One sentence for `show --after` and the documentation. */
  readonly doc: string;
  /** `every-graph` passes run in the bodies of calls first, then in the graph; `top` passes run once. */
  readonly scope: 'every-graph' | 'top';
  /** Runs even when passes are switched off: without it the graph is not ONNX. */
  readonly required?: boolean;
  /** Runs only where the target or the user asks for it: not every runtime gains from it. */
  readonly optional?: boolean;
  /** Its outputs are other numbers than PyTorch's, which goldens hold. */
  readonly ownOutputs?: boolean;
  /** Why the graph cannot be what those who ask for the pass expect: what `run` would leave as it is. */
  refusal?(graph: Graph, context: PassContext): string | undefined;
  run(graph: Graph, context: PassContext): Graph;
}

export interface PassReport {
  readonly pass: Pass;
  readonly before: Graph;
  readonly after: Graph;
  readonly milliseconds: number;
}

/** Runs passes in order; the graph is checked after each, and a pass that breaks it is blamed by name. */
export function runPasses(graph: Graph, passes: readonly Pass[], context: PassContext, onPass?: (report: PassReport) => void): Graph {
  let current = graph;
  const typed = new WeakSet<Node>();
  for (const pass of passes) {
    const start = onPass ? performance.now() : 0;
    const after = apply(current, pass, context);
    try {
      // What a pass leaves as it is was checked before.
      if (after !== current || pass === passes[0]) check(after, typed);
      if (after !== current && !pass.ownOutputs && context.half !== 'io') checkOutputs(current, after);
    } catch (error) {
      throw internal(`pass ${pass.name} broke the graph: ${error instanceof Problem ? error.message : String(error)}`);
    }
    onPass?.({ pass, before: current, after, milliseconds: performance.now() - start });
    current = after;
  }
  return current;
}

/** A pass changes how outputs are computed, not what they are. */
function checkOutputs(before: Graph, after: Graph): void {
  after.outputs.forEach(({ name, value }, i) => {
    const { dtype, shape } = before.outputs[i]!.value;
    if (value.dtype !== dtype || value.shape.length !== shape.length || value.shape.some((extent, axis) => extent !== shape[axis])) throw internal(`output ${name} has another type than before`);
  });
}

function apply(graph: Graph, pass: Pass, context: PassContext): Graph {
  if (pass.scope === 'top' || !graph.nodes.some(({ kind }) => kind === 'call')) return pass.run(graph, context);
  const nodes = graph.nodes.map((node) => (node.kind === 'call' ? { ...node, body: apply(node.body, pass, context) } : node));
  return pass.run({ ...graph, nodes }, context);
}
