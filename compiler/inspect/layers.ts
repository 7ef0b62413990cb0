/**
 * Which layer of the yaml each node of a file belongs to. Exporters keep it in names: ours and TorchScript's in those of
 * nodes (`model.3.cv1.conv/Conv`, `/model.3/cv1/conv/Conv`), dynamo's in those of the weights that nodes read. A node
 * without either belongs to the latest layer that it reads from.
 */
import type { FileModel, FileNode } from './model.js';

export interface FileLayer {
  /** `model.3`; in a lone module the first part of its nodes' names, '' where they have none. */
  readonly name: string;
  /** Of the yaml's row; undefined in a lone module. */
  readonly index?: number;
  readonly nodes: readonly FileNode[];
  /** Values of it that other layers read, or that are outputs of the graph. */
  readonly results: readonly string[];
}

const LAYER = /(?:^|[/.])model\.(\d{1,5})(?=[./]|$)/;

/** In order of their rows, or of their first nodes. */
export function layersOf(model: FileModel): readonly FileLayer[] {
  const indices = indicesOf(model);
  const whole = [...indices.values()].some((index) => index !== undefined);
  const keyOf = (node: FileNode): string => (whole ? `model.${indices.get(node) ?? 0}` : scopeOf(node.name));
  const groups = new Map<string, FileNode[]>();
  for (const node of model.nodes) {
    const key = keyOf(node);
    const group = groups.get(key);
    if (group) group.push(node);
    else groups.set(key, [node]);
  }
  const results = resultsOf(model, keyOf);
  const layers = [...groups].map(([name, nodes]) => ({ name, ...(whole ? { index: Number(name.slice('model.'.length)) } : {}), nodes, results: results.get(name) ?? [] }));
  return whole ? layers.sort((a, b) => a.index! - b.index!) : layers;
}

function indicesOf({ nodes, tensors }: FileModel): ReadonlyMap<FileNode, number | undefined> {
  const makers = new Map<string, number>();
  const indices = new Map<FileNode, number | undefined>();
  for (const node of nodes) {
    const index = indexIn(node.name) ?? latest(node.inputs.filter((name) => tensors.has(name)).map(indexIn)) ?? latest(node.outputs.map(indexIn)) ?? latest(node.inputs.map((name) => makers.get(name)));
    indices.set(node, index);
    if (index !== undefined) for (const name of node.outputs) makers.set(name, index);
  }
  return indices;
}

function indexIn(name: string): number | undefined {
  const match = LAYER.exec(name);
  return match ? Number(match[1]) : undefined;
}

function latest(indices: readonly (number | undefined)[]): number | undefined {
  // A node may have more inputs than a call takes arguments.
  return indices.reduce((last, index) => (last === undefined || (index ?? -1) > last ? index : last), undefined);
}

/** `l1/Gemm` → `l1`; `Mul` → ''. */
function scopeOf(name: string): string {
  const parts = name.split(/[/.]/).filter((part) => part !== '');
  return parts.length > 1 ? parts[0]! : '';
}

function resultsOf({ nodes, outputs }: FileModel, keyOf: (node: FileNode) => string): ReadonlyMap<string, readonly string[]> {
  const makers = new Map<string, string>();
  const results = new Map<string, Set<string>>();
  for (const node of nodes) for (const name of node.outputs) makers.set(name, keyOf(node));
  const read = (name: string, reader?: string): void => {
    const maker = makers.get(name);
    if (maker === undefined || maker === reader) return;
    const known = results.get(maker);
    if (known) known.add(name);
    else results.set(maker, new Set([name]));
  };
  for (const node of nodes) for (const name of node.inputs) read(name, keyOf(node));
  for (const { name } of outputs) read(name);
  return new Map([...results].map(([key, names]) => [key, [...names]]));
}
