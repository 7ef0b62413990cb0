/** A model's nodes and values by what refers to them, and what its graph's boxes are called. */
import type { ReportLayer, ReportModel, ReportNode, ReportPort } from '../data.js';

/** A box of the picture: `layer-3`, `node-45`, `input-0`, `output-0`. */
export type BoxId = `${'layer' | 'node' | 'input' | 'output'}-${number}`;

export interface GraphIndex {
  readonly model: ReportModel;
  /** Those of the model, then one for nodes that name none of them. */
  readonly layers: readonly ReportLayer[];
  /** Indices of each layer's nodes. */
  readonly nodesOf: readonly (readonly number[])[];
  /** The node or graph input that makes a value; initializers have none. */
  readonly makerOf: ReadonlyMap<string, BoxId>;
  /** The nodes and graph outputs that read a value. */
  readonly readersOf: ReadonlyMap<string, readonly BoxId[]>;
}

const REST: ReportLayer = { name: 'other nodes', parameters: 0, gflops: 0, milliseconds: null, nodes: 0, shapes: [], range: null, notFinite: 0 };

export function indexGraph(model: ReportModel): GraphIndex {
  const nodesOf: number[][] = model.layers.map(() => []);
  const rest: number[] = [];
  const makerOf = new Map<string, BoxId>(model.inputs.map(({ name }, i) => [name, `input-${i}`]));
  const readersOf = new Map<string, BoxId[]>();
  const read = (value: string, reader: BoxId): void => {
    if (value === '') return;
    const readers = readersOf.get(value);
    if (readers) readers.push(reader);
    else readersOf.set(value, [reader]);
  };
  model.nodes.forEach(({ layer, inputs, outputs }, i) => {
    (nodesOf[layer] ?? rest).push(i);
    for (const value of new Set(inputs)) read(value, `node-${i}`);
    for (const value of outputs) if (value !== '') makerOf.set(value, `node-${i}`);
  });
  model.outputs.forEach(({ name }, i) => read(name, `output-${i}`));
  const layers = rest.length > 0 ? [...model.layers, { ...REST, nodes: rest.length }] : model.layers;
  return { model, layers, nodesOf: rest.length > 0 ? [...nodesOf, rest] : nodesOf, makerOf, readersOf };
}

export const numberOf = (id: BoxId): number => Number(id.slice(id.indexOf('-') + 1));

/** The layer that a box is, or is in; undefined for the graph's inputs and outputs. */
export function layerOf({ model, layers }: GraphIndex, id: BoxId): number | undefined {
  if (id.startsWith('layer-')) return numberOf(id);
  if (!id.startsWith('node-')) return undefined;
  const { layer } = model.nodes[numberOf(id)]!;
  return layer >= 0 && layer < model.layers.length ? layer : layers.length - 1;
}

/** The box that stands for `id` while only the layers in `open` are open. */
export function shownAs(graph: GraphIndex, id: BoxId, open: ReadonlySet<number>): BoxId {
  const layer = layerOf(graph, id);
  return layer === undefined || open.has(layer) ? id : `layer-${layer}`;
}

/** How many boxes are drawn. */
export const boxesDrawn = ({ model, nodesOf }: GraphIndex, open: ReadonlySet<number>): number =>
  nodesOf.reduce((sum, nodes, layer) => sum + (open.has(layer) ? nodes.length : Math.min(1, nodes.length)), model.inputs.length + model.outputs.length);

export const portOf = ({ model }: GraphIndex, id: BoxId): ReportPort | undefined => (id.startsWith('input-') ? model.inputs : model.outputs)[numberOf(id)];

/** What a box is called, for readers of screens and lists. */
export function titleOf(graph: GraphIndex, id: BoxId): string {
  if (id.startsWith('node-')) return nodeTitle(graph.model.nodes[numberOf(id)]!);
  if (id.startsWith('layer-')) return layerTitle(graph.layers[numberOf(id)]!);
  return `graph ${id.startsWith('input-') ? 'input' : 'output'} ${portOf(graph, id)?.name ?? ''}`;
}

const nodeTitle = ({ op, name }: ReportNode): string => `${op} ${name}`;

export const layerTitle = ({ name, module }: ReportLayer): string => (module === undefined ? name : `${name} ${module}`);
