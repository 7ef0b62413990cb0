import type { DType, Graph, Input, Node, OpNode, Output, Result, Value } from '../../compiler/ir/graph.js';
import type { OpName } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';

/**
 * Float16 weights and arithmetic, with Casts where the precision changes:
 *
 *     positions (what Range, Size and tensors that are not trained flow into)  stay float32 up to the output,
 *         or up to where they become weights or features (Softmax, Sigmoid, Tanh, sampling)
 *     Softmax, normalizations and sampling                                     compute in float32
 *     everything else                                                          computes in float16
 *
 * A float16 has 11 bits: a position of 640 pixels would be known to half a pixel, sums of squares overflow at 65504.
 * Inputs and outputs stay float32, unless they are asked for in float16 as well. Calls compute in float32.
 */
export const toHalf: Pass = {
  name: 'to-half',
  doc: 'Float16 weights and arithmetic where asked for; positions, softmax and normalizations stay float32.',
  scope: 'top',
  required: true,
  run: (graph, { half = 'none' }) => (half === 'none' ? graph : new Conversion(graph, half === 'io').run()),
};

const FULL: ReadonlySet<OpName> = new Set(['Softmax', 'LayerNormalization', 'GroupNormalization', 'InstanceNormalization', 'BatchNormalization', 'GridSample'] as const);
const SIZES: ReadonlySet<OpName> = new Set(['Range', 'Size'] as const);
/** Where positions end: what comes out is a weight, or a feature found at a position. */
const ENDS: ReadonlySet<OpName> = new Set(['Softmax', 'Sigmoid', 'Tanh', 'GridSample'] as const);

/** What decides a node's precision and carries positions on: the indices of Gather do not. */
const carriers = ({ op, inputs }: OpNode): readonly Value[] => (op === 'Gather' ? inputs.slice(0, 1) : inputs);

class Conversion {
  private readonly nodes: Node[] = [];
  /** What a value of the graph has become, in the precision in which it was made. */
  private readonly made = new Map<Value, Value>();
  private readonly casts = new Map<Value, Value>();
  /** Values that carry positions: their readers stay float32. */
  private readonly positions = new Set<Value>();

  constructor(
    private readonly graph: Graph,
    private readonly halfIo: boolean,
  ) {}

  run(): Graph {
    const inputs = this.graph.inputs.map((input) => this.input(input));
    for (const node of this.graph.nodes) this.convert(node);
    const outputs = this.graph.outputs.map((output): Output => ({ ...output, value: this.as(output.value, this.halfIo ? 'float16' : 'float32', '') }));
    return { inputs, outputs, nodes: this.nodes };
  }

  private input(input: Input): Input {
    const converted: Input = this.halfIo && input.dtype === 'float32' ? { ...input, dtype: 'float16' } : input;
    this.made.set(input, converted);
    return converted;
  }

  private convert(node: Node): void {
    const positions = node.kind === 'op' && (SIZES.has(node.op) || carriers(node).some((value) => this.positions.has(value) || (value.kind === 'param' && value.kept)));
    const carried = positions && !ENDS.has(node.op);
    const full = positions || node.kind !== 'op' || FULL.has(node.op);
    // A Cast takes any precision and gives the one that it names.
    const cast = node.kind === 'op' && node.op === 'Cast';
    const inputs = node.inputs.map((value) => (cast ? (this.made.get(value) ?? value) : this.as(value, full ? 'float32' : 'float16', node.scope)));
    const outputs = node.outputs.map((value): Result => ({ ...value, dtype: value.dtype === 'float32' && !full && !cast ? 'float16' : value.dtype }));
    node.outputs.forEach((value, i) => {
      this.made.set(value, outputs[i]!);
      if (carried) this.positions.add(value);
    });
    this.nodes.push({ ...node, inputs, outputs });
  }

  /** The value in a precision: tensors of the file are stored in it, all else is cast once. */
  private as(value: Value, dtype: DType, scope: string): Value {
    const current = this.made.get(value) ?? value;
    if (current.dtype === dtype || (current.dtype !== 'float32' && current.dtype !== 'float16')) return current;
    const known = this.casts.get(current);
    if (known) return known;
    const converted: Value = current.kind === 'param' ? { ...current, dtype } : { kind: 'result', dtype, shape: current.shape };
    this.casts.set(current, converted);
    if (converted.kind === 'result') this.nodes.push({ kind: 'op', op: 'Cast', attrs: { to: dtype }, inputs: [current], outputs: [converted], scope, leaf: false });
    return converted;
  }
}
