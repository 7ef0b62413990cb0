/** What a yaml may name, with everything that `modules` tells. */
import { Problem, nearest } from '../errors.js';
import type { Graph } from '../ir/graph.js';
import type { Family } from '../ir/network.js';
import { hasExpansion } from '../onnx/expansions.js';
import { rowOf } from '../onnx/operators/index.js';
import { moduleGraph } from '../compile.js';
import { positional, showLiteral, usage, type AnyModule } from '../module.js';
import { OPSETS } from '../onnx/emit.js';
import { adapt, dialectOf, namesOf, resolve, spellingsOf, type Dialect } from '../yaml/dialects.js';
import { library } from '../../ops/index.js';

export interface ModuleEntry {
  /** As a yaml spells it. */
  readonly name: string;
  /** Other spellings. */
  readonly aliases: readonly string[];
  readonly families: readonly Family[];
  /** An operator that modules use: compiled alone with --module, not named by yamls. */
  readonly operator: boolean;
  readonly usage: string;
  readonly doc: string;
  readonly source: string;
  readonly args: readonly { readonly name: string; readonly type: string; readonly doc: string; readonly default?: string }[];
  readonly constraints: readonly string[];
  readonly repeats: 'stack' | 'inside';
  /** Least opset at which its example compiles. */
  readonly leastOpset: number;
  /** Arguments of a row that compiles, and the shapes of its inputs. */
  readonly example: string;
  readonly exampleInputs: readonly (readonly number[])[];
}

const families: readonly Family[] = ['yolov5', 'ultralytics'];

/** All modules; one that both families spell alike appears once. */
export async function listModules(family?: Family): Promise<readonly ModuleEntry[]> {
  const entries: ModuleEntry[] = [];
  for (const each of family ? [family] : families) {
    const dialect = dialectOf({ family: each });
    for (const name of namesOf(dialect, library.names)) {
      if (isSpelling(dialect, name)) continue;
      const entry = await entryOf(name, each);
      const same = entries.findIndex((known) => known.name === name && known.usage === entry.usage && known.doc === entry.doc);
      if (same < 0) entries.push(entry);
      else entries[same] = { ...entries[same]!, families: [...entries[same]!.families, each], aliases: [...new Set([...entries[same]!.aliases, ...entry.aliases])].filter((alias) => alias !== name) };
    }
  }
  return entries.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Whether a name is another spelling of one that is listed: the file's own, or else the first of its aliases. */
function isSpelling(dialect: Dialect, name: string): boolean {
  const { file } = resolve(dialect, name);
  if (spellingsOf(dialect, name).length === 0 || name === file) return false;
  return !dialect.hidden.includes(file) || Object.keys(dialect.aliases).find((alias) => dialect.aliases[alias]!.file === file) !== name;
}

/** One module. Throws Problem('unknown-module') with the nearest name. */
export async function findModule(name: string, family?: Family): Promise<ModuleEntry> {
  const known = families.filter((each) => (family === undefined || each === family) && namesOf(dialectOf({ family: each }), library.names).includes(name));
  if (known.length === 0) {
    const reason = (family ? [family] : families).map((each) => dialectOf({ family: each }).unavailable(name)).find((text) => text !== undefined);
    if (reason !== undefined) throw new Problem('unknown-module', `there is no module ${name}`, { help: reason });
    const names = (family ? [family] : families).flatMap((each) => namesOf(dialectOf({ family: each }), library.names));
    const near = nearest(name, names);
    throw new Problem('unknown-module', `there is no module ${name}`, { help: `${near.length > 0 ? `Did you mean ${near[0]}? ` : ''}\`yolonnx modules\` lists all.` });
  }
  return { ...(await entryOf(name, known[0]!)), families: known };
}

async function entryOf(name: string, family: Family): Promise<ModuleEntry> {
  const alias = resolve(dialectOf({ family }), name);
  const module = adapt(await library.load(alias.file), alias, { keys: {} });
  return {
    name,
    aliases: spellingsOf(dialectOf({ family }), name).sort(),
    families: [family],
    operator: module.operator !== undefined,
    usage: usage(module),
    doc: module.doc,
    source: module.source,
    args: positional(module.args).map(([arg, { type, doc, optional, default: value }]) => ({ name: arg, type, doc, ...(optional ? { default: showLiteral(value) } : {}) })),
    constraints: module.constraints ?? [],
    repeats: module.repeats,
    leastOpset: await leastOpset(name, family, module),
    example: showLiteral(module.example.args),
    exampleInputs: module.example.inputs,
  };
}

/** The least opset that has all operators of the module's example, or expansions for them. */
async function leastOpset(name: string, family: Family, module: AnyModule): Promise<number> {
  const inputs = module.example.inputs as readonly (readonly [number, number, number, number])[];
  const { recorded } = await moduleGraph({ module: name, family, args: module.example.args, inputs, repeats: module.example.n ?? 1 }, library);
  return Math.max(OPSETS.least, ...opsetsNeeded(recorded.graph));
}

function opsetsNeeded({ nodes }: Graph): number[] {
  return nodes.flatMap((node) => {
    if (node.kind !== 'op') return node.body ? opsetsNeeded(node.body) : [];
    if (hasExpansion(node.op)) return [];
    const { since } = rowOf(node.op);
    return [typeof since === 'number' ? since : since(node.attrs, node.inputs)];
  });
}
