/** What two ONNX files differ in, without running them. Either may come from any exporter. */
import { layersOf, type FileLayer } from './layers.js';
import { elementsOf, type FileModel, type FileNode, type FilePort } from './model.js';
import { weightsDiff, type WeightsDiff } from './diff-weights.js';

/** One thing on both sides; undefined where a side has none. */
export interface Pair<T> {
  readonly a?: T;
  readonly b?: T;
}

export interface StructureDiff {
  /** Producer, opset, IR version, domains, functions: those that differ. */
  readonly header: readonly (Pair<string> & { readonly field: string })[];
  /** Metadata keys whose values differ. */
  readonly metadata: readonly (Pair<string> & { readonly key: string })[];
  /** By order. */
  readonly inputs: readonly PortPair[];
  readonly outputs: readonly PortPair[];
  readonly nodes: Required<Pair<number>>;
  /** All operators, `domain::Name` where not ONNX's own. */
  readonly operators: readonly (Required<Pair<number>> & { readonly op: string })[];
  /** By the row of the yaml, or by name where the model is a lone module. */
  readonly layers: readonly LayerPair[];
  readonly weights: WeightsDiff;
}

export interface PortPair extends Pair<FilePort> {
  readonly equal: boolean;
}

export interface LayerSize {
  readonly nodes: number;
  /** Elements of floating-point weights that this layer reads first. */
  readonly parameters: number;
}

export interface LayerPair extends Pair<LayerSize> {
  readonly layer: string;
}

export function structureDiff(a: FileModel, b: FileModel): StructureDiff {
  return {
    header: headerDiff(a, b),
    metadata: recordsDiff(a.metadata, b.metadata).map(({ key, ...sides }) => ({ key, ...sides })),
    inputs: portPairs(a.inputs, b.inputs),
    outputs: portPairs(a.outputs, b.outputs),
    nodes: { a: a.nodes.length, b: b.nodes.length },
    operators: operatorPairs(a.nodes, b.nodes),
    layers: layerPairs(a, b),
    weights: weightsDiff(a, b),
  };
}

function headerDiff(a: FileModel, b: FileModel): StructureDiff['header'] {
  return recordsDiff(headerOf(a), headerOf(b)).map(({ key, ...sides }) => ({ field: key, ...sides }));
}

function headerOf({ producer, opset, irVersion, domains, functions }: FileModel): Record<string, string> {
  const others = Object.entries(domains).map(([domain, version]) => `${domain} ${version}`).sort().join(', ');
  return { producer, 'opset': String(opset), 'IR version': String(irVersion), 'domains': others, 'functions': [...functions].sort().join(', ') };
}

function recordsDiff(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): (Pair<string> & { readonly key: string })[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.filter((key) => a[key] !== b[key]).map((key) => ({ key, ...sides(a[key], b[key]) }));
}

/** Without the keys of a side that has none. */
const sides = <T>(a: T | undefined, b: T | undefined): Pair<T> => ({ ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) });

function portPairs(a: readonly FilePort[], b: readonly FilePort[]): PortPair[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => ({ ...sides(a[i], b[i]), equal: samePort(a[i], b[i]) }));
}

/** Open sizes are the same whatever they are called. */
function samePort(a: FilePort | undefined, b: FilePort | undefined): boolean {
  const text = ({ name, dtype, shape }: FilePort): string => JSON.stringify([name, dtype, shape.map((size) => (typeof size === 'number' ? size : '?'))]);
  return a !== undefined && b !== undefined && text(a) === text(b);
}

function operatorPairs(a: readonly FileNode[], b: readonly FileNode[]): StructureDiff['operators'] {
  const [ofA, ofB] = [counted(a), counted(b)];
  const ops = [...new Set([...ofA.keys(), ...ofB.keys()])].sort();
  return ops.map((op) => ({ op, a: ofA.get(op) ?? 0, b: ofB.get(op) ?? 0 }));
}

function counted(nodes: readonly FileNode[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { domain, op } of nodes) {
    const key = domain === '' ? op : `${domain}::${op}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function layerPairs(a: FileModel, b: FileModel): LayerPair[] {
  const [ofA, ofB] = [layerSizes(a), layerSizes(b)];
  // In a's order; what only b has comes where its number says, or last.
  const names = [...new Set([...ofA.keys(), ...ofB.keys()])];
  const order = (name: string): number => Number(/^model\.(\d+)$/.exec(name)?.[1] ?? Infinity);
  const places = new Map(names.map((name, i) => [name, i]));
  names.sort((x, y) => (order(x) === order(y) ? places.get(x)! - places.get(y)! : order(x) - order(y)));
  return names.map((layer) => ({ layer, ...sides(ofA.get(layer), ofB.get(layer)) }));
}

function layerSizes(model: FileModel): Map<string, LayerSize> {
  const read = new Set<string>();
  return new Map(layersOf(model).map((layer) => [layer.name, { nodes: layer.nodes.length, parameters: parametersOf(layer, model, read) }]));
}

function parametersOf({ nodes }: FileLayer, { tensors }: FileModel, read: Set<string>): number {
  let sum = 0;
  for (const name of nodes.flatMap(({ inputs }) => inputs)) {
    const tensor = tensors.get(name);
    if (!tensor || tensor.constant || read.has(name) || !/^b?float/.test(tensor.dtype)) continue;
    read.add(name);
    sum += elementsOf(tensor.shape);
  }
  return sum;
}
