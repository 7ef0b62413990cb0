/** Channel inference: what every layer reads and gives, and the arguments that its module really gets. */
import { Problem, located, type Span } from '../../compiler/errors.js';
import { placeOf, type BoundLayer, type Literal, type Network, type ScaledLayer } from '../../compiler/ir/network.js';
import { positional, usage, withDefaults } from '../../compiler/module.js';
import { MAX_CHANNELS } from './scale.js';

export function inferChannels(network: Network<ScaledLayer>): Network<BoundLayer> {
  const out: number[] = [];
  const layers = network.layers.map((layer): BoundLayer => {
    const bound = bind(network, layer, out);
    out.push(bound.outChannels);
    return bound;
  });
  return { ...network, layers };
}

function bind(network: Network<ScaledLayer>, layer: ScaledLayer, out: readonly number[]): BoundLayer {
  const { definition, repeats } = layer;
  checkHead(network, layer);
  const inputs = inputsOf(network, layer);
  const inChannels = inputs.map((index) => (index < 0 ? network.inputChannels : out[index]!));
  const inside = definition.repeats === 'inside';
  const copies = inside ? 1 : repeats;
  const bound = { ...withDefaults(definition.args, readArgs(network, layer)), n: inside ? repeats : 1 };
  const outChannels = outOf(network, layer, bound, inChannels);
  if (copies > 1) checkStack(network, layer, inChannels, outChannels);
  return { ...layer, inputs, inChannels, outChannels, bound, copies, printed: printedArgs(layer, inChannels) };
}

function checkHead(network: Network<ScaledLayer>, layer: ScaledLayer): void {
  const after = network.layers[layer.index + 1];
  if (!layer.definition.head || !after) return;
  throw complaint(network, after, 'bad-from', after.spans.row, `${layer.module} (layer ${layer.index}) is a head, but layer ${after.index} follows it`, 'A head must be the last row: move it there, or remove what follows.');
}

/** Absolute indices; -1 is the image, which only layer 0 reads. */
function inputsOf(network: Network<ScaledLayer>, layer: ScaledLayer): number[] {
  const { index, from, definition } = layer;
  if (from.length === 0) throw complaint(network, layer, 'bad-from', layer.spans.from, 'from names no layer', 'Give at least one: -1 is the layer before.');
  if (definition.inputs === 'one' && from.length > 1) {
    throw complaint(network, layer, 'bad-from', layer.spans.from, `${layer.module} reads one layer, got ${from.length}`, 'Join layers with Concat first.');
  }
  return from.map((step) => {
    if (index === 0 && step === -1) return -1;
    const target = step < 0 ? index + step : step;
    if (target >= 0 && target < index) return target;
    const fact = target === index ? 'reads itself' : target > index ? `reads layer ${target}, which comes later` : `reads ${step}, but only ${index} layer${index === 1 ? '' : 's'} stand${index === 1 ? 's' : ''} before it`;
    const range = index === 0 ? 'Layer 0 reads the image: write -1.' : `Layer ${index} may read 0 to ${index - 1}, or -1 to -${index} counted back.`;
    throw complaint(network, layer, 'bad-from', layer.spans.from, `layer ${index} ${fact}`, range);
  });
}

function readArgs(network: Network<ScaledLayer>, layer: ScaledLayer): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  positional(layer.definition.args).forEach(([name, reader], i) => {
    const value = layer.args[i];
    if (value === undefined) return;
    try {
      given[name] = reader.read(value);
    } catch (error) {
      throw located(error, placeOf(network, layer, layer.spans.each[i] ?? layer.spans.args));
    }
  });
  return given;
}

function outOf(network: Network<ScaledLayer>, layer: ScaledLayer, bound: Readonly<Record<string, unknown>>, inChannels: readonly number[]): number {
  const { definition } = layer;
  const [channels] = positional(definition.args).filter(([, { kind }]) => kind === 'channels' || kind === 'nominal');
  try {
    const given = channels ? (bound[channels[0]] as number | undefined) : undefined;
    const out = definition.out?.(bound, inChannels) ?? given ?? inChannels[0]!;
    if (Number.isSafeInteger(out) && out >= 1 && out <= MAX_CHANNELS) return out;
    throw new Problem('bad-channels', `${layer.module} gives ${out} channels here; at most ${MAX_CHANNELS} are built`);
  } catch (error) {
    throw located(error, placeOf(network, layer, layer.spans.args), `${layer.module} takes ${usage(definition)} and reads ${inChannels.join(', ')} channels here.`);
  }
}

/** Copies run one after the other and are all built for the same channels, as `nn.Sequential` of them in both packages. */
function checkStack(network: Network<ScaledLayer>, layer: ScaledLayer, inChannels: readonly number[], out: number): void {
  const { module, definition, repeats } = layer;
  const span = layer.spans.repeats;
  if (definition.head || definition.inputs === 'many') {
    throw complaint(network, layer, 'bad-repeats', span, `${module} reads several layers and cannot be repeated, got ${repeats}`, 'Write 1.');
  }
  if (inChannels[0] === out) return;
  throw complaint(network, layer, 'bad-channels', span, `${repeats} copies of ${module} in a row must keep the channels, but these make ${out} of ${inChannels[0]}`, `Every copy is built for ${inChannels[0]} channels and the second would get ${out} (PyTorch fails as well): write one row that changes the channels, then one that repeats.`);
}

/**
 * Constructor arguments as the packages print them, without defaults: channels in front, nominal ones dropped, the
 * repeat count third where the module takes it.
 */
function printedArgs({ definition, args, repeats }: ScaledLayer, inChannels: readonly number[]): readonly Literal[] {
  if (definition.head) return [...args, inChannels];
  if (definition.prints === 'as-written') return args;
  const readers = positional(definition.args);
  const printed: Literal[] = [inChannels[0]!, ...args.filter((_, i) => readers[i]?.[1].kind !== 'nominal')];
  return definition.repeats === 'inside' ? printed.toSpliced(2, 0, repeats) : printed;
}

function complaint(network: Network, layer: ScaledLayer, code: Problem['code'], span: Span, message: string, help: string): Problem {
  return new Problem(code, message, { place: placeOf(network, layer, span), help });
}
