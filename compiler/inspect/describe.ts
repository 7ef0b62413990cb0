/** Describes the file that ran, for a report: its layers, nodes and values, in the sizes and numbers that it ran with. */
import type { Kernel, Ran, Statistics } from '../runner.js';
import type { ReportLayer, ReportModel, ReportNode, ReportValue } from '../report.js';
import { macsOf } from './costs.js';
import { layersOf, type FileLayer } from './layers.js';
import { elementsOf, type FileModel, type FileNode } from './model.js';

/** A yaml's row. */
export interface Row {
  readonly index: number;
  readonly from: number | readonly number[];
  readonly module: string;
  readonly args: string;
}

export interface Sources {
  readonly model: FileModel;
  /** As users run it: with the runtime's own optimizer. */
  readonly ran: Ran;
  /** Every node as the file has it, without that optimizer. */
  readonly plain: readonly Kernel[];
  /** Of the results of layers. */
  readonly statistics: ReadonlyMap<string, Statistics>;
  /** Of a lone module: the one, without an index. */
  readonly rows: readonly Row[];
  /** Shapes of the inputs that it ran with. */
  readonly inputs: ReadonlyMap<string, readonly number[]>;
}

type Described = Pick<ReportModel, 'producer' | 'opset' | 'irVersion' | 'inputs' | 'outputs' | 'parameters' | 'gflops' | 'layers' | 'nodes' | 'values'>;

export function describeModel(sources: Sources): Described {
  const { model, plain, ran } = sources;
  const { producer, opset, irVersion, inputs, outputs } = model;
  const layers = withRows(layersOf(model), sources.rows);
  const owners = new Owners(layers);
  const costs = layers.map(() => 0);
  for (const kernel of plain) {
    const { layer, node } = owners.of(kernel.name);
    if (layer !== undefined) costs[layer]! += macsOf(kernel, node?.attributes.some(({ name, integer }) => name === 'transA' && integer === 1));
  }
  const times = layers.map((): number | null => null);
  const kernels = new Map<FileNode, Kernel>();
  for (const kernel of ran.kernels) {
    const { layer, node } = owners.of(kernel.name);
    if (layer !== undefined) times[layer] = (times[layer] ?? 0) + kernel.milliseconds;
    if (node) kernels.set(node, { ...kernel, milliseconds: kernel.milliseconds + (kernels.get(node)?.milliseconds ?? 0) });
  }
  const initializers = [...model.tensors.values()].filter(({ constant }) => !constant);
  return {
    producer, opset, irVersion, inputs, outputs,
    parameters: initializers.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    gflops: (2 * costs.reduce((sum, macs) => sum + macs, 0)) / 1e9,
    layers: layers.map((layer, i) => layerOf(layer, costs[i]!, times[i]!, sources)),
    nodes: nodesOf(layers, sources.model, kernels),
    values: valuesOf(sources),
  };
}

/** Rows of the yaml that passes have left nothing of, such as a Concat, are layers without nodes. */
function withRows(layers: readonly FileLayer[], rows: readonly Row[]): readonly FileLayer[] {
  if (layers.every(({ index }) => index === undefined)) return layers;
  const known = new Set(layers.map(({ index }) => index));
  const empty = rows.filter(({ index }) => !known.has(index)).map(({ index }): FileLayer => ({ name: `model.${index}`, index, nodes: [], results: [] }));
  return [...layers, ...empty].sort((a, b) => a.index! - b.index!);
}

/** Which layer and node a kernel belongs to: by its name, or the start of it where the runtime made it of that node. */
class Owners {
  private readonly nodes = new Map<string, { readonly layer: number; readonly node: FileNode }>();
  private readonly rows = new Map<number, number>();

  constructor(layers: readonly FileLayer[]) {
    layers.forEach(({ nodes, index }, layer) => {
      if (index !== undefined) this.rows.set(index, layer);
      for (const node of nodes) this.nodes.set(node.name, { layer, node });
    });
  }

  of(name: string): { readonly layer?: number | undefined; readonly node?: FileNode } {
    // `model.0.conv/Conv_nchwc`, `model.0/Mul/QuickGeluFusion/`
    for (let start = name; start !== ''; start = start.slice(0, Math.max(start.lastIndexOf('/'), start.lastIndexOf('_'), 0))) {
      const known = this.nodes.get(start);
      if (known) return known;
    }
    const row = /(?:^|[/.])model\.(\d{1,5})[./]/.exec(name)?.[1];
    return row === undefined ? {} : { layer: this.rows.get(Number(row)) };
  }
}

function layerOf({ name, index, nodes, results }: FileLayer, macs: number, milliseconds: number | null, { model, statistics, rows }: Sources): ReportLayer {
  const row = index === undefined ? (rows.length === 1 ? rows[0] : undefined) : rows.find((candidate) => candidate.index === index);
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const weights = [...read].flatMap((input) => model.tensors.get(input) ?? []).filter(({ constant }) => !constant);
  const all = results.flatMap((result) => statistics.get(result) ?? []);
  // Where sizes are open, some results are sizes.
  const maps = all.filter(({ type, shape }) => type.includes('float') && shape.length > 1);
  const known = maps.length > 0 ? maps : all;
  const ranges = known.flatMap(({ range }) => (range ? [range] : []));
  return {
    name,
    ...(index === undefined ? {} : { index }),
    ...(row ? { module: row.module, args: row.args, ...(index === undefined ? {} : { from: row.from }) } : {}),
    parameters: weights.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    gflops: (2 * macs) / 1e9,
    milliseconds,
    nodes: nodes.length,
    shapes: known.map(({ shape }) => shape),
    range: ranges.length === 0 ? null : ranges.reduce(([least, most], range) => [Math.min(least, range[0]), Math.max(most, range[1])]),
    notFinite: known.reduce((sum, { nan, infinite }) => sum + nan + infinite, 0),
  };
}

function nodesOf(layers: readonly FileLayer[], model: FileModel, kernels: ReadonlyMap<FileNode, Kernel>): ReportNode[] {
  const layerOfNode = new Map(layers.flatMap(({ nodes }, layer) => nodes.map((node) => [node, layer] as const)));
  return model.nodes.map((node) => {
    const kernel = kernels.get(node);
    return {
      name: node.name,
      op: node.op,
      ...(node.domain === '' ? {} : { domain: node.domain }),
      layer: layerOfNode.get(node) ?? 0,
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: node.attributes.map(({ name, text }) => [name, text] as const),
      ...(kernel ? { provider: kernel.provider, milliseconds: kernel.milliseconds } : {}),
    };
  });
}

/** onnxruntime's profile has C++ types. */
const TYPES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' };

function valuesOf({ model, plain, inputs }: Sources): Record<string, ReportValue> {
  const kernels = new Map(plain.map((kernel) => [kernel.name, kernel]));
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const values = new Map<string, ReportValue>();
  for (const { name, dtype } of model.inputs) values.set(name, { kind: 'input', dtype, ...(inputs.has(name) ? { shape: inputs.get(name)! } : {}) });
  for (const { name, dtype, shape } of model.tensors.values()) values.set(name, { kind: 'initializer', dtype, shape });
  for (const node of model.nodes) {
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      const result = kernels.get(node.name)?.outputs[i];
      values.set(name, { kind: outputs.has(name) ? 'output' : 'value', ...(result ? { dtype: TYPES[result.type] ?? result.type, shape: result.shape } : {}) });
    });
  }
  return Object.fromEntries(values);
}
