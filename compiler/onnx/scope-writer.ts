/**
 * Writes the nodes of one scope (the graph, or a function's body) as NodeProtos: names, spelling for the opset,
 * constants, and run-time sizes. A graph's constants become initializers, a function's become Constant nodes.
 */
import { internal } from '../errors.js';
import { isStatic, type Extent, type Shape } from '../ir/extent.js';
import type { Constant, DType, Graph, Node, OpNode, Param, TensorType, Value } from '../ir/graph.js';
import { rowOf } from './operators/index.js';
import { toHalf } from '../weights/float16.js';
import type { Attribute, Operand, Spelling } from './operators/row.js';
import type { Message, NodeProto } from './protobuf.js';
import { SizeWriter } from './sizes.js';

export const elemTypes: Readonly<Record<DType, number>> = { float32: 1, int64: 7, bool: 9, float16: 10 };
const attributeTypes = { float: 1, int: 2, text: 3, tensor: 4, floats: 6, ints: 7 } as const;

/** A tensor of the file: a parameter that is streamed, or a constant. */
export interface Initializer {
  readonly name: string;
  readonly value: Param | Constant;
}

/** Where function nodes find the functions they call. */
export interface FunctionTable {
  /** The name under which the file holds the body. */
  nameOf(domain: string, name: string, body: Graph): string;
}

/** Equal constants up to this many elements are stored once. */
const POOLED = 64;

const utf8 = new TextEncoder();

export class ScopeWriter {
  readonly nodes: NodeProto[] = [];
  readonly initializers: Initializer[] = [];
  private readonly names = new Map<Value, string>();
  private readonly used = new Set<string>();
  /** The number that the next namesake tries. */
  private readonly numbers = new Map<string, number>();
  private readonly pool = new Map<string, string>();
  private readonly sizes: SizeWriter;

  constructor(
    readonly opset: number,
    private readonly kind: 'graph' | 'function',
    private readonly functions: FunctionTable,
    inputs: readonly (TensorType & { readonly name: string } & Value)[],
  ) {
    for (const input of inputs) this.names.set(input, this.unique(input.name));
    this.sizes = new SizeWriter(this, inputs);
  }

  /** A name that nothing in this scope has yet. */
  unique(wanted: string): string {
    let name = wanted;
    let number = this.numbers.get(wanted) ?? 1;
    for (; this.used.has(name); number++) name = `${wanted}_${number}`;
    this.numbers.set(wanted, number);
    this.used.add(name);
    return name;
  }

  /** Fixes the name of a value before the node that makes it is written (graph outputs, function results). */
  reserve(value: Value, name: string): void {
    this.names.set(value, this.unique(name));
  }

  has(value: Value): boolean {
    return this.names.has(value);
  }

  nameOf(value: Value): string {
    const known = this.names.get(value);
    if (known !== undefined) return known;
    if (value.kind === 'constant') {
      const name = this.constant(value.dtype, value.shape as readonly number[], value.data);
      this.names.set(value, name);
      return name;
    }
    if (value.kind !== 'param') throw internal('a value is read before it is made');
    if (this.kind === 'function') throw internal(`function body holds the parameter ${value.key}`);
    const name = this.unique(value.key);
    this.names.set(value, name);
    this.initializers.push({ name, value });
    return name;
  }

  constant(dtype: DType, shape: readonly number[], data: ArrayLike<number>, label = 'constant'): string {
    const key = data.length <= POOLED ? `${dtype}${shape.join('x')}:${Array.from(data, (x) => (Object.is(x, -0) ? '-0' : String(x))).join()}` : undefined;
    const pooled = key === undefined ? undefined : this.pool.get(key);
    if (pooled !== undefined) return pooled;
    const name = this.unique(label);
    if (key !== undefined) this.pool.set(key, name);
    const value: Constant = { kind: 'constant', dtype, shape, data };
    if (this.kind === 'graph') this.initializers.push({ name, value });
    else {
      const t: Message<'TensorProto'> = { dims: shape, dataType: elemTypes[dtype], rawData: constantBytes(value) };
      this.nodes.push({ input: [], output: [name], opType: 'Constant', attribute: [{ name: 'value', t, type: attributeTypes.tensor }] });
    }
    return name;
  }

  /** Adds a node that exists only in the file, and returns the name of its output. */
  add(opType: string, input: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, label = opType): string {
    const name = this.unique(`sizes/${label}`);
    this.nodes.push({ input, output: [name], name, opType, attribute: Object.entries(attributes).map(encodeAttribute) });
    return name;
  }

  write(node: Node): void {
    if (node.kind === 'call') throw internal(`call of ${node.name} is not lowered`);
    const spelling: Spelling = node.kind === 'op' ? spell(node, this.opset) : { op: node.body ? this.functions.nameOf(node.domain, node.name, node.body) : node.name };
    const opType = spelling.op ?? (node.kind === 'op' ? node.op : node.name);
    const input = [...node.inputs.map((value) => this.nameOf(value)), ...(spelling.operands ?? []).map((operand) => this.operand(operand))];
    while (input.at(-1) === '') input.pop();
    const name = this.unique(node.scope === '' ? opType : `${node.scope}/${opType}`);
    const output = node.outputs.map((value, i) => this.output(value, node.outputs.length === 1 ? name : `${name}:${i}`));
    const attribute = node.kind === 'op' ? Object.entries(spelling.attributes ?? {}).map(encodeAttribute) : Object.entries(node.attrs).map(callAttribute);
    this.nodes.push({ input, output, name, opType, attribute, ...(node.kind === 'function' ? { domain: node.domain } : {}) });
  }

  private output(value: Value, name: string): string {
    const known = this.names.get(value);
    if (known !== undefined) return known;
    // Names of nodes and of values are apart: a value may have its node's name.
    this.used.add(name);
    this.names.set(value, name);
    return name;
  }

  private operand(operand: Operand): string {
    switch (operand.kind) {
      case 'absent':
        return '';
      case 'floats':
        return this.constant(operand.dtype ?? 'float32', operand.scalar ? [] : [operand.floats.length], operand.floats);
      case 'ints':
        return this.sizes.vector(operand.ints);
      case 'shape':
        return this.sizes.vector(reshapeTarget(operand.ints, operand.of));
      case 'size':
        return this.sizes.scalar(operand.size, operand.dtype);
    }
  }
}

function spell(node: OpNode, opset: number): Spelling {
  return rowOf(node.op).spell?.(node.attrs, opset, node.inputs) ?? {};
}

/**
 * Reshape's operand with as little computed at run time as possible: 0 copies the input's size at the same place,
 * -1 is what is left. Only further open sizes need arithmetic.
 */
function reshapeTarget(target: Shape, from: Shape): readonly Extent[] {
  if (isStatic(target)) return target;
  const copied = target.map((extent, i): Extent => (typeof extent === 'symbol' && extent === from[i] ? 0 : extent));
  const open = copied.filter((extent) => typeof extent === 'symbol');
  const inferred = open.length === 0 ? undefined : open.reduce((a, b) => (b.description!.length > a.description!.length ? b : a));
  let done = false;
  return copied.map((extent) => {
    if (done || extent !== inferred) return extent;
    done = true;
    return -1;
  });
}

function encodeAttribute([name, value]: readonly [string, Attribute]): Message<'AttributeProto'> {
  if ('int' in value) return { name, i: value.int, type: attributeTypes.int };
  if ('ints' in value) return { name, ints: value.ints, type: attributeTypes.ints };
  if ('float' in value) return { name, f: value.float, type: attributeTypes.float };
  if ('floats' in value) return { name, floats: value.floats, type: attributeTypes.floats };
  return { name, s: utf8.encode(value.text), type: attributeTypes.text };
}

function callAttribute([name, value]: readonly [string, number | string]): Message<'AttributeProto'> {
  if (typeof value === 'string') return encodeAttribute([name, { text: value }]);
  return encodeAttribute([name, Number.isInteger(value) ? { int: value } : { float: value }]);
}

/** Little-endian bytes of a constant. */
export function constantBytes({ dtype, data }: Constant): Uint8Array {
  // emit refuses big-endian machines.
  if (dtype === 'float32') return new Uint8Array(new Float32Array(data).buffer);
  const sizes = { int64: 8, bool: 1, float16: 2 } as const;
  const view = new DataView(new ArrayBuffer(data.length * sizes[dtype]));
  for (let i = 0; i < data.length; i++) {
    if (dtype === 'int64') view.setBigInt64(8 * i, BigInt(data[i]!), true);
    else if (dtype === 'bool') view.setUint8(i, data[i] ? 1 : 0);
    else view.setUint16(2 * i, toHalf(data[i]!), true);
  }
  return new Uint8Array(view.buffer);
}
