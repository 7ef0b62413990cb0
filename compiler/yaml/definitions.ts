/** The definitions of all modules that a network names, loaded once each. */
import { Problem, nearest } from '../errors.js';
import { placeOf, type Layer, type Network } from '../ir/network.js';
import type { ModuleLibrary } from '../library.js';
import type { AnyModule } from '../module.js';
import { adapt, dialectOf, namesOf, resolve } from './dialects.js';

/** `operators`: whether operators may stand where layers do, as in a module alone. */
export async function loadDefinitions(network: Network, library: ModuleLibrary, { operators = false } = {}): Promise<ReadonlyMap<string, AnyModule>> {
  const firsts = new Map<string, Layer>();
  for (const layer of network.layers) if (!firsts.has(layer.module)) firsts.set(layer.module, layer);
  // All names are checked before the first file is read.
  for (const layer of firsts.values()) checkName(network, layer, library);
  const dialect = dialectOf(network);
  const loaded = await Promise.all(
    [...firsts.keys()].map(async (name): Promise<[string, AnyModule]> => {
      const alias = resolve(dialect, name);
      return [name, adapt(await library.load(alias.file), alias, network)];
    }),
  );
  const definitions = new Map(loaded);
  for (const [name, layer] of firsts) {
    if (operators || !definitions.get(name)!.operator) continue;
    throw new Problem('unknown-module', `${name} is an operator that modules use, not a layer`, {
      place: placeOf(network, layer, layer.spans.module),
      help: 'Name the module that uses it, such as SOCA, C3_DAttention or S2Attention. --module compiles an operator alone.',
    });
  }
  return definitions;
}

/** The longest module name in a name: EMA in MyEMA. */
const within = (name: string, names: readonly string[]): string | undefined =>
  names.filter((candidate) => candidate.length > 1 && name.toLowerCase().includes(candidate.toLowerCase())).sort((a, b) => b.length - a.length)[0];

function checkName(network: Network, layer: Layer, library: ModuleLibrary): void {
  const dialect = dialectOf(network);
  const { module: name } = layer;
  const unavailable = dialect.unavailable(name);
  const names = namesOf(dialect, library.names);
  if (unavailable === undefined && (names.includes(name) || library.names.includes(resolve(dialect, name).file))) return;
  const near = nearest(name, names, 4).filter((candidate, i, all) => all.findIndex((other) => resolve(dialect, other).file === resolve(dialect, candidate).file) === i).slice(0, 2);
  throw new Problem('unknown-module', `there is no module ${name}`, {
    place: placeOf(network, layer, layer.spans.module),
    help: unavailable ?? `${near.length > 0 ? `Did you mean ${near.join(' or ')}? ` : ''}\`yolonnx modules\` lists all. If it is one of these under a name of yours: --alias ${name}=${near[0] ?? within(name, names) ?? 'Name'}.`,
  });
}
