/**
 * Sizes that are only known at run time, as nodes: Shape and Gather on the inputs of the scope, then arithmetic. One
 * computation for every expression; all in int64 vectors of one element, so that a vector of sizes is a Concat.
 */
import { internal } from '../errors.js';
import { isStatic, show, singleAtom, termsOf, type Atom, type Extent } from '../ir/extent.js';
import type { Value } from '../ir/graph.js';
import type { ScopeWriter } from './scope-writer.js';

export class SizeWriter {
  private readonly known = new Map<string, string>();

  constructor(
    private readonly scope: ScopeWriter,
    private readonly inputs: readonly Value[],
  ) {}

  /** An int64 vector of sizes. */
  vector(extents: readonly Extent[]): string {
    if (isStatic(extents)) return this.scope.constant('int64', [extents.length], extents);
    return this.once(`[${extents.map(show).join(', ')}]`, () =>
      extents.length === 1 ? this.size(extents[0]!) : this.scope.add('Concat', extents.map((extent) => this.size(extent)), { axis: { int: 0 } }),
    );
  }

  /** A size as a scalar. */
  scalar(extent: Extent, dtype: 'float32' | 'int64'): string {
    if (typeof extent === 'number') return this.scope.constant(dtype, [], [extent]);
    return this.once(`${dtype} ${show(extent)}`, () => {
      const cast = dtype === 'int64' ? this.size(extent) : this.scope.add('Cast', [this.size(extent)], { to: { int: 1 } });
      return this.scope.add('Reshape', [cast, this.scope.constant('int64', [0], [])]);
    });
  }

  private once(key: string, make: () => string): string {
    let name = this.known.get(key);
    if (name === undefined) {
      name = make();
      this.known.set(key, name);
    }
    return name;
  }

  /** An int64 vector of one element. */
  private size(extent: Extent): string {
    if (typeof extent === 'number') return this.scope.constant('int64', [1], [extent]);
    return this.once(show(extent), () => this.shown(extent) ?? this.sum(extent));
  }

  /** The size where an input of the scope shows it, whole or times a number. */
  private shown(extent: symbol): string | undefined {
    for (const factorAllowed of [false, true]) {
      for (const input of this.inputs) {
        for (const [axis, dimension] of input.shape.entries()) {
          if (dimension === extent) return this.dimension(input, axis);
          const factor = factorAllowed ? multiple(dimension, extent) : undefined;
          if (factor !== undefined) return this.scope.add('Div', [this.dimension(input, axis), this.size(factor)]);
        }
      }
    }
    return undefined;
  }

  private dimension(input: Value, axis: number): string {
    const name = this.scope.nameOf(input);
    return this.once(`${name}[${axis}]`, () => {
      const shape = this.once(`shape of ${name}`, () => this.scope.add('Shape', [name]));
      return this.scope.add('Gather', [shape, this.scope.constant('int64', [1], [axis])]);
    });
  }

  private sum(extent: symbol): string {
    const terms = termsOf(extent).map(({ coefficient, atoms }) => {
      const factors = [...atoms.map((atom) => this.atom(atom)), ...(coefficient === 1 && atoms.length > 0 ? [] : [this.size(coefficient)])];
      return factors.reduce((a, b) => this.scope.add('Mul', [a, b]));
    });
    return terms.reduce((a, b) => this.scope.add('Add', [a, b]));
  }

  private atom(atom: Atom): string {
    const shown = this.shownAtom(atom);
    if (shown !== undefined) return shown;
    if (atom.kind === 'input') throw internal(`no input of the scope shows the size ${atom.name}`);
    const [a, b] = [this.size(atom.a), this.size(atom.b)];
    // Integer division truncates, which is floor for sizes. int64 Min and Max exist from opset 12 on.
    if (atom.kind === 'floorDiv') return this.scope.add('Div', [a, b]);
    const op = atom.kind === 'min' ? 'Min' : 'Max';
    if (this.scope.opset >= 12) return this.scope.add(op, [a, b]);
    const floats = [a, b].map((x) => this.scope.add('Cast', [x], { to: { int: 1 } }));
    return this.scope.add('Cast', [this.scope.add(op, floats)], { to: { int: 7 } });
  }

  /** The size of an atom where a dimension is a multiple of it. */
  private shownAtom(atom: Atom): string | undefined {
    for (const input of this.inputs) {
      for (const [axis, dimension] of input.shape.entries()) {
        if (singleAtom(dimension) !== atom) continue;
        const size = this.dimension(input, axis);
        const factor = termsOf(dimension)[0]!.coefficient;
        return factor === 1 ? size : this.once(`${size} / ${factor}`, () => this.scope.add('Div', [size, this.size(factor)]));
      }
    }
    return undefined;
  }
}

/** k where dimension = k · extent and both are single terms of the same atoms. */
function multiple(dimension: Extent, extent: symbol): number | undefined {
  if (typeof dimension !== 'symbol') return undefined;
  const [a, b] = [termsOf(dimension), termsOf(extent)];
  if (a.length !== 1 || b.length !== 1 || a[0]!.atoms.length !== b[0]!.atoms.length) return undefined;
  const same = a[0]!.atoms.every((atom, i) => atom === b[0]!.atoms[i]);
  const factor = a[0]!.coefficient / b[0]!.coefficient;
  return same && Number.isInteger(factor) ? factor : undefined;
}
