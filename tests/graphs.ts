/** Graphs made, written and run in tests. onnxruntime's own optimizer is off, so that it runs what was written. */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { Builder, newRecording } from '../compiler/builder.js';
import { evaluate, type Extent, type Shape } from '../compiler/ir/extent.js';
import type { DType, Graph, Input, Result, Value } from '../compiler/ir/graph.js';
import { loadOnnxruntime } from '../compiler/node/onnxruntime.js';
import { emit, type Emitted } from '../compiler/onnx/emit.js';
import type { AttrsOf, OpName } from '../compiler/onnx/operators/index.js';
import { halfTable, toHalf } from '../compiler/weights/float16.js';
import { DEFAULT_SEED, seededInput, seededWeights } from '../compiler/weights/seeded.js';
import { graphPasses } from '../passes/index.js';
import { runPasses, type CustomOps, type Pass } from '../passes/pass.js';

export const INLINE: CustomOps = { form: 'inline', domain: 'yolonnx', names: {} };

/** A builder that records any operator of the table. */
export class Recorder extends Builder {
  op<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>): readonly Result[] {
    return this.record(op, inputs, attrs);
  }
}

export interface InputType {
  readonly dtype?: DType;
  readonly shape: Shape;
  readonly axes?: readonly string[];
}

/** Inputs x0, x1, …, outputs y0, y1, … */
export function recordGraph(inputs: readonly InputType[], build: (g: Recorder, ...x: Input[]) => readonly Value[]): Graph {
  const formal = inputs.map((type, i): Input => ({ kind: 'input', name: `x${i}`, dtype: 'float32', ...type }));
  const nodes: Graph['nodes'][number][] = [];
  const recording = newRecording({ weights: seededWeights(DEFAULT_SEED), namedActivations: false, warn: () => undefined });
  const values = build(new Recorder(recording, nodes, ''), ...formal);
  return { inputs: formal, outputs: values.map((value, i) => ({ name: `y${i}`, value })), nodes };
}

/** Runs passes (default: those that make any graph ONNX) for an opset. */
export function lower(graph: Graph, opset: number, passes: readonly Pass[] = graphPasses.filter(({ required }) => required), customOps: CustomOps = INLINE): Graph {
  return runPasses(graph, passes, { opset, customOps });
}

export async function bytesOf(graph: Graph, opset = 17): Promise<Uint8Array> {
  return (await emitted(graph, opset)).file;
}

export async function emitted(graph: Graph, opset = 17): Promise<Emitted & { readonly file: Uint8Array }> {
  const parts: Uint8Array[] = [];
  const result = await emit(graph, { write: (bytes) => void parts.push(bytes.slice()) }, { opset, graphName: 'made', producerVersion: '0', metadata: [] });
  return { ...result, file: new Uint8Array(Buffer.concat(parts)) };
}

/** A tensor of any element type as numbers. */
export interface Numbers {
  readonly data: Float32Array | readonly number[];
  readonly shape: readonly number[];
}

export type Level = NonNullable<InferenceSession.SessionOptions['graphOptimizationLevel']>;

/** Opens a model once, to be run on several inputs (in the order of the graph's); outputs come in the graph's order. */
export async function openModel(model: Uint8Array, level: Level = 'disabled'): Promise<{ run(inputs: readonly Numbers[]): Promise<Numbers[]>; close(): Promise<void> }> {
  const ort = await loadOnnxruntime();
  const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'], graphOptimizationLevel: level, intraOpNumThreads: 1, logSeverityLevel: 4 });
  const toTensor = ({ data, shape }: Numbers, i: number): OrtTensor => {
    const metadata = session.inputMetadata[i]!;
    const type = metadata.isTensor ? metadata.type : 'float32';
    if (type === 'int64') return new ort.Tensor('int64', BigInt64Array.from([...data].map(BigInt)), shape);
    if (type === 'bool') return new ort.Tensor('bool', Uint8Array.from(data), shape);
    if (type === 'float16') return new ort.Tensor('float16', Uint16Array.from(data, toHalf), shape);
    return new ort.Tensor('float32', Float32Array.from(data), shape);
  };
  return {
    async run(inputs) {
      const feeds = Object.fromEntries(inputs.map((tensor, i) => [session.inputNames[i]!, toTensor(tensor, i)]));
      const results = await session.run(feeds);
      return session.outputNames.map((name): Numbers => {
        const { data, dims, type } = results[name]!;
        if (type === 'float16') return { data: Array.from(data as Uint16Array, (half) => halfTable()[half]!), shape: dims };
        return { data: data instanceof Float32Array ? data : Array.from(data as ArrayLike<number | bigint | boolean>, Number), shape: dims };
      });
    },
    close: () => session.release(),
  };
}

export async function runModel(model: Uint8Array, inputs: readonly Numbers[], level: Level = 'disabled'): Promise<Numbers[]> {
  const session = await openModel(model, level);
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

export const fixed = (shape: Shape, sizes: Readonly<Record<string, number>>): number[] => shape.map((extent: Extent) => evaluate(extent, sizes));

/** Seeded numbers for a graph's inputs: floats in [-1, 1), integers in [-4, 4]. */
export function inputsFor(graph: Pick<Graph, 'inputs'>, sizes: Readonly<Record<string, number>> = {}, seed = 0): Numbers[] {
  return graph.inputs.map(({ name, dtype, shape }): Numbers => {
    const known = fixed(shape, sizes);
    const data = new Float32Array(sizeOf(known));
    seededInput(name, seed, 'map')(data, 0);
    if (dtype === 'bool') return { shape: known, data: Array.from(data, (value) => Number(value > 0)) };
    return { shape: known, data: dtype === 'int64' ? Array.from(data, (value) => Math.round(4 * value)) : data };
  });
}

/** The largest difference, relative to the largest wanted number (at least `floor`). NaN agrees with NaN only. */
export function difference(want: Numbers, got: Numbers, floor = 1e-30): number {
  if (want.shape.join() !== got.shape.join() || want.data.length !== got.data.length) throw new Error(`shape [${got.shape.join(', ')}], wanted [${want.shape.join(', ')}]`);
  let [largest, most] = [floor, 0];
  for (let i = 0; i < want.data.length; i++) {
    const [w, g] = [want.data[i]!, got.data[i]!];
    if (Object.is(w, g) || w === g) {
      if (Number.isFinite(w)) largest = Math.max(largest, Math.abs(w));
      continue;
    }
    if (!Number.isFinite(w) || !Number.isFinite(g)) return Infinity;
    largest = Math.max(largest, Math.abs(w));
    most = Math.max(most, Math.abs(w - g));
  }
  return most / largest;
}
