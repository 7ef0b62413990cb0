/** Anchors of YOLOv5 heads: how a yaml gives them, and the buffer that a checkpoint may replace. */
import type { Builder } from '../../compiler/builder.js';
import { Problem } from '../../compiler/errors.js';
import type { Value } from '../../compiler/ir/graph.js';
import type { Literal } from '../../compiler/ir/network.js';
import { literal, showLiteral, type Reader } from '../../compiler/module.js';

/** One [width, height] in pixels for every anchor of a level. */
type Anchors = readonly (readonly [number, number])[];

const MAX_ANCHORS = 1024;

/** Reads the yaml's argument: lists, or a number of anchors. */
export function anchorLists(doc: string): Reader<Literal> {
  return {
    ...literal(doc, 'list or int'),
    read(value) {
      if (Array.isArray(value) || (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_ANCHORS)) return value;
      throw new Problem('bad-argument', `must be a list [w, h, …] for every level, or an integer from 1 to ${MAX_ANCHORS}, got ${showLiteral(value)}`);
    },
  };
}

/** YOLOv5 reverses anchors that are listed from large to small while strides grow (check_anchor_order). */
export function readAnchors(value: Literal, strides: readonly number[]): readonly Anchors[] {
  const levels = typeof value === 'number' ? strides.map(() => Array.from({ length: value * 2 }, (_, i) => i)) : value;
  const lists = Array.isArray(levels) ? (levels as readonly Literal[]) : [];
  if (lists.length !== strides.length) {
    throw new Problem('bad-argument', `Detect reads ${strides.length} levels, but the anchors are for ${lists.length}`, { help: 'Give one list of anchors for every level, or an integer.' });
  }
  const anchors = lists.map((list) => pairsOf(list));
  if (anchors.some((level) => level.length !== anchors[0]!.length)) throw new Problem('bad-argument', 'every level must have as many anchors as the first');
  const area = (level: Anchors): number => level.reduce((sum, [w, h]) => sum + w * h, 0) / level.length;
  const growth = area(anchors.at(-1)!) - area(anchors[0]!);
  const flipped = growth !== 0 && Math.sign(growth) !== Math.sign(strides.at(-1)! - strides[0]!);
  return flipped ? anchors.reverse() : anchors;
}

function pairsOf(list: Literal): Anchors {
  const sides = Array.isArray(list) ? (list as readonly Literal[]) : [];
  if (sides.length < 2 || sides.length % 2 !== 0 || sides.length > 2 * MAX_ANCHORS || sides.some((side) => typeof side !== 'number' || !Number.isFinite(side))) {
    throw new Problem('bad-argument', 'the anchors of a level must be a list of numbers: w, h, w, h, …');
  }
  return Array.from({ length: sides.length / 2 }, (_, i) => [sides[2 * i] as number, sides[2 * i + 1] as number] as const);
}

/** The buffer `anchors` [levels, anchors, 2], in grid units as in a checkpoint, which may have others (autoanchor). */
export function anchorsParam(g: Builder, levels: readonly Anchors[], strides: readonly number[]): Value {
  const inCells = levels.flatMap((level, i) => level.flatMap(([w, h]) => [w / strides[i]!, h / strides[i]!]));
  return g.kept('anchors', [levels.length, levels[0]!.length, 2], Float32Array.from(inCells), false);
}
