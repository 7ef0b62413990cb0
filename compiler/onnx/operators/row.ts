/**
 * What the compiler knows of one ONNX operator. A row is typed by its attributes; the table (index.ts) is the
 * union of all rows, and nodes are typed by the table. Sources: the operators' pages in onnx/docs/Operators.md
 * and Changelog.md for what older opsets spell differently.
 */
import { Problem } from '../../errors.js';
import type { Constant, TensorType, Value } from '../../ir/graph.js';
import type { Extent } from '../../ir/extent.js';

export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly text: string };

/** An input that a node has beyond its values; written as an initializer, or computed at run time where sizes are open. */
export type Operand =
  | { readonly kind: 'ints'; readonly ints: readonly Extent[] } // an int64 vector
  | { readonly kind: 'shape'; readonly ints: readonly Extent[]; readonly of: readonly Extent[] } // Reshape's, may use 0 and -1
  | { readonly kind: 'size'; readonly size: Extent; readonly dtype: 'float32' | 'int64' } // a scalar
  | { readonly kind: 'floats'; readonly floats: readonly number[]; readonly scalar?: boolean; readonly dtype?: 'float32' | 'float16' }
  | { readonly kind: 'absent' };

/** How a node is written for one opset. */
export interface Spelling {
  /** The operator in the file, when it is not the row's own name. */
  readonly op?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Inputs after the node's values. */
  readonly operands?: readonly Operand[];
}

export interface Row<A> {
  /** First opset that has the operator in this form; expansions (../expansions.ts) serve the opsets below. */
  readonly since: number | ((attrs: A, inputs: readonly Value[]) => number);
  /** Types and shapes of the outputs. Throws Problem('bad-shape') when the inputs do not fit. */
  readonly infer: (inputs: readonly Value[], attrs: A) => readonly TensorType[];
  /**
   * Multiply-adds, by the rules of ultralytics-thop (the figures that YOLO users compare). `leaf` rules count only
   * where an nn.Module computes the node, as thop's hooks do; `always` rules count functional products as well.
   */
  readonly macs?: { readonly when: 'leaf' | 'always'; readonly count: (inputs: readonly Value[], outputs: readonly TensorType[], attrs: A) => number };
  /** `exact`: bit for bit the same in every runtime. `rounded`: correctly rounded arithmetic. `approximate`: transcendental or reordered sums. */
  readonly exactness: 'exact' | 'rounded' | 'approximate';
  /** Attributes and operands for an opset; absent means neither. */
  readonly spell?: (attrs: A, opset: number, inputs: readonly Value[]) => Spelling;
  /** Computes the (first) output from constants. */
  readonly fold?: (inputs: readonly Constant[], attrs: A, output: TensorType<readonly number[]>) => ArrayLike<number> | undefined;
  /** Like `fold`, for operators with several outputs. */
  readonly foldMany?: (inputs: readonly Constant[], attrs: A, outputs: readonly TensorType<readonly number[]>[]) => readonly ArrayLike<number>[];
}

/** Types a row by its attributes. */
export const row = <A>(definition: Row<A>): Row<A> => definition;

/** No attributes. */
export type None = Readonly<Record<string, never>>;

export const shapeProblem = (message: string): Problem => new Problem('bad-shape', message);

/** The one input, or the one at an index, that must be there. */
export function operand(inputs: readonly Value[], index: number): Value {
  const value = inputs[index];
  if (!value) throw shapeProblem(`input ${index} is missing`);
  return value;
}

/** Elements as a number; MACs and folding only run on static shapes. */
export const elements = (type: { readonly shape: readonly Extent[] }): number =>
  type.shape.reduce<number>((n, extent) => n * (extent as number), 1);
