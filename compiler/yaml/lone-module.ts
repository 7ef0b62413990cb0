/** A module alone, as `compile --module` and the goldens of modules name it: one row at width 1 and depth 1. */
import { inferChannels } from '../../passes/network/infer-channels.js';
import { scale } from '../../passes/network/scale.js';
import { Problem } from '../errors.js';
import type { BoundLayer, Family, Literal, Network, ScaledLayer } from '../ir/network.js';
import type { ModuleLibrary } from '../library.js';
import { defineModule, showLiteral } from '../module.js';
import { loadDefinitions } from './definitions.js';
import { parseNetwork } from './parse.js';

export interface LoneModule {
  readonly family: Family;
  /** As a yaml of the family spells it. */
  readonly name: string;
  /** The row's arguments: text as a yaml has it (`[64, 3, 2]`), or values. */
  readonly args: string | readonly Literal[];
  readonly n: number;
  /** Channels of every input. */
  readonly inputs: readonly number[];
  readonly keys?: Readonly<Record<string, Literal>>;
  readonly aliases?: Readonly<Record<string, string>>;
}

export async function bindModule(library: ModuleLibrary, lone: LoneModule): Promise<{ network: Network<BoundLayer>; layer: BoundLayer }> {
  if (lone.inputs.length === 0) throw new Problem('bad-option', `module ${lone.name} needs at least one input`, { help: 'Give a shape: --input 1x64x20x20.' });
  const parsed = parseRow(lone);
  const sources = lone.inputs.map((channels, index) => sourceLayer(parsed, channels, index));
  const rows = parsed.layers.map((layer) => ({ ...layer, index: sources.length, from: sources.map(({ index }) => index), fromList: sources.length > 1 }));
  const row: Network = { ...parsed, layers: rows };
  const scaled = scale(row, await loadDefinitions(row, library, { operators: true }));
  const network = inferChannels({ ...scaled, layers: [...sources, ...scaled.layers] });
  return { network, layer: network.layers.at(-1)! };
}

/** The row as a yaml of its own, so that arguments are read, and complaints placed, as in a model. */
function parseRow({ family, name, args, n, keys = {}, aliases = {} }: LoneModule): Network {
  const written = typeof args === 'string' ? args : JSON.stringify(args);
  if (/[\r\n]/.test(written + name) || written.length > 10_000) throw new Problem('bad-option', 'module name and args must be one line each');
  if (!Number.isInteger(n) || n < 1) throw new Problem('bad-option', `repeats must be a positive integer, got ${showLiteral(n)}`);
  const rest = Object.entries(keys).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  const text = `backbone:\n  - [-1, ${n}, ${JSON.stringify(name)}, ${written}]\nhead: []\n${rest.join('')}`;
  return { ...parseNetwork({ file: 'module', text }, { aliases }), family, depth: 1, width: 1 };
}

/** What stands for an input: a layer that reads the image and gives the input's channels. */
function sourceLayer({ layers }: Network, channels: number, index: number): ScaledLayer {
  const definition = defineModule({ doc: 'An input.', source: '', args: {}, example: { inputs: [], args: [] }, out: () => channels, build: (_, x) => x });
  return { ...layers[0]!, index, from: [-1], fromList: false, repeats: 1, module: 'input', args: [], definition };
}
