/**
 * The network IR: a yaml's rows, one record each, with their places in the text. Two passes work on it
 * (passes/network): `scale` and `infer-channels`. Recording turns it into a graph (compiler/record.ts).
 */
import type { Place, Source, Span } from '../errors.js';
import type { AnyModule } from '../module.js';

/** What a yaml value can be once names and Python literals in strings have been resolved. */
export type Literal = null | boolean | number | string | readonly Literal[];

export type Family = 'yolov5' | 'ultralytics';

/** One row `[from, repeats, module, args]`, as written. */
export interface Layer {
  readonly index: number;
  /** As written: -1 is the layer before, other negatives count back, the rest are indices. */
  readonly from: readonly number[];
  /** Whether `from` was written as a list. */
  readonly fromList: boolean;
  readonly repeats: number;
  /** The yaml's spelling, such as `nn.Upsample`. */
  readonly module: string;
  readonly args: readonly Literal[];
  readonly spans: LayerSpans;
}

export interface LayerSpans {
  readonly row: Span;
  readonly from: Span;
  readonly repeats: Span;
  readonly module: Span;
  readonly args: Span;
  /** One for every argument. */
  readonly each: readonly Span[];
}

/** A layer whose module is known, whose repeats are scaled and whose channel arguments are scaled. */
export interface ScaledLayer extends Layer {
  readonly definition: AnyModule;
}

/** A layer with everything its module will really get. */
export interface BoundLayer extends ScaledLayer {
  /** Absolute indices of the layers it reads; -1 is the image. */
  readonly inputs: readonly number[];
  readonly inChannels: readonly number[];
  /** What later layers are built for; recording checks it against the real output. */
  readonly outChannels: number;
  /** Arguments by name, defaults filled in; `n` is the repeat count where the module takes it inside. */
  readonly bound: Readonly<Record<string, unknown>>;
  /** How many copies run one after the other (modules that do not take the count inside). */
  readonly copies: number;
  /** The positional constructor arguments, as both packages print them. */
  readonly printed: readonly Literal[];
}

export interface Network<L extends Layer = Layer> {
  readonly source: Source;
  readonly family: Family;
  /** The model's name: the yaml's file name without extension. */
  readonly name: string;
  /** Scale letter in use; absent when the yaml gives its multiples directly. */
  readonly scale?: string;
  /** The scales that the yaml has. */
  readonly scales?: readonly string[];
  /** Nothing said which scale: the first was taken. */
  readonly guessed?: true;
  readonly depth: number;
  readonly width: number;
  readonly maxChannels: number;
  readonly nc: number;
  /** Channels of the input image. */
  readonly inputChannels: number;
  /** Class names, when the yaml or an option gives them. */
  readonly names?: readonly string[];
  /** Default activation of every Conv, such as `nn.ReLU()`; absent means SiLU. */
  readonly activation?: string;
  /** The yaml's top-level scalar and list values, for arguments that name them. */
  readonly keys: Readonly<Record<string, Literal>>;
  readonly layers: readonly L[];
}

/** Where a layer (or one part of its row) stands in the yaml. */
export function placeOf(network: Network, layer: Layer, span: Span = layer.spans.row): Place {
  return { source: network.source, span, layer: { index: layer.index, module: layer.module } };
}
