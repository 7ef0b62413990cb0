/** What Graphviz lays out: a box for each closed layer, a frame of node boxes for each open one. */
import type { Graph } from '@viz-js/viz';
import type { ReportNode } from '../data.js';
import { shape, short } from '../format.js';
import { layerTitle, numberOf, shownAs, type BoxId, type GraphIndex } from './index.js';

export interface Picture {
  readonly graph: Graph;
  /** Of the SVG element `edge-i`. */
  readonly edges: readonly Edge[];
}

export interface Edge {
  readonly from: BoxId;
  readonly to: BoxId;
}

/** Above it edges have no labels, and are drawn as lines that are quick to lay out. */
const LABELLED_EDGES = 500;

export function pictureOf(graph: GraphIndex, open: ReadonlySet<number>): Picture {
  const { model, layers, nodesOf } = graph;
  const edges = edgesOf(graph, open);
  const labelled = edges.length <= LABELLED_EDGES;
  const layerShape = (layer: number): string => (layers[layer]!.shapes.length > 0 ? layers[layer]!.shapes.slice(0, 2).map((sizes) => shape(sizes)).join(', ') : '');
  return {
    edges,
    graph: {
      graphAttributes: { rankdir: 'TB', bgcolor: 'transparent', fontname: 'Arial', fontsize: 14.5, nodesep: 0.3, ranksep: labelled ? 0.35 : 0.3, ...(labelled ? {} : { splines: 'polyline', nslimit: 2, nslimit1: 2, mclimit: 0.5 }) },
      nodeAttributes: { shape: 'box', style: 'rounded,filled', fontname: 'Arial', fontsize: 14.5, margin: '0.11,0.05', height: 0.3 },
      edgeAttributes: { fontname: 'Arial', fontsize: 12.5, arrowsize: 0.6 },
      nodes: [
        ...model.inputs.map((port, i) => box(`input-${i}`, [port.name, shape(port.shape)], 'port')),
        ...model.outputs.map((port, i) => box(`output-${i}`, [port.name, shape(port.shape)], 'port')),
        ...nodesOf.flatMap((nodes, layer) => {
          const { name, module } = layers[layer]!;
          return open.has(layer) || nodes.length === 0 ? [] : [box(`layer-${layer}`, [module ?? name, ...(module === undefined ? [] : [name]), layerShape(layer)], 'layer')];
        }),
      ],
      subgraphs: [...open].filter((layer) => (nodesOf[layer]?.length ?? 0) > 0).map((layer) => ({
        name: `cluster_${layer}`,
        graphAttributes: { label: labelOf([`▾ ${short(layerTitle(layers[layer]!), 40)}  ${layerShape(layer)}`], 100), labeljust: 'l', id: `layer-${layer}`, class: 'layer open', margin: 12, style: 'rounded' },
        nodes: nodesOf[layer]!.map((i) => box(`node-${i}`, nodeLines(model.nodes[i]!), kindOf(model.nodes[i]!.op))),
      })),
      edges: edges.map(({ from, to, values }, i) => ({
        tail: from,
        head: to,
        attributes: { id: `edge-${i}`, ...(labelled ? { label: labelOf([shapesOf(graph, from, values)]) } : {}) },
      })),
    },
  };
}

const box = (id: BoxId, lines: readonly string[], kind: string): { name: string; attributes: Record<string, string> } => ({ name: id, attributes: { id, label: labelOf(lines), class: kind } });

/** Graphviz reads backslashes and entities in labels; XML has no place for some characters. */
const labelOf = (lines: readonly string[], limit = 32): string =>
  lines.filter((line) => line !== '').map((line) => short(line, limit).replace(/[\ufffe\uffff\p{Cs}]/gu, '\ufffd').replaceAll('\\', '\\\\').replaceAll('&', '&amp;')).join('\n');

/** The operator, and of a convolution or a pool its kernel and stride. */
function nodeLines({ op, attributes }: ReportNode): string[] {
  const numbers = (name: string): string[] => attributes.find(([key]) => key === name)?.[1].match(/\d+/g) ?? [];
  const kernel = numbers('kernel_shape');
  const strides = numbers('strides');
  if (kernel.length === 0 || kernel.length > 3) return [op];
  return [`${op} ${kernel.join('×')}${strides.some((stride) => stride !== '1') ? `, stride ${strides[0]!}` : ''}`];
}

interface DrawnEdge extends Edge {
  readonly values: Set<string>;
}

/** Between boxes that are drawn, once for every pair. */
function edgesOf(graph: GraphIndex, open: ReadonlySet<number>): DrawnEdge[] {
  const edges = new Map<string, DrawnEdge>();
  for (const [value, maker] of graph.makerOf) {
    const from = shownAs(graph, maker, open);
    for (const reader of graph.readersOf.get(value) ?? []) {
      const to = shownAs(graph, reader, open);
      if (from === to) continue;
      const edge = edges.get(`${from} ${to}`) ?? { from, to, values: new Set<string>() };
      edge.values.add(value);
      edges.set(`${from} ${to}`, edge);
    }
  }
  return [...edges.values()];
}

/** Of the values on an edge; empty where the boxes say it already: a layer's one shape, a node that keeps its input's. */
function shapesOf({ model, layers }: GraphIndex, from: BoxId, names: ReadonlySet<string>): string {
  const shapeOf = (name: string | undefined): string => (name !== undefined && Object.hasOwn(model.values, name) && model.values[name]!.shape ? shape(model.values[name]!.shape) : '');
  const maker = numberOf(from);
  const known = from.startsWith('input-') ? '' : from.startsWith('node-') ? shapeOf(model.nodes[maker]!.inputs[0]) : layers[maker]!.shapes.length === 1 ? shape(layers[maker]!.shapes[0]) : '';
  const different = [...new Set([...names].map(shapeOf))].filter((text) => text !== '' && text !== known);
  return from.startsWith('input-') ? '' : different.length > 2 ? `${different.slice(0, 2).join(', ')}, …` : different.join(', ');
}

const KINDS: readonly (readonly [kind: string, ops: RegExp])[] = [
  ['weighted', /^(Q?Linear)?(Conv|Gemm|MatMul|LSTM|GRU|Einsum)/],
  ['moves', /^(Reshape|Transpose|Concat|Split|Slice|Gather|Scatter|Squeeze|Unsqueeze|Expand|Pad|Resize|Tile|Shape|Flatten|Identity|Cast|DepthToSpace|SpaceToDepth)/],
  ['activation', /(Sigmoid|Relu|Swish|Softmax|Softplus|Tanh|Clip|Elu|Erf|Mish|Gelu|Celu|Selu)$/],
  ['reduces', /(Pool|^Reduce|^ArgM|^TopK|NonMaxSuppression|Normalization)/],
];

const kindOf = (op: string): string => KINDS.find(([, ops]) => ops.test(op))?.[0] ?? 'computes';
