/**
 * The recording builder: what a module's `build` gets as `g`. It declares parameters under PyTorch's state_dict
 * keys and records nodes. A child made by `in` writes to the same graph under a longer module path.
 */
import { activate, sameActivation } from './activations.js';
import { Problem, internal } from './errors.js';
import { known, show, singleAtom, termsOf, type Extent, type Shape } from './ir/extent.js';
import { viewOf, type CallNode, type Constant, type DType, type FeatureMap, type Graph, type Input, type Node, type Param, type Result, type Value } from './ir/graph.js';
import { withDefaults, type AnyModule, type Args, type Arity, type Given, type Module, type Pair } from './module.js';
import { rowOf, type AttrsOf, type OpName } from './onnx/operators/index.js';
import { TensorOps, toPair, type MapShape, type Tensor } from './tensor-ops.js';
import { checkAgainst, statedActivation } from './stated.js';
import type { WeightSource } from './weights/source.js';

/** BatchNorm2d eps: both packages set 1e-3 on every BatchNorm2d of a model. */
const BATCH_NORM_EPS = 1e-3;
/** PyTorch's default for BatchNorm1d, GroupNorm and LayerNorm, which the packages leave alone. */
const NORM_EPS = 1e-5;

/** What one recording shares between all its builders. */
export interface Recording {
  readonly weights: WeightSource;
  /** Default activation of Conv (`nn.ReLU()`); absent means SiLU. */
  readonly activation?: string;
  /** Size of the image that the network gets; absent for a module alone. */
  readonly image?: readonly [height: Extent, width: Extent];
  /** Whether a string such as 'nn.ReLU()' as a Conv's act is an activation (YOLOv5) or none (Ultralytics never evaluates it). */
  readonly namedActivations: boolean;
  readonly warn: (message: string) => void;
  readonly params: Map<string, Param>;
  /** Module paths, as `named_modules()` would list them; shared instances appear once. */
  readonly modules: Set<string>;
  /**
   * Results of convolutions, with their paths, that a weights file has a bias for and the definition has not: a BatchNorm was
   * fused into each.
   */
  readonly fused: Map<Value, string>;
  /** What was said of trained layers that are not as the yaml has them. */
  readonly said: Set<string>;
  /**
   * What summaries count: elements of parameters (not buffers), and whether an nn.Linear is among the modules (its cost
   * need not grow with the map).
   */
  readonly counted: { elements: number; linear: boolean };
  /** A recording that is only counted: sizes at which the numbers would be undefined are let through. */
  readonly countOnly?: boolean;
}

export const newRecording = (options: Omit<Recording, 'params' | 'modules' | 'fused' | 'said' | 'counted'>): Recording => ({
  ...options,
  params: new Map(),
  modules: new Set(),
  fused: new Map(),
  said: new Set(),
  counted: { elements: 0, linear: false },
});

export interface ConvOptions {
  readonly out: number;
  readonly kernel?: number | Pair;
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  readonly groups?: number;
  readonly dilation?: number | Pair;
  readonly bias?: boolean;
  /** What the result is multiplied by: a number or a trained scalar. It goes into weight and bias. */
  readonly scale?: number | Param;
  /** What becomes of weight and bias, instead of a scale. Only with a bias. */
  readonly affine?: Affine;
}

/** Of a Conv1d along one axis of a map. */
export interface LineOptions extends Pick<ConvOptions, 'out' | 'groups' | 'bias'> {
  readonly kernel?: number;
  readonly padding?: number;
}

export type LinearOptions = Pick<ConvOptions, 'out' | 'bias' | 'scale'>;

/** What becomes of a normalization's gain and bias, or of a convolution's weight and bias. */
export type Affine = (gain: Param, bias: Param) => readonly [Value, Value];
const unchanged: Affine = (gain, bias) => [gain, bias];

export class Builder extends TensorOps {
  constructor(
    readonly recording: Recording,
    private readonly nodes: Node[],
    /** PyTorch's module path so far, such as `model.9`; empty for a module alone. */
    readonly scope: string,
  ) {
    super();
  }

  private path(name: string): string {
    if (this.scope === '' || name === '') return this.scope + name;
    return `${this.scope}.${name}`;
  }

  /** A builder for a submodule (or a Sequential, or a ModuleList) of this name. */
  in(name: string): Builder {
    this.recording.modules.add(this.path(name));
    return new Builder(this.recording, this.nodes, this.path(name));
  }

  /**
   * Registers a submodule that PyTorch has and the forward pass does not use, or computes elsewhere. The empty name is
   * this module itself; `/name` is one instance that every user shares (Conv's default activation).
   */
  declare(...names: readonly string[]): void {
    for (const name of names) this.recording.modules.add(name.startsWith('/') ? name : this.path(name));
  }

  /** Uses another module as the submodule `name`. */
  use<A extends Args, I extends Arity>(name: string, module: Module<A, I>, x: I extends 'many' ? readonly FeatureMap[] : FeatureMap, args: Given<A>, n = 1): FeatureMap {
    const bound = { ...withDefaults(module.args, args), n };
    return module.build(this.in(name), x, bound) as FeatureMap;
  }

  protected record<K extends OpName>(op: K, inputs: readonly Value[], attrs: AttrsOf<K>, module?: string): readonly Result[] {
    const outputs = rowOf(op)
      .infer(inputs, attrs)
      .map((type): Result => ({ kind: 'result', dtype: type.dtype, shape: type.shape }));
    const leaf = module !== undefined;
    if (leaf) checkAgainst(this.recording.weights, this.path(module), op, attrs);
    // A shared instance scopes nothing.
    const own = leaf && !module.startsWith('/');
    if (leaf) this.declare(module);
    this.nodes.push({ kind: 'op', op, inputs, attrs, outputs, scope: own ? this.path(module) : this.scope, leaf } as Node);
    return outputs;
  }

  constant(data: ArrayLike<number>, shape: readonly number[], dtype: DType = 'float32'): Constant {
    return { kind: 'constant', dtype, shape, data: dtype !== 'int64' && dtype !== 'bool' && !(data instanceof Float32Array) ? Float32Array.from(data) : data };
  }

  /** A trained tensor. Asked for twice it is shared; with another shape it is a fault of the module. */
  param<const S extends readonly number[]>(name: string, shape: S): Param<S> {
    return this.declareTensor(name, shape, true);
  }

  /** A buffer that training changes, such as running means: read from the weights, not counted as a parameter. */
  buffer<const S extends readonly number[]>(name: string, shape: S): Param<S> {
    return this.declareTensor(name, shape, false);
  }

  /** A tensor that is not trained: the architecture's values, unless the weights file has others. */
  kept<const S extends readonly number[]>(name: string, shape: S, values: ArrayLike<number>, counted: boolean): Param<S> {
    return this.declareTensor(name, shape, counted, values);
  }

  private declareTensor<const S extends readonly number[]>(name: string, shape: S, counted: boolean, kept?: ArrayLike<number>): Param<S> {
    const key = this.path(name);
    const known = this.recording.params.get(key);
    if (known) {
      if (known.shape.length !== shape.length || known.shape.some((size, i) => size !== shape[i])) {
        throw internal(`${key} is declared as [${known.shape.map(show).join(', ')}] and as [${shape.join(', ')}]`);
      }
      return known as Param<S>;
    }
    if (shape.some((size) => size < 1)) throw new Problem('bad-channels', `${key} would have the shape [${shape.join(', ')}]`);
    const param: Param<S> = { kind: 'param', dtype: 'float32', shape, key, kept: kept !== undefined, read: this.recording.weights.tensor(key, shape, kept) };
    this.recording.params.set(key, param);
    if (counted) this.recording.counted.elements += shape.reduce((n, size) => n * size, 1);
    return param;
  }

  /** nn.Conv2d: x [n, c, h, w] → [n, out, h', w']. */
  conv2d(name: string, x: FeatureMap, options: ConvOptions): Tensor<MapShape> {
    return this.convNd(name, x, options, [options.kernel ?? 1, options.stride ?? 1, options.padding ?? 0, options.dilation ?? 1].map((v) => toPair(v)));
  }

  /** nn.ConvTranspose2d without padding: x [n, c, h, w] → [n, out, (h − 1)·stride + kernel, …]. */
  convTranspose2d(name: string, x: FeatureMap, { out, kernel, stride }: { readonly out: number; readonly kernel: number; readonly stride: number }): Tensor<MapShape> {
    const operands = [x, this.param(`${name}.weight`, [x.shape[1], out, kernel, kernel]), this.param(`${name}.bias`, [out])];
    return this.one('ConvTranspose', operands, { kernel: [kernel, kernel], strides: [stride, stride], pads: [0, 0, 0, 0], group: 1 }, name);
  }

  /** nn.Conv1d: x [n, c, l] → [n, out, l']. */
  conv1d(name: string, x: Value<readonly [Extent, number, Extent]>, options: ConvOptions): Tensor<readonly [Extent, number, Extent]> {
    return this.convNd(name, x, options, [options.kernel ?? 1, options.stride ?? 1, options.padding ?? 0, options.dilation ?? 1].map((v) => [toPair(v)[0]]));
  }

  /** nn.Conv1d along the height (2) or width (3) of a map, every line on its own: x [n, c, h, w], without reshaping to lines. */
  conv1dAlong(name: string, x: FeatureMap, axis: 2 | 3, { out, kernel = 1, padding = 0, groups = 1, bias = true }: LineOptions): Tensor<MapShape> {
    const along = (size: number, other: number): Pair => (axis === 2 ? [size, other] : [other, size]);
    const weight = this.param(`${name}.weight`, [out, x.shape[1] / groups, kernel]);
    const params = [viewOf(weight, [out, x.shape[1] / groups, ...along(kernel, 1)]), ...(bias ? [this.param(`${name}.bias`, [out])] : [])];
    const pads = along(padding, 0);
    return this.one('Conv', [x, ...params], { kernel: along(kernel, 1), strides: [1, 1], pads: [...pads, ...pads], dilations: [1, 1], group: groups }, name);
  }

  private convNd<S extends Shape>(name: string, x: Value, { out, groups = 1, bias = true, scale, affine }: ConvOptions, [kernel, strides, pads, dilations]: readonly (readonly number[])[]): Tensor<S> {
    const c = known(x.shape[1]!, 'the number of channels');
    if (c % groups !== 0 || out % groups !== 0) {
      throw new Problem('bad-channels', `${c} input and ${out} output channels do not divide into ${groups} groups`);
    }
    const weight = this.param(`${name}.weight`, [out, c / groups, ...kernel!]);
    const fused = !bias && (this.recording.weights.has?.(this.path(`${name}.bias`)) ?? false);
    const params: readonly Param[] = bias || fused ? [weight, this.param(`${name}.bias`, [out])] : [weight];
    const operands = affine && params[1] ? affine(weight, params[1]) : this.scaled(params, scale);
    const y = this.one<'Conv', S>('Conv', [x, ...operands], { kernel: kernel!, strides: strides!, pads: [...pads!, ...pads!], dilations: dilations!, group: groups }, name);
    if (fused) this.recording.fused.set(y, this.path(name));
    return y;
  }

  /** nn.BatchNorm2d in eval mode; `affine` may change its gain and bias. */
  batchNorm2d(name: string, x: FeatureMap, affine: Affine = unchanged): Tensor<MapShape> {
    return this.batchNorm(name, x, affine, BATCH_NORM_EPS);
  }

  /** nn.BatchNorm1d in eval mode, over the channels of a map: its eps stays PyTorch's. */
  batchNorm1d(name: string, x: FeatureMap): Tensor<MapShape> {
    return this.batchNorm(name, x, unchanged, NORM_EPS);
  }

  private batchNorm(name: string, x: FeatureMap, affine: Affine, epsilon: number): Tensor<MapShape> {
    // fuse_conv_and_bn has made it a part of the convolution before, and deleted it.
    if (this.recording.fused.delete(x) && !this.recording.weights.has?.(this.path(`${name}.weight`))) return x as Tensor<MapShape>;
    const [gain, bias] = affine(...this.affine(name, x.shape[1]));
    const statistics = ['running_mean', 'running_var'].map((leaf) => this.buffer(`${name}.${leaf}`, [x.shape[1]]));
    return this.one('BatchNormalization', [x, gain, bias, ...statistics], { epsilon: this.epsilon(name, epsilon) }, name);
  }

  /** nn.GroupNorm: one gain and bias per channel, which `affine` may change. */
  groupNorm(name: string, x: FeatureMap, groups: number, affine: Affine = unchanged): Tensor<MapShape> {
    return this.one('GroupNormalization', [x, ...affine(...this.affine(name, x.shape[1]))], { groups, epsilon: this.epsilon(name, NORM_EPS) }, name);
  }

  /** nn.LayerNorm over the last axis. */
  layerNorm<S extends Shape>(name: string, x: Value<S>, epsilon = NORM_EPS): Tensor<S> {
    const size = known(x.shape.at(-1)!, 'the normalized size');
    return this.one('LayerNormalization', [x, ...this.affine(name, size)], { epsilon: this.epsilon(name, epsilon) }, name);
  }

  /** A normalization's eps: what a pickled model has, else the definition's. */
  private epsilon(name: string, defined: number): number {
    const stated = this.recording.weights.module?.(this.path(name))?.attribute('eps');
    if (typeof stated !== 'number' || !(stated >= 0)) return defined;
    if (stated !== defined) this.believe('eps', String(stated), String(defined));
    return stated;
  }

  /** Says once what the trained layers have and their definition has not. */
  private believe(what: string, stated: string, defined: string): void {
    this.sayOnce(`the trained layers have ${what} ${stated}, their definition has ${defined}: the layers are believed`);
  }

  private sayOnce(text: string): void {
    if (!this.recording.said.has(text)) this.recording.warn(text);
    this.recording.said.add(text);
  }

  /** An attribute of this module in a pickled model; undefined without one. */
  stated(attribute: string): unknown {
    return this.recording.weights.module?.(this.scope)?.attribute(attribute);
  }

  /** Instance normalization with given gain and bias [c], over the positions of each channel of x [n, c, …]. */
  instanceNorm<S extends Shape>(x: Value<S>, gamma: Value, beta: Value, epsilon: number): Tensor<S> {
    return this.one('InstanceNormalization', [x, gamma, beta], { epsilon });
  }

  private affine(name: string, size: number): readonly [Param, Param] {
    return [this.param(`${name}.weight`, [size]), this.param(`${name}.bias`, [size])];
  }

  /** nn.Linear: x [n, in] → [n, out]. */
  linear(name: string, x: Value<readonly [Extent, number]>, { out, bias = true, scale }: LinearOptions): Tensor<readonly [Extent, number]> {
    return this.one('Gemm', [x, ...this.scaled(this.linearParams(name, x.shape[1], out, bias), scale)], {}, name);
  }

  /** nn.Linear over the channels of a map, as the 1×1 convolution that it is: x [n, in, h, w] → [n, out, h, w]. */
  pointwise(name: string, x: FeatureMap, { out, bias = true, scale }: LinearOptions): Tensor<MapShape> {
    const [weight, ...rest] = this.linearParams(name, x.shape[1], out, bias) as [Param, ...Param[]];
    const window = { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
    return this.one('Conv', [x, ...this.scaled([viewOf(weight, [out, x.shape[1], 1, 1]), ...rest], scale)], window, name);
  }

  private scaled(params: readonly Param[], scale: ConvOptions['scale']): readonly Value[] {
    return scale === undefined ? params : params.map((param) => this.mul(param, scale));
  }

  /** nn.Linear over the last axis of any rank; `order` says which feature of the original each input feature is. */
  dense(name: string, x: Value, { out, bias = true, order }: Omit<LinearOptions, 'scale'> & { readonly order?: readonly number[] }): Tensor {
    const [weight, ...rest] = this.linearParams(name, known(x.shape.at(-1)!, 'the number of features'), out, bias) as [Param, ...Param[]];
    const ordered = order ? this.gather(weight, 1, order) : weight;
    const product = this.matmul(x, this.transpose(ordered, [1, 0]), name);
    return rest[0] ? this.add(product, rest[0]) : product;
  }

  private linearParams(name: string, size: number, out: number, bias: boolean): readonly Param[] {
    this.recording.counted.linear = true;
    const weight = this.param(`${name}.weight`, [out, size]);
    return bias ? [weight, this.param(`${name}.bias`, [out])] : [weight];
  }

  /** Sizes at which the definition divides by zero, or else gives no numbers. Open sizes are not known to. */
  undefinedWhere(condition: boolean, what: string, help: string): void {
    if (condition && !this.recording.countOnly) throw new Problem('bad-shape', what, { help });
  }

  /** What PyTorch computes, and a shorter way to the same numbers: GFLOPs count the first, files hold the second. Both declare the same tensors. */
  either<T>(counted: () => T, computed: () => T): T {
    return this.recording.countOnly ? counted() : computed();
  }

  /**
   * Conv's activation: true is the model's default (one instance, shared by all), a string such as `nn.ReLU()`
   * that one, false none (PyTorch has an nn.Identity there). A pickled model knows which it really has.
   */
  activation<S extends Shape>(x: Value<S>, which: boolean | string, name: string): Value<S> {
    const stated = statedActivation(this.recording.weights, this.path(name));
    if (stated !== undefined) {
      const defined = which === true ? (this.recording.activation ?? 'nn.SiLU()') : which === false ? 'nn.Identity()' : which;
      const same = sameActivation(stated, defined);
      const yamlSays = this.recording.weights.yamlGiven && (typeof which === 'string' || this.recording.activation !== undefined);
      if (same || !yamlSays) {
        if (!same) this.believe('the activation', stated, defined);
        return activate(this, x, stated, name);
      }
      this.sayOnce(`the trained layers have the activation ${stated}, the yaml says ${defined}: the yaml counts`);
    }
    if (which === true) return activate(this, x, this.recording.activation ?? 'nn.SiLU()', '/default_act');
    if (typeof which === 'string' && this.recording.namedActivations) return activate(this, x, which, name);
    if (typeof which === 'string') {
      this.recording.warn(`Ultralytics does not evaluate the act argument '${which}': the model has no activation there`);
    }
    this.declare(name);
    return x;
  }

  /**
   * One use of a custom operator: `build` is traced once into a body of its own. Every open size that the body uses
   * must be a size of one of its inputs. `spared`: multiply-adds that PyTorch's definition has on top.
   */
  call(name: string, attrs: Readonly<Record<string, number | string>>, inputs: readonly Value[], build: (g: Builder, ...inputs: Value[]) => readonly Value[], spared?: CallNode['spared']): readonly Result[] {
    const formal = inputs.map((value, i): Input => ({ kind: 'input', name: `x${i}`, dtype: value.dtype, shape: value.shape }));
    const nodes: Node[] = [];
    const results = build(new Builder(this.recording, nodes, this.scope), ...formal);
    const body: Graph = { inputs: formal, outputs: results.map((value, i) => ({ name: `y${i}`, value })), nodes };
    checkSizesShown(name, body);
    const outputs = results.map((value): Result => ({ kind: 'result', dtype: value.dtype, shape: value.shape }));
    this.nodes.push({ kind: 'call', name, attrs, body, inputs, outputs, scope: this.scope, ...(spared ? { spared } : {}) });
    return outputs;
  }
}

/** A function sees its inputs alone: every open size in the body must follow from sizes that they show. */
function checkSizesShown(name: string, { inputs, nodes }: Graph): void {
  const dimensions = new Set(inputs.flatMap(({ shape }) => shape));
  const atoms = new Set([...dimensions].map(singleAtom));
  const hidden = (extent: Extent): string | undefined => {
    if (dimensions.has(extent)) return undefined;
    const unknown = termsOf(extent).flatMap((term) => term.atoms).filter((atom) => !atoms.has(atom));
    return unknown.map((atom) => (atom.kind === 'input' ? atom.name : (hidden(atom.a) ?? hidden(atom.b)))).find((size) => size !== undefined);
  };
  for (const extent of nodes.flatMap(({ outputs }) => outputs).flatMap(({ shape }) => shape)) {
    const size = hidden(extent);
    if (size !== undefined) throw internal(`the body of ${name} uses the size ${size}, which none of its inputs shows`);
  }
}

/** Records one module: what its `build` returns, as a list. */
export function buildModule(g: Builder, module: AnyModule, inputs: readonly FeatureMap[], bound: Readonly<Record<string, unknown>>): readonly Value[] {
  const x = module.inputs === 'many' ? inputs : inputs[0]!;
  const result = module.build(g, x, bound as { readonly n: number });
  return Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
}
