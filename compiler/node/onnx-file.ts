/** What can be told from an ONNX file without running it. Read with onnx-proto, which only this file loads. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { onnx } from 'onnx-proto';
import { library } from '../../ops/index.js';
import { Problem } from '../errors.js';
import { CUSTOM_OPS } from '../metadata.js';
import { OPSETS } from '../onnx/emit.js';
import { functionTwins, type OpaqueUse } from '../twins.js';

/** AttributeProto's type of one integer. */
const INT = 2;

/** Tensors of this element type are float16. */
const FLOAT16 = 10;

export interface FileFacts {
  /** Whether weights are float16, so that results are measured against float16's bounds. */
  readonly half: boolean;
  /** Of a file with this compiler's opaque operators: the file with function twins of them, and their names. */
  readonly twin?: { readonly bytes: Uint8Array; readonly names: readonly string[] };
}

/** Nothing is told of what is no ONNX file: the runtime says so better. */
export async function readFacts(model: string | Uint8Array): Promise<FileFacts> {
  // It is CommonJS, and a script that comes from V8's code cache (cli/start.ts) cannot import.
  const onnxProto = createRequire(import.meta.url)('onnx-proto') as typeof import('onnx-proto');
  let bytes: Uint8Array;
  let decoded: onnx.ModelProto;
  try {
    bytes = typeof model === 'string' ? readFileSync(model) : model;
    decoded = onnxProto.onnx.ModelProto.decode(bytes);
  } catch {
    return { half: false };
  }
  const half = decoded.graph?.initializer?.some(({ dataType }) => dataType === FLOAT16) ?? false;
  const uses = await opaqueUses(decoded);
  if (uses.length === 0) return { half };
  const opset = checkedOpset(Number(decoded.opsetImport.find(({ domain }) => !domain || domain === 'ai.onnx')?.version ?? 0));
  return { half, twin: { bytes: Buffer.concat([bytes, functionTwins(uses, opset)]), names: uses.map(({ domain, name }) => `${domain}::${name}`) } };
}

function checkedOpset(version: number): number {
  if (version >= OPSETS.least && version <= OPSETS.most) return version;
  throw new Problem('bad-model', `the model has opaque operators at opset ${version}; function twins are made for ${OPSETS.least} to ${OPSETS.most}`, { help: 'Verify the inline form, which computes the same.' });
}

/** The opaque operators that the file's metadata names, once each. */
async function opaqueUses({ graph, metadataProps, functions }: onnx.ModelProto): Promise<readonly OpaqueUse[]> {
  const written = metadataProps.find(({ key }) => key === CUSTOM_OPS)?.value;
  if (!written) return [];
  const uses: OpaqueUse[] = [];
  for (const [key, operator] of operatorsOf(written)) {
    // ONNX's own operators, and those that the file defines itself, are not opaque.
    if (key.startsWith('::') || functions.some(({ domain, name }) => `${domain ?? ''}::${name ?? ''}` === key)) continue;
    const nodes = (graph?.node ?? []).filter(({ domain, opType }) => `${domain ?? ''}::${opType ?? ''}` === key);
    if (nodes.length === 0 || !library.names.includes(operator)) continue;
    const definition = await library.load(operator);
    if (!definition.operator?.custom) continue;
    const [first, ...others] = nodes.map(attributesOf);
    if (others.some((attributes) => JSON.stringify(attributes) !== JSON.stringify(first))) throw new Problem('bad-model', `${key} is used with several attributes, which one function cannot stand for`, { help: 'Verify the inline form, which computes the same.' });
    uses.push({ domain: nodes[0]!.domain ?? '', name: nodes[0]!.opType ?? '', definition, attributes: first! });
  }
  return uses;
}

function operatorsOf(written: string): [string, string][] {
  try {
    const value = JSON.parse(written) as unknown;
    return typeof value === 'object' && value !== null ? Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string') : [];
  } catch {
    return [];
  }
}

/** Integers, as this compiler writes them; attributes of another type are left out and missed where they are read. */
const attributesOf = ({ attribute }: onnx.INodeProto): Record<string, number> =>
  Object.fromEntries((attribute ?? []).filter(({ type }) => Number(type) === INT).map(({ name, i }) => [name ?? '', Number(i ?? 0)]));
