/**
 * Function twins of opaque operators. A model with opaque operators runs only where kernels for them are registered;
 * with the operators' bodies as model-local functions of the same names it runs anywhere, and computes the same.
 */
import { graphPasses } from '../passes/index.js';
import { runPasses } from '../passes/pass.js';
import { Builder, buildModule, newRecording } from './builder.js';
import { Problem } from './errors.js';
import { input } from './ir/extent.js';
import type { FeatureMap, Graph, Input, Node } from './ir/graph.js';
import type { Literal } from './ir/network.js';
import { positional, withDefaults, type AnyModule, type Reader } from './module.js';
import { seededWeights, DEFAULT_SEED } from './weights/seeded.js';
import { FUNCTIONS_IR } from './onnx/emit.js';
import { FunctionWriter } from './onnx/functions.js';
import { encode } from './onnx/protobuf.js';

/** An opaque operator as a file has it. */
export interface OpaqueUse {
  readonly domain: string;
  /** Its name in the file. */
  readonly name: string;
  readonly definition: AnyModule;
  readonly attributes: Readonly<Record<string, number>>;
}

/** What must be appended to a model's bytes: protobuf reads repeated fields in any order, and the last of a single one. */
export function functionTwins(uses: readonly OpaqueUse[], opset: number): Uint8Array {
  const functions = uses.map((use) => {
    // Functions that a body calls come before it.
    const proto = twinOf(use, opset).protos.at(-1)!;
    return { ...proto, attribute: Object.keys(use.attributes) };
  });
  return encode('ModelProto', { irVersion: FUNCTIONS_IR, functions });
}

function twinOf({ domain, name, definition, attributes }: OpaqueUse, opset: number): FunctionWriter {
  const graph = runPasses(recorded(definition, attributes), graphPasses.filter(({ optional = false }) => !optional), { opset, customOps: { form: 'function', domain, names: {} } });
  const node = graph.nodes.find((candidate) => candidate.kind === 'function');
  if (!node?.body) throw new Problem('bad-model', `${name} has no body that could stand for it`);
  const writer = new FunctionWriter(opset);
  writer.nameOf(domain, name, node.body);
  return writer;
}

/** What a file says may be anything. */
function readAttribute(name: string, reader: Reader<unknown>, value: Literal): unknown {
  try {
    return reader.read(value);
  } catch (error) {
    throw new Problem('bad-model', `the attribute ${name} of an opaque operator ${(error as Error).message}`);
  }
}

/** One use of the operator on inputs of which every size is open. */
function recorded({ operator, args, ...definition }: AnyModule, attributes: OpaqueUse['attributes']): Graph {
  const nodes: Node[] = [];
  const g = new Builder(newRecording({ weights: seededWeights(DEFAULT_SEED), namedActivations: false, warn: () => undefined }), nodes, '');
  const inputs = operator!.shapes.map((shape, i): Input => ({ kind: 'input', name: `x${i}`, dtype: 'float32', shape: shape.map((size) => (typeof size === 'number' ? size : input(size))) }));
  const given = operator!.args?.(attributes) ?? [];
  const bound = withDefaults(args, Object.fromEntries(positional(args).map(([name, reader], i) => [name, readAttribute(name, reader, given[i] ?? null)])));
  const values = buildModule(g, { ...definition, args }, inputs as unknown as readonly FeatureMap[], { ...bound, n: 1 });
  return { inputs, outputs: values.map((value, i) => ({ name: `y${i}`, value })), nodes };
}
