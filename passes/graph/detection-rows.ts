import type { Boxes, Graph, Node, Output, Value } from '../../compiler/ir/graph.js';
import type { AttrsOf, OpName } from '../../compiler/onnx/operators/index.js';
import type { Pass } from '../pass.js';
import { isOp, opNode } from '../rewrite.js';
import { withoutDead } from './drop-dead.js';

/**
 * Boxes as NvDsInferParseYolo of marcoslucianops/DeepStream-Yolo reads them (nvdsparsebbox_Yolo.cpp), computed as its
 * exports do (utils/export_yolo11.py, export_yoloV5.py):
 *
 *     [batch, 4 + nc, anchors] or [batch, anchors, 5 + nc]  →  [batch, anchors, 6] = x1, y1, x2, y2, score, class
 *     x1, y1 = (cx, cy) − (w, h) / 2,  x2, y2 = (cx, cy) + (w, h) / 2
 *     score = max p, times the objectness where there is one,  class = the first p that is the maximum
 *
 * The maximum is taken where the classes lie, so that 6 rows are transposed instead of 4 + nc. The graph's input and
 * output are called `input` and `output`, as there. All boxes stay: which of those that overlap are dropped is nvinfer's
 * to say (cluster-mode). Refused: masks and keypoints, which have no place in a row; several outputs; float16 outputs.
 */
export const detectionRows: Pass = {
  name: 'detection-rows',
  doc: 'Gives boxes as rows of corners, score and class, which DeepStream reads.',
  scope: 'top',
  optional: true,
  ownOutputs: true,
  refusal(graph, { half }) {
    if (!boxesOf(graph)) return `takes detection models, whose one output is boxes with their classes, not ${graph.outputs.map(described).join(' and ')}`;
    return half === 'io' ? 'gives its output in float32, and --half-io asks for float16: use --half' : undefined;
  },
  run(graph) {
    const output = boxesOf(graph);
    const layout = output && LAYOUTS[output.boxes];
    return layout ? withInput(withoutDead(withRows(graph, output, layout))) : graph;
  },
};

/** The one output, where it is boxes. */
function boxesOf({ outputs: [output, ...more] }: Graph): (Output & { readonly boxes: Boxes }) | undefined {
  return output?.boxes && more.length === 0 ? { ...output, boxes: output.boxes } : undefined;
}

/** `output0 [batch, 4 + nc + masks, anchors]` */
const described = ({ name, doc }: Output): string => (doc === undefined ? name : `${name} ${doc.split(':')[0]!}`);

interface Layout {
  /** Along which the values of a box lie. */
  readonly axis: 1 | 2;
  /** Whether a value before the classes multiplies their scores. */
  readonly objectness: boolean;
}

const LAYOUTS: Readonly<Partial<Record<Boxes, Layout>>> = { scores: { axis: 1, objectness: false }, objectness: { axis: 2, objectness: true } };

function withRows(graph: Graph, { value }: Output, { axis, objectness }: Layout): Graph {
  const maker = graph.nodes.find(({ outputs }) => outputs.some((made) => made === value));
  const nodes = [...graph.nodes];
  const record = <K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>): readonly Value[] => {
    const node = opNode(op, inputs, attrs, maker?.scope ?? '');
    nodes.push(node);
    return node.outputs;
  };
  const add = <K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>): Value => record(op, inputs, attrs)[0]!;

  const size = value.shape[axis] as number;
  const sizes = [2, 2, size - 4];
  const [middle, extent, rest] = (joinedIn(maker, axis, sizes) ?? record('Split', [value], { axis, sizes })) as readonly [Value, Value, Value];
  const [object, classes] = objectness ? (record('Split', [rest], { axis, sizes: [1, size - 5] }) as readonly [Value, Value]) : [undefined, rest];
  const half = add('Mul', [extent, { kind: 'constant', dtype: 'float32', shape: [], data: [0.5] }], {});
  const corners = [add('Sub', [middle, half], {}), add('Add', [middle, half], {})];
  const best = add('ReduceMax', [classes], { axes: [axis], keepdims: true });
  const score = object ? add('Mul', [best, object], {}) : best;
  const number = add('Cast', [add('ArgMax', [classes], { axis, keepdims: true })], { to: 'float32' });
  const joined = add('Concat', [...corners, score, number], { axis });
  const rows = axis === 2 ? joined : add('Transpose', [joined], { perm: [0, 2, 1] });

  const doc = '[batch, anchors, 6]: x1, y1, x2, y2 in pixels of the input, score, class number; boxes overlap';
  return { ...graph, nodes, outputs: [{ name: 'output', value: rows, axes: ['batch', 'anchors', 'values'], boxes: 'rows', doc }] };
}

/** What a Concat of parts of these sizes joins. */
function joinedIn(node: Node | undefined, axis: number, sizes: readonly number[]): readonly Value[] | undefined {
  const fits = isOp(node, 'Concat') && node.attrs.axis === axis && node.inputs.length === sizes.length && node.inputs.every(({ shape }, i) => shape[axis] === sizes[i]);
  return fits ? node.inputs : undefined;
}

/** The image under the name that the parser's exports give it. */
function withInput({ inputs: [image, ...others], outputs, nodes }: Graph): Graph {
  if (!image) return { inputs: [], outputs, nodes };
  const input = { ...image, name: 'input' };
  const put = (value: Value): Value => (value === image ? input : value);
  return { inputs: [input, ...others], outputs, nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(put) })) };
}
