/**
 * The part of ONNX's protobuf schema that a model file needs, as a table, and its encoder. Messages are plain
 * objects with onnx-proto's field names; the bytes are equal to onnx-proto's (tests/emit.test.ts), whose generated
 * code would cost the compile path its start-up. Source: onnx/onnx.proto; encoding: protobuf.dev.
 */
import { internal } from '../errors.js';

type Kind = 'int64' | 'int32' | 'float' | 'string' | 'bytes' | MessageName;
type Field = readonly [id: number, kind: Kind, repeated?: 'repeated'];

/** Fields in order of their ids. */
const schema = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
    functions: [25, 'FunctionProto', 'repeated'],
  },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    docString: [10, 'string'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    domain: [7, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    externalData: [13, 'StringStringEntryProto', 'repeated'],
    dataLocation: [14, 'int32'],
  },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'], docString: [3, 'string'] },
  TypeProto: { tensorType: [1, 'TypeProto.Tensor'] },
  'TypeProto.Tensor': { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'TensorShapeProto.Dimension', 'repeated'] },
  'TensorShapeProto.Dimension': { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, 'string', 'repeated'],
    output: [5, 'string', 'repeated'],
    attribute: [6, 'string', 'repeated'],
    node: [7, 'NodeProto', 'repeated'],
    docString: [8, 'string'],
    opsetImport: [9, 'OperatorSetIdProto', 'repeated'],
    domain: [10, 'string'],
  },
} as const satisfies Record<string, Record<string, readonly [number, string, ('repeated' | undefined)?]>>;

export type MessageName =
  | 'ModelProto' | 'GraphProto' | 'NodeProto' | 'AttributeProto' | 'TensorProto' | 'ValueInfoProto' | 'TypeProto' | 'TypeProto.Tensor'
  | 'TensorShapeProto' | 'TensorShapeProto.Dimension' | 'OperatorSetIdProto' | 'StringStringEntryProto' | 'FunctionProto';

type Scalar<K> = K extends 'int64' | 'int32' | 'float' ? number : K extends 'string' ? string : K extends 'bytes' ? Uint8Array : K extends MessageName ? Message<K> : never;
type FieldsOf<N extends MessageName> = (typeof schema)[N];
export type Message<N extends MessageName> = {
  readonly [F in keyof FieldsOf<N>]?: FieldsOf<N>[F] extends readonly [number, infer K, 'repeated'] ? readonly Scalar<K>[] : FieldsOf<N>[F] extends readonly [number, infer K] ? Scalar<K> : never;
};

export type NodeProto = Message<'NodeProto'>;

const utf8 = new TextEncoder();

/** A growing buffer. */
class Writer {
  private bytes = new Uint8Array(64);
  private length = 0;

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Integers up to 2^53; negative ones take ten bytes, as protobuf's int64 does. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value)) throw internal(`${value} is not an integer that a file can hold`);
    this.reserve(10);
    let rest = value;
    if (value < 0) {
      let bits = BigInt.asUintN(64, BigInt(value));
      for (; bits > 127n; bits >>= 7n) this.bytes[this.length++] = Number(bits & 127n) | 128;
      rest = Number(bits);
    }
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.length++] = (rest % 128) | 128;
    this.bytes[this.length++] = rest;
  }

  float(value: number): void {
    this.reserve(4);
    new DataView(this.bytes.buffer).setFloat32(this.length, value, true);
    this.length += 4;
  }

  text(value: string): void {
    this.reserve(3 * value.length);
    this.length += utf8.encodeInto(value, this.bytes.subarray(this.length)).written;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What `write` writes, with its length before it. One byte is left for that; a longer one moves what was written. */
  block(write: () => void): void {
    this.reserve(1);
    const start = this.length++;
    write();
    const size = this.length - start - 1;
    if (size <= 127) {
      this.bytes[start] = size;
      return;
    }
    const written = this.bytes.slice(start + 1, this.length);
    this.length = start;
    this.varint(size);
    this.raw(written);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

const WIRE = { varint: 0, block: 2, fixed32: 5 } as const;

function scalar(writer: Writer, id: number, kind: Kind, value: unknown): void {
  if (kind === 'int64' || kind === 'int32') {
    writer.varint(id * 8 + WIRE.varint);
    writer.varint(value as number);
  } else if (kind === 'float') {
    writer.varint(id * 8 + WIRE.fixed32);
    writer.float(value as number);
  } else {
    writer.varint(id * 8 + WIRE.block);
    writer.block(() => {
      if (kind === 'string') writer.text(value as string);
      else if (kind === 'bytes') writer.raw(value as Uint8Array);
      else fields(writer, kind, value as Readonly<Record<string, unknown>>);
    });
  }
}

/** Repeated numbers are packed. */
function packed(writer: Writer, id: number, kind: 'int64' | 'int32' | 'float', values: readonly number[]): void {
  writer.varint(id * 8 + WIRE.block);
  writer.block(() => {
    for (const value of values) {
      if (kind === 'float') writer.float(value);
      else writer.varint(value);
    }
  });
}

function fields(writer: Writer, name: MessageName, message: Readonly<Record<string, unknown>>): void {
  const table = schema[name] as Readonly<Record<string, Field>>;
  for (const field in message) {
    const value = message[field];
    if (value === undefined) continue;
    const [id, kind, repeated] = table[field]!;
    if (!repeated) scalar(writer, id, kind, value);
    else if (kind !== 'int64' && kind !== 'int32' && kind !== 'float') for (const item of value as readonly unknown[]) scalar(writer, id, kind, item);
    else if ((value as readonly number[]).length > 0) packed(writer, id, kind, value as readonly number[]);
  }
}

/** Fields are written in the order in which the message has them, which is that of their ids. */
export function encode<N extends MessageName>(name: N, message: Message<N>): Uint8Array {
  const writer = new Writer();
  fields(writer, name, message);
  return writer.finish();
}

/** The tag and length that stand before an embedded message or bytes of `length` bytes. */
export function blockHeader(id: number, length: number): Uint8Array {
  const writer = new Writer();
  writer.varint(id * 8 + WIRE.block);
  writer.varint(length);
  return writer.finish();
}

/** Field ids that the streaming writer sets itself. */
export const fieldIds = { model: { graph: 7 }, graph: { initializer: 5 }, tensor: { rawData: 9 } } as const;
