/**
 * The graph IR. A node is an ONNX operator or a call: one use of a custom operator with its traced body. The same
 * types hold before and after lowering, and passes are functions from graph to graph. Values are compared by
 * identity; parameters and constants stand directly in the inputs of the nodes that read them.
 */
import type { AttrsOf, OpName } from '../onnx/operators/index.js';
import type { Extent, Shape } from './extent.js';

export type DType = 'float32' | 'float16' | 'int64' | 'bool';

export interface TensorType<S extends Shape = Shape> {
  readonly dtype: DType;
  readonly shape: S;
}

/** Fills `into` with the elements [at, at + into.length) of the flattened tensor, row-major. */
export type Read = (into: Float32Array, at: number) => void;

/** A graph input. */
export interface Input<S extends Shape = Shape> extends TensorType<S> {
  readonly kind: 'input';
  readonly name: string;
  /** What open dimensions are called in the file (`batch`, `height`), by axis. */
  readonly axes?: readonly string[];
}

/** An output of a node. */
export interface Result<S extends Shape = Shape> extends TensorType<S> {
  readonly kind: 'result';
}

/** A tensor of the state_dict, or one that a pass made of such. Never held in memory: `read` fills chunks. */
export interface Param<S extends Shape = Shape> extends TensorType<S> {
  readonly kind: 'param';
  /** PyTorch's state_dict key (`model.9.l1.weight`). */
  readonly key: string;
  /** Not trained (anchors, DFL's weights): as good as a constant for folding. */
  readonly kept: boolean;
  readonly read: Read;
}

const views = new WeakMap<Param, Map<string, Param>>();

/** The same numbers with another shape. Asked for twice it is the same value, so that a file holds it once. */
export function viewOf<S extends Shape>(param: Param, shape: S): Param<S> {
  const made = views.get(param) ?? new Map<string, Param>();
  views.set(param, made);
  const key = shape.map(String).join();
  const view = made.get(key) ?? { ...param, shape };
  made.set(key, view);
  return view as Param<S>;
}

/** A small tensor known when compiling: grids, anchors, scalars. */
export interface Constant<S extends Shape = Shape> extends TensorType<S> {
  readonly kind: 'constant';
  readonly data: ArrayLike<number>;
}

export type Value<S extends Shape = Shape> = Input<S> | Result<S> | Param<S> | Constant<S>;

/** [batch, channels, height, width]: the number of channels is always known. */
export type FeatureMap = Value<readonly [Extent, number, Extent, Extent]>;

export type OpNode = {
  readonly [K in OpName]: {
    readonly kind: 'op';
    readonly op: K;
    readonly attrs: AttrsOf<K>;
    readonly inputs: readonly Value[];
    readonly outputs: readonly Result[];
    /** PyTorch's module path (`model.9.cv1.conv`): names nodes, groups them in pictures and counts. */
    readonly scope: string;
    /** Whether an nn.Module of PyTorch computes exactly this node (it is then counted as that module). */
    readonly leaf: boolean;
  };
}[OpName];

/** One use of a custom operator. Its body's inputs stand for the call's inputs, in order. */
export interface CallNode {
  readonly kind: 'call';
  /** The operator's name, such as `Sqrtm`. */
  readonly name: string;
  /** Attributes of the opaque form. */
  readonly attrs: Readonly<Record<string, number | string>>;
  readonly body: Graph;
  /** Multiply-adds of the definition in PyTorch that the body does without: summaries print what the packages count. */
  readonly spared?: (inputs: readonly Value[]) => number;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Result[];
  readonly scope: string;
}

/** One use of a model-local function; made by `lower-calls` from a call. */
export interface FunctionNode {
  readonly kind: 'function';
  readonly name: string;
  readonly domain: string;
  readonly attrs: Readonly<Record<string, number | string>>;
  /** Its body; parameters have become inputs. Absent in the opaque form. */
  readonly body?: Graph;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Result[];
  readonly scope: string;
}

export type Node = OpNode | CallNode | FunctionNode;

/**
 * How an output holds boxes: `scores` [batch, 4 + nc, anchors], `objectness` [batch, anchors, 5 + nc], both with cx, cy,
 * w, h first and class probabilities last; `rows` [batch, anchors, 6] with x1, y1, x2, y2, score and class.
 */
export type Boxes = 'scores' | 'objectness' | 'rows';

export interface Output {
  readonly name: string;
  readonly value: Value;
  readonly axes?: readonly string[];
  /** Absent where it holds no boxes, or more than those. */
  readonly boxes?: Boxes;
  /** The layout, for the output's documentation string. */
  readonly doc?: string;
}

export interface Graph {
  readonly inputs: readonly Input[];
  readonly outputs: readonly Output[];
  /** In an order in which every value is made before it is read. */
  readonly nodes: readonly Node[];
}

/** A graph's parameters in the order in which nodes first read them, those of bodies included. */
export function paramsOf(graph: Graph): Param[] {
  const params = new Set<Param>();
  const visit = ({ nodes, outputs }: Graph): void => {
    for (const node of nodes) {
      for (const value of node.inputs) if (value.kind === 'param') params.add(value);
      if (node.kind === 'call') visit(node.body);
    }
    for (const { value } of outputs) if (value.kind === 'param') params.add(value);
  };
  visit(graph);
  return [...params];
}

/** Who reads each value: nodes, and the graph's outputs. */
export function readersOf(graph: Graph): Map<Value, (Node | 'output')[]> {
  const readers = new Map<Value, (Node | 'output')[]>();
  const add = (value: Value, reader: Node | 'output'): void => {
    const known = readers.get(value);
    if (known) known.push(reader);
    else readers.set(value, [reader]);
  };
  for (const node of graph.nodes) for (const value of node.inputs) add(value, node);
  for (const { value } of graph.outputs) add(value, 'output');
  return readers;
}
