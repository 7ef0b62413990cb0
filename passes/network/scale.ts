/**
 * Scaling, as both packages do it:  repeats  n' = max(round(n · depth), 1) for n > 1,
 *                                  channels c' = ceil(min(c, max_channels) · width / 8) · 8.
 * Which arguments are channels, their readers say. What a family leaves unscaled, its dialect says.
 */
import { Problem, nearest, type Span } from '../../compiler/errors.js';
import { placeOf, type Layer, type Literal, type Network, type ScaledLayer } from '../../compiler/ir/network.js';
import { positional, showDefault, usage, type AnyModule, type Reader } from '../../compiler/module.js';
import { dialectOf, scaleRepeats, type Dialect } from '../../compiler/yaml/dialects.js';

const MAX_REPEATS = 1000;
const MAX_COPIES = 20_000;
/** The limit of a channels argument; scaled ones keep to it. */
export const MAX_CHANNELS = 65_536;

/** Also reads every argument once, so that complaints are about what was written, not what scaling made of it. */
export function scale(network: Network, definitions: ReadonlyMap<string, AnyModule>): Network<ScaledLayer> {
  const dialect = dialectOf(network);
  let copies = 0;
  const layers = network.layers.map((layer): ScaledLayer => {
    const definition = definitions.get(layer.module);
    if (!definition) throw new Problem('unknown-module', `there is no module ${layer.module}`, { place: placeOf(network, layer, layer.spans.module) });
    const repeats = repeatsOf(network, layer);
    copies += repeats;
    if (copies > MAX_COPIES) {
      throw new Problem('too-large', `the rows up to here stand for more than ${MAX_COPIES} modules`, {
        place: placeOf(network, layer, layer.spans.repeats),
        help: 'Lower the repeats or the depth multiple.',
      });
    }
    const args = argsOf(network, { ...layer, args: dialect.rewrite(layer, network) }, definition, dialect);
    return { ...layer, definition, repeats, args };
  });
  return { ...network, layers };
}

function repeatsOf(network: Network, layer: Layer): number {
  const repeats = scaleRepeats(layer.repeats, network);
  if (repeats <= MAX_REPEATS) return repeats;
  throw new Problem('bad-repeats', `${layer.repeats} repeats are ${repeats} at depth ${network.depth}; at most ${MAX_REPEATS} are built`, {
    place: placeOf(network, layer, layer.spans.repeats),
    help: 'Lower the repeats or the depth multiple.',
  });
}

function argsOf(network: Network, layer: Layer, definition: AnyModule, dialect: Dialect): readonly Literal[] {
  const readers = positional(definition.args);
  checkCount(network, layer, definition);
  return layer.args.map((value, i) => {
    const [name, reader] = readers[i]!;
    const span = layer.spans.each[i] ?? layer.spans.args;
    const read = readArg(network, layer, definition, name, reader, value, span);
    if ((reader.kind !== 'channels' && reader.kind !== 'nominal') || typeof read !== 'number') return value;
    const scaled = dialect.keeps(read, layer.module, network) ? read : dialect.scaleChannels(read, network);
    if (scaled <= MAX_CHANNELS) return scaled;
    throw complaint(network, layer, definition, span, 'too-large', `${read} channels are ${scaled} at width ${network.width}; at most ${MAX_CHANNELS} are built`);
  });
}

function checkCount(network: Network, layer: Layer, definition: AnyModule): void {
  const readers = positional(definition.args);
  const needed = readers.findLastIndex(([, reader]) => !reader.optional) + 1;
  const given = layer.args.length;
  const plural = (count: number): string => `${count === 0 ? 'no' : count} argument${count === 1 ? '' : 's'}`;
  if (given > readers.length) {
    const span = layer.spans.each[readers.length] ?? layer.spans.args;
    throw complaint(network, layer, definition, span, 'bad-argument', `${layer.module} takes ${readers.length === 0 ? '' : 'at most '}${plural(readers.length)}, got ${given}`);
  }
  if (given < needed) {
    const missing = readers.slice(given, needed).filter(([, reader]) => !reader.optional).map(([name]) => name);
    throw complaint(network, layer, definition, layer.spans.args, 'bad-argument', `${layer.module} needs ${missing.join(' and ')}, got ${plural(given)}`);
  }
}

function readArg(network: Network, layer: Layer, definition: AnyModule, name: string, reader: Reader<unknown>, value: Literal, span: Span): unknown {
  try {
    return reader.read(value);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (typeof value === 'string' && /^[A-Za-z_]\w{0,40}$/.test(value) && typeof reader.default !== 'string') throw unknownName(network, layer, definition, name, value, span);
    // Python would pass None on: it does not stand for the default.
    const leave = value === null && reader.optional ? `Leave ${name} out for its default, ${showDefault(reader.default)}. ` : '';
    throw complaint(network, layer, definition, span, error.code, `${layer.module} ${name} ${shortened(error.message)}`, leave + (error.help === undefined ? '' : `${error.help} `));
  }
}

const shortened = (message: string): string => (message.length > 200 ? `${message.slice(0, 200)}…` : message);

function unknownName(network: Network, layer: Layer, definition: AnyModule, name: string, value: string, span: Span): Problem {
  const near = nearest(value, Object.keys(network.keys).filter((key) => key.length <= 40));
  const hint = near.length > 0 ? `Did you mean ${near[0]}? ` : '';
  return complaint(network, layer, definition, span, 'unknown-name', `${layer.module} ${name} names ${value}, which is no key of this yaml`, hint);
}

function complaint(network: Network, layer: Layer, definition: AnyModule, span: Span, code: Problem['code'], message: string, hint = ''): Problem {
  return new Problem(code, message, { place: placeOf(network, layer, span), help: `${hint}${layer.module} takes ${usage(definition)}` });
}
