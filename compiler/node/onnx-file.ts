/** What `verify` has to know of a model file before it runs it. */
import { library } from '../../ops/index.js';
import { Problem } from '../errors.js';
import type { FileModel, FileNode } from '../inspect/model.js';
import { CUSTOM_OPS } from '../metadata.js';
import { OPSETS } from '../onnx/emit.js';
import { functionTwins, type OpaqueUse } from '../twins.js';

export interface FileFacts {
  /** Whether weights are float16, so that results are measured against float16's bounds. */
  readonly half: boolean;
  /** Of a file with this compiler's opaque operators: bytes that make function twins of them when they follow the file, and their names. */
  readonly twin?: { readonly append: Uint8Array; readonly names: readonly string[] };
}

export async function factsOf(model: FileModel): Promise<FileFacts> {
  const half = [...model.tensors.values()].some(({ dtype, constant }) => dtype === 'float16' && !constant);
  const uses = await opaqueUses(model);
  if (uses.length === 0) return { half };
  return { half, twin: { append: functionTwins(uses, checkedOpset(model.opset)), names: uses.map(({ domain, name }) => `${domain}::${name}`) } };
}

function checkedOpset(version: number): number {
  if (version >= OPSETS.least && version <= OPSETS.most) return version;
  throw new Problem('bad-model', `the model has opaque operators at opset ${version}; function twins are made for ${OPSETS.least} to ${OPSETS.most}`, { help: 'Verify the inline form, which computes the same.' });
}

/** The opaque operators that the file's metadata names, once each. */
async function opaqueUses({ nodes, metadata, functions }: FileModel): Promise<readonly OpaqueUse[]> {
  const written = metadata[CUSTOM_OPS];
  if (!written) return [];
  const uses: OpaqueUse[] = [];
  for (const [key, operator] of operatorsOf(written)) {
    // ONNX's own operators, and those that the file defines itself, are not opaque.
    if (key.startsWith('::') || functions.includes(key)) continue;
    const calls = nodes.filter(({ domain, op }) => `${domain}::${op}` === key);
    if (calls.length === 0 || !library.names.includes(operator)) continue;
    const definition = await library.load(operator);
    if (!definition.operator?.custom) continue;
    const [first, ...others] = calls.map(attributesOf);
    if (others.some((attributes) => JSON.stringify(attributes) !== JSON.stringify(first))) throw new Problem('bad-model', `${key} is used with several attributes, which one function cannot stand for`, { help: 'Verify the inline form, which computes the same.' });
    uses.push({ domain: calls[0]!.domain, name: calls[0]!.op, definition, attributes: first! });
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
const attributesOf = ({ attributes }: FileNode): Record<string, number> => Object.fromEntries(attributes.flatMap(({ name, integer }) => (integer === undefined ? [] : [[name, integer]])));
