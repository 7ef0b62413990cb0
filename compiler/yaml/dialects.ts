/**
 * What the two families spell or count differently. `parse_model` of YOLOv5 7.0 (models/yolo.py) and of Ultralytics 8.4
 * (nn/tasks.py) agree on the rest.
 */
import type { Family, Layer, Literal, Network } from '../ir/network.js';
import type { AnyModule, Reader } from '../module.js';
import { LISTED, undefinedByArticle } from './article-names.js';

/** A yaml name that is not simply a module file's. */
export interface Alias {
  readonly file: string;
  /** The positional arguments in this family's order; those left out are never read from a row. */
  readonly order?: readonly string[];
  /** Values of arguments that no row gives. */
  readonly presets?: Readonly<Record<string, unknown>>;
  /** Presets that top-level keys of the yaml set: argument → key (checked when the yaml is read). */
  readonly keys?: Readonly<Record<string, string>>;
}

export interface Dialect {
  readonly aliases: Readonly<Record<string, Alias>>;
  /** Module files that a yaml of this family reaches by another name only. */
  readonly hidden: readonly string[];
  /** The way out for a name that means a module which is not there (yet). */
  unavailable(name: string): string | undefined;
  /** Whether a channel count is left unscaled. */
  keeps(count: number, module: string, network: Network): boolean;
  scaleChannels(count: number, network: Network): number;
  /** The arguments as the module gets them, where the family spells them in another way. (The article's parser hands SimAM nothing but channels.) */
  rewrite(layer: Layer, network: Network): readonly Literal[];
}

const SHARED: Readonly<Record<string, Alias>> = {
  'nn.Upsample': { file: 'Upsample' },
  'torch.nn.Upsample': { file: 'Upsample' },
  PolarizedPSA: { file: 'PSA' },
  BAMBlock: { file: 'BAM' },
  EffectiveSEModule: { file: 'EffectiveSE' },
  // As SwiftFormer spells it.
  EfficientAdditiveAttnetion: { file: 'EfficientAdditiveAttention' },
  GCNet: { file: 'GlobalContext' },
  LSKblock: { file: 'LSKBlock' },
  ParNetAttention: { file: 'ParNet' },
  SaELayer: { file: 'SENetV2' },
  SELayerV2: { file: 'SENetV2' },
  SpatialGroupEnhance: { file: 'SGE' },
  ...LISTED,
};

/** `make_divisible(c, 8)`; the product before it is Python's, double by double. */
const toMultipleOf8 = (count: number): number => Math.ceil(count / 8) * 8;

/** Where v7 put a dilation before `act`: a bool there is a v6 row's act, which v7 itself would not run. */
const DILATION: Readonly<Record<string, number>> = { Conv: 5, DWConv: 3 };

/** The goldens' names of operators, which are functions in PyTorch. */
const OPERATORS: Readonly<Record<string, Alias>> = {
  grid_sample: { file: 'DeformableSample' },
  spatial_shift1: { file: 'SpatialShift', presets: { first: 'rows' } },
  spatial_shift2: { file: 'SpatialShift', presets: { first: 'columns' } },
  channel_shuffle: { file: 'ChannelShuffle' },
};

const yolov5: Dialect = {
  aliases: {
    ...SHARED,
    ...OPERATORS,
    Detect: { file: 'AnchorDetect' },
    Segment: { file: 'AnchorSegment' },
    Bottleneck: { file: 'Bottleneck', order: ['out', 'shortcut', 'groups', 'ratio'], presets: { kernels: [[1, 1], [3, 3]] } },
    SPPF: { file: 'SPPF', order: ['out', 'kernel'] },
  },
  hidden: ['AnchorDetect', 'AnchorSegment', 'Upsample', 'Pose'],
  unavailable: (name) => (name === 'Pose' ? 'Pose is a head of Ultralytics’ models, which have no anchors: YOLOv5 has none.' : undefinedByArticle(name)),
  // `c2 != no`: a layer with as many channels as the head has outputs is meant to be one. Article 000 wrote nc for no.
  // The heads' own channels know no such exception.
  keeps: (count, module, network) => module !== 'Segment' && count === (module === 'PSA' || module === 'PolarizedPSA' ? network.nc : headOutputs(network)),
  scaleChannels: (count, { width }) => toMultipleOf8(count * width),
  rewrite: ({ module, from, args }, { keys }) => {
    if (module === 'SimAM') return args.slice(0, 1);
    const dilation = DILATION[module];
    if (dilation !== undefined && typeof args[dilation] === 'boolean') return args.toSpliced(dilation, 0, 1);
    const anchors = args[1];
    if ((module !== 'Detect' && module !== 'Segment') || typeof anchors !== 'number' || anchors !== keys.anchors) return args;
    // A number of anchors stands for [0, 1, …, 2a − 1] on every level, to be trained.
    const sizes = Array.from({ length: anchors * 2 }, (_, i) => i);
    return [args[0]!, from.map(() => sizes), ...args.slice(2)];
  },
};

/** `no`: anchors per cell times box, objectness and classes. */
function headOutputs({ keys, nc }: Network): number {
  const anchors = keys.anchors;
  const perCell = Array.isArray(anchors) ? (anchors[0] as readonly Literal[]).length / 2 : Number(anchors);
  return perCell * (nc + 5);
}

const ultralytics: Dialect = {
  aliases: {
    ...SHARED,
    ...OPERATORS,
    Detect: { file: 'Detect', keys: { regMax: 'reg_max' } },
    Segment: { file: 'Segment', keys: { regMax: 'reg_max' } },
    Pose: { file: 'Pose', keys: { regMax: 'reg_max' } },
    BottleneckCSP: { file: 'BottleneckCSP', presets: { kernels: [[3, 3], [3, 3]] } },
  },
  hidden: ['AnchorDetect', 'AnchorSegment', 'Upsample', 'PSA'],
  unavailable: (name) =>
    name === 'PSA'
      ? 'In an Ultralytics yaml PSA is YOLOv10’s partial self-attention, which is not available yet. For polarized self-attention write PolarizedPSA.'
      : undefinedByArticle(name),
  // The exception `c2 != nc` of releases before 8.4 is gone.
  keeps: () => false,
  scaleChannels: (count, { width, maxChannels }) => toMultipleOf8(Math.min(count, maxChannels) * width),
  rewrite: ({ module, args }) => (module === 'SimAM' ? args.slice(0, 1) : args),
};

const DIALECTS: Readonly<Record<Family, Dialect>> = { yolov5, ultralytics };

export const dialectOf = ({ family }: Pick<Network, 'family'>): Dialect => DIALECTS[family];

export function resolve(dialect: Dialect, name: string): Alias {
  return Object.hasOwn(dialect.aliases, name) ? dialect.aliases[name]! : { file: name };
}

/** All that a yaml of the family may name. */
export function namesOf(dialect: Dialect, files: readonly string[]): string[] {
  const there = new Set(files);
  const aliases = Object.entries(dialect.aliases).filter(([, { file }]) => there.has(file));
  const names = new Set([...files.filter((file) => !dialect.hidden.includes(file)), ...aliases.map(([name]) => name)]);
  return [...names].sort();
}

/** Other spellings of a name that mean exactly the same. */
export function spellingsOf(dialect: Dialect, name: string): string[] {
  const { file, ...own } = resolve(dialect, name);
  if (Object.keys(own).length > 0) return [];
  const visible = dialect.hidden.includes(file) ? [] : [file];
  const plain = Object.entries(dialect.aliases).filter(([, alias]) => alias.file === file && Object.keys(alias).length === 1);
  return [...visible, ...plain.map(([spelling]) => spelling)].filter((spelling) => spelling !== name);
}

/** `max(round(n · depth), 1)` for n > 1, with Python's rounding of halves to even. */
export function scaleRepeats(repeats: number, { depth }: Pick<Network, 'depth'>): number {
  return repeats > 1 ? Math.max(roundHalfToEven(repeats * depth), 1) : repeats;
}

function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** The definition under its alias: arguments in the family's order, presets with the family's values. */
export function adapt(module: AnyModule, alias: Alias, network: Pick<Network, 'keys'>): AnyModule {
  const presets = { ...alias.presets, ...presetsFromKeys(module, alias, network) };
  if (!alias.order && Object.keys(presets).length === 0) return module;
  const order = alias.order ?? Object.keys(module.args);
  const args: Record<string, Reader<unknown>> = {};
  for (const name of [...order, ...Object.keys(module.args)]) {
    const reader = module.args[name];
    if (!reader || Object.hasOwn(args, name)) continue;
    if (Object.hasOwn(presets, name)) args[name] = asPreset(reader, presets[name]);
    else args[name] = order.includes(name) ? reader : asPreset(reader, reader.default);
  }
  return { ...module, args };
}

const asPreset = (reader: Reader<unknown>, value: unknown): Reader<unknown> => ({ ...reader, kind: 'preset', optional: true, default: value, read: () => value });

function presetsFromKeys(module: AnyModule, { keys = {} }: Alias, network: Pick<Network, 'keys'>): Record<string, unknown> {
  const given = Object.entries(keys).filter(([name, key]) => module.args[name] && network.keys[key] !== undefined && network.keys[key] !== null);
  return Object.fromEntries(given.map(([name, key]) => [name, network.keys[key]]));
}
