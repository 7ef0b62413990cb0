/** The operator table. A node's attributes are typed by its row; an operator without a row does not compile. */
import { arrangement } from './arrangement.js';
import { convolution } from './convolution.js';
import { elementwise } from './elementwise.js';
import { reductions } from './reduction.js';
import type { Row } from './row.js';
import { sampling } from './sampling.js';

export const operators = { ...elementwise, ...convolution, ...reductions, ...arrangement, ...sampling };

export type OpName = keyof typeof operators;
export type AttrsOf<K extends OpName> = (typeof operators)[K] extends Row<infer A> ? A : never;

/** The row of an operator whose name is only known at run time. */
export const rowOf = (op: OpName): Row<unknown> => operators[op] as Row<unknown>;

export const isOpName = (name: string): name is OpName => Object.hasOwn(operators, name);
