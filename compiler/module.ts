/**
 * What a module file says: its arguments (read from a yaml row), and one `build` that records its nodes.
 * Shapes, output channels, state_dict keys, parameter counts and MACs are read off the recording.
 */
import type { Builder } from './builder.js';
import { Problem } from './errors.js';
import type { Boxes, FeatureMap, Value } from './ir/graph.js';
import type { Literal } from './ir/network.js';

/** Reads one positional argument. `channels` and `nominal` arguments are scaled by the width multiple. */
export interface Reader<T> {
  /**
   * `channels`: a channel count, scaled by width; it is also what later layers are told.
   * `nominal`: likewise, but the module itself never gets it (many attention modules keep their input's channels).
   * `value`: anything else. `preset`: never read from a yaml; a dialect or another module sets it.
   */
  readonly kind: 'channels' | 'nominal' | 'value' | 'preset';
  readonly doc: string;
  /** The type as the help shows it, such as `int` or `int or [h, w]`. */
  readonly type: string;
  readonly optional: boolean;
  readonly default?: T;
  /** Throws a Problem that states what is wrong with the value, without place or argument name. */
  read(value: Literal): T;
}

export type Args = Readonly<Record<string, Reader<unknown>>>;

export type Bound<A extends Args> = { readonly [K in keyof A]: A[K] extends Reader<infer T> ? T : never };

/** Arguments for using a module inside another: those with a default may be left out. */
export type Given<A extends Args> = { readonly [K in keyof A]?: A[K] extends Reader<infer T> ? T : never };

export type Arity = 'one' | 'many';

export interface ModuleSpec<A extends Args, I extends Arity> {
  /** One sentence: what it does. */
  readonly doc: string;
  /** Paper or repository. */
  readonly source: string;
  readonly args: A;
  /** How many layers it reads: `one` (default) or `many`. */
  readonly inputs?: I;
  /** Where a repeat count goes: `stack` (default) runs copies one after the other, `inside` passes it as `n`. */
  readonly repeats?: 'stack' | 'inside';
  /** A head ends the network and gives its outputs. */
  readonly head?: { readonly task: 'detect' | 'segment' | 'pose'; readonly outputs: readonly HeadOutput[] };
  /** An operator rather than a layer: `--module` and goldens name it, yamls do not, and its inputs may have any rank. */
  readonly operator?: OperatorSpec;
  /** How the packages print constructor arguments: channels first (default) or the row as written. */
  readonly prints?: 'channels-first' | 'as-written';
  /** Conditions on shapes and channels that the paper's definition sets; shown by `modules`. */
  readonly constraints?: readonly string[];
  /** A small use that compiles: input shapes (one for every input) and the yaml row's args. */
  readonly example: { readonly inputs: readonly (readonly number[])[]; readonly args: readonly Literal[]; readonly n?: number };
  /**
   * The row's args (at width 1) and repeat count, from a trained layer whose yaml is lost; absent where tensors and
   * attributes do not tell them all.
   */
  recover?(layer: TrainedLayer): { readonly args: readonly Literal[]; readonly n?: number };
  /** Channels that later layers are told; default: the channels or nominal argument, else the input's. */
  out?(args: Bound<A>, inputs: readonly number[]): number;
  build(g: Builder, x: I extends 'many' ? readonly FeatureMap[] : FeatureMap, args: Bound<A> & { readonly n: number }): Value | readonly Value[];
}

/** A layer of a pickled model, by paths within it; '' is the layer itself. */
export interface TrainedLayer {
  /** Sizes of a tensor. Throws Problem('bad-weights') where there is none. */
  shape(key: string): readonly number[];
  /** An attribute of a submodule as plain data; null where it has none. */
  stated(path: string, attribute: string): Literal;
  /** Numbered children of a ModuleList or Sequential. */
  count(path: string): number;
}

export interface OperatorSpec {
  /** The sizes of every input by name; equal names are equal sizes. The first is the batch. */
  readonly shapes: readonly (readonly (string | number)[])[];
  /** The names of sizes, beside the batch, that dynamic shapes leave open. */
  readonly open: readonly string[];
  /** Whether it is recorded as one node that can be presented as a function or opaque node. */
  readonly custom?: boolean;
  /** The row's args for the attributes of its opaque form; absent where there are none. */
  args?(attributes: Readonly<Record<string, number>>): readonly Literal[];
}

/** How an output of a head is laid out, for documentation strings and verification bounds. */
export interface HeadOutput {
  readonly name: string;
  readonly doc: string;
  /** Dimension names for dynamic axes, by axis. */
  readonly axes: readonly string[];
  /** Of an output that is boxes with classes and nothing else. */
  readonly boxes?: Boxes;
}

export interface Module<A extends Args = Args, I extends Arity = Arity> extends ModuleSpec<A, I> {
  readonly inputs: I;
  readonly repeats: 'stack' | 'inside';
}

/** A module whose arguments are only known at run time. Methods are bivariant, so every Module is one. */
export type AnyModule = Module;

export function defineModule<const A extends Args, const I extends Arity = 'one'>(spec: ModuleSpec<A, I>): Module<A, I> {
  return { ...spec, inputs: spec.inputs ?? ('one' as I), repeats: spec.repeats ?? 'stack' };
}

/** The arguments of a use, with defaults for what was not given. */
export function withDefaults<A extends Args>(args: A, given: Given<A>): Bound<A> {
  const bound: Record<string, unknown> = {};
  for (const [name, reader] of Object.entries(args)) {
    const value = given[name];
    bound[name] = value === undefined ? reader.default : value;
  }
  return bound as Bound<A>;
}

/** `[out, kernel=1, stride=1, padding, groups=1]`: a usage line. */
export function usage(module: AnyModule): string {
  const parts = positional(module.args).map(([name, reader]) => {
    if (!reader.optional) return name;
    return reader.default === undefined ? `${name}?` : `${name}=${showDefault(reader.default)}`;
  });
  return `[${parts.join(', ')}]`;
}

/** A default as a row would give it: a square kernel by one number. */
export function showDefault(value: unknown): string {
  const square = Array.isArray(value) && value.length === 2 && typeof value[0] === 'number' && value[0] === value[1];
  return showLiteral(square ? (value as readonly unknown[])[0] : value);
}

/** The arguments that a yaml row can give, in order. */
export function positional(args: Args): [string, Reader<unknown>][] {
  return Object.entries(args).filter(([, reader]) => reader.kind !== 'preset');
}

/** A value as Python writes it. */
export function showLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `[${value.map(showLiteral).join(', ')}]`;
  return typeof value === 'number' ? String(value) : `'${(value as string).replace(/[\r\n\t]/g, (space) => ({ '\r': '\\r', '\n': '\\n' })[space] ?? '\\t')}'`;
}

// --- readers ---------------------------------------------------------------------------------------------------

/** More channels than any network has; keeps hostile numbers from becoming allocations. */
const MAX_CHANNELS = 65_536;
const MAX_INT = 2 ** 31 - 1;

function wrong(expected: string, value: Literal): Problem {
  return new Problem('bad-argument', `must be ${expected}, got ${showLiteral(value)}`);
}

function integer(value: Literal, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong('an integer', value);
  if (value < min) throw new Problem('bad-argument', `must be at least ${min}, got ${value}`);
  if (value > max) throw new Problem('bad-argument', `must be at most ${max}, got ${value}`);
  return value;
}

function make<T>(kind: Reader<T>['kind'], type: string, doc: string, fallback: T | undefined, optional: boolean, read: (value: Literal) => T): Reader<T> {
  return { kind, type, doc, optional, read, ...(fallback === undefined ? {} : { default: fallback }) };
}

/** A count of output channels, scaled by the width multiple. */
export const channels = (doc: string): Reader<number> =>
  make('channels', 'int', doc, undefined, false, (value) => integer(value, 1, MAX_CHANNELS));

/** A channel count of the row that the module itself does not use: it is scaled and told to later layers. */
export const nominal = (doc: string): Reader<number> =>
  make('nominal', 'int', doc, undefined, false, (value) => integer(value, 1, MAX_CHANNELS));

export const int = (doc: string, fallback?: number, range: { min?: number; max?: number } = {}): Reader<number> =>
  make('value', 'int', doc, fallback, fallback !== undefined, (value) => integer(value, range.min ?? 1, range.max ?? MAX_INT));

/** An integer, or None where the module works it out. */
export const intOrNone = (doc: string, range: { min?: number; max?: number } = {}): Reader<number | null> =>
  make<number | null>('value', 'int or None', doc, null, true, (value) => (value === null ? null : integer(value, range.min ?? 1, range.max ?? MAX_INT)));

export const number = (doc: string, fallback?: number, range: { min?: number; max?: number } = {}): Reader<number> =>
  make('value', 'number', doc, fallback, fallback !== undefined, (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong('a finite number', value);
    if (range.min !== undefined && value < range.min) throw new Problem('bad-argument', `must be at least ${range.min}, got ${value}`);
    if (range.max !== undefined && value > range.max) throw new Problem('bad-argument', `must be at most ${range.max}, got ${value}`);
    return value;
  });

/** True or False; 0 and 1 count, as they do in Python. */
export const bool = (doc: string, fallback?: boolean): Reader<boolean> =>
  make('value', 'bool', doc, fallback, fallback !== undefined, (value) => {
    if (typeof value === 'boolean') return value;
    if (value === 0 || value === 1) return value === 1;
    throw wrong('True or False', value);
  });

/** What Python takes as a condition: any number but 0 is true. */
export const flag = (doc: string, fallback: boolean): Reader<boolean> =>
  make('value', 'bool', doc, fallback, true, (value) => {
    if (typeof value === 'boolean') return value;
    if (value === null) return false;
    if (typeof value === 'number') return value !== 0;
    throw wrong('True or False', value);
  });

export type Pair = readonly [number, number];

/** An int for both dimensions, or [height, width]. */
export const pair = (doc: string, fallback?: number, min = 1): Reader<Pair> =>
  make('value', 'int or [h, w]', doc, fallback === undefined ? undefined : [fallback, fallback], fallback !== undefined, (value) => toPair(value, min));

function toPair(value: Literal, min: number): Pair {
  const limit = 4096;
  if (Array.isArray(value)) {
    const list = value as readonly Literal[];
    if (list.length !== 2) throw wrong('an integer or [height, width]', value);
    return [integer(list[0]!, min, limit), integer(list[1]!, min, limit)];
  }
  if (typeof value !== 'number') throw wrong('an integer or [height, width]', value);
  const size = integer(value, min, limit);
  return [size, size];
}

/** Padding per side; None means "same" for odd kernels: `dilation * (kernel - 1) // 2`, as autopad does. */
export const padding = (doc: string): Reader<Pair | null> =>
  make<Pair | null>('value', 'int, [h, w] or None', doc, null, true, (value) => (value === null ? null : toPair(value, 0)));

/** A list of integers. */
export const ints = (doc: string, fallback?: readonly number[], range: { min?: number; max?: number; empty?: boolean } = {}): Reader<readonly number[]> =>
  make('value', 'list of int', doc, fallback, fallback !== undefined, (value) => {
    if (!Array.isArray(value)) throw wrong('a list of integers', value);
    const list = value as readonly Literal[];
    if ((list.length === 0 && !range.empty) || list.length > 1024) throw wrong('a list of integers', value);
    return list.map((item) => integer(item, range.min ?? 1, range.max ?? MAX_INT));
  });

/** One word of a few. */
export const choice = <const W extends string>(doc: string, words: readonly W[], fallback: W): Reader<W> =>
  make<W>('value', words.join(' or '), doc, fallback, true, (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw wrong(`one of ${words.join(', ')}`, value);
    return word;
  });

/** True: the model's default activation. A string such as `nn.ReLU()`: that one. Anything else, 1 included, is none: Conv asks `act is True`. */
export const activation = (doc: string): Reader<boolean | string> =>
  make<boolean | string>('value', 'bool or nn.X()', doc, true, true, (value) => {
    if (typeof value === 'boolean' || typeof value === 'string') return value;
    if (value === null || typeof value === 'number') return false;
    throw wrong("True, False or an activation such as 'nn.ReLU()'", value);
  });

/** Any value; the module's own code looks at it. */
export const literal = (doc: string, type: string, fallback?: Literal): Reader<Literal> =>
  make<Literal>('value', type, doc, fallback, fallback !== undefined, (value) => value);

/** An argument that no yaml row gives: a dialect, or the module that uses this one, sets it. */
export const preset = <T>(doc: string, fallback: T): Reader<T> => make<T>('preset', 'preset', doc, fallback, true, () => fallback);
