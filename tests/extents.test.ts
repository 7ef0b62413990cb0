import { describe, expect, test } from '@jest/globals';
import { add, evaluate, floorDiv, input, isStatic, known, max, min, mul, product, ratio, show, showShape, sub, total, type Extent } from '../compiler/ir/extent.js';
import { readExtent, Scanner } from '../compiler/ir/scanner.js';
import { problemOf } from './made-files.js';

const [batch, height, width] = [input('batch'), input('height'), input('width')];

/** A small generator: the same numbers on every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Made {
  readonly extent: Extent;
  readonly value: (sizes: Readonly<Record<string, number>>) => number;
}

const names = ['batch', 'height', 'width', 'height/32'];

/** A random expression, as an extent and as plain arithmetic. Divisors are positive. */
function expression(next: (below: number) => number, depth: number): Made {
  if (depth === 0 || next(5) === 0) {
    if (next(2) === 0) {
      const constant = next(9) - 3;
      return { extent: constant, value: () => constant };
    }
    const name = names[next(names.length)]!;
    return { extent: input(name), value: (sizes) => sizes[name]! };
  }
  const [a, b] = [expression(next, depth - 1), expression(next, depth - 1)];
  const divisor = 1 + next(5);
  const kinds: readonly (() => Made)[] = [
    () => ({ extent: add(a.extent, b.extent), value: (s) => a.value(s) + b.value(s) }),
    () => ({ extent: sub(a.extent, b.extent), value: (s) => a.value(s) - b.value(s) }),
    () => ({ extent: mul(a.extent, b.extent), value: (s) => a.value(s) * b.value(s) }),
    () => ({ extent: min(a.extent, b.extent), value: (s) => Math.min(a.value(s), b.value(s)) }),
    () => ({ extent: max(a.extent, b.extent), value: (s) => Math.max(a.value(s), b.value(s)) }),
    () => ({ extent: floorDiv(a.extent, divisor), value: (s) => Math.floor(a.value(s) / divisor) }),
    () => ({ extent: floorDiv(a.extent, mul(divisor, width)), value: (s) => Math.floor(a.value(s) / (divisor * s.width!)) }),
  ];
  return kinds[next(kinds.length)]!();
}

/** As the compiler compares them: 0 and -0 are one size. */
function same(got: Extent, want: Extent): void {
  if (got !== want) throw new Error(`${show(got)} is not ${show(want)}`);
}

describe('extents agree with plain arithmetic', () => {
  test('random expressions at random sizes; their text reads back as the same extent', () => {
    const next = random(1);
    let open = 0;
    for (let i = 0; i < 3000; i++) {
      const { extent, value } = expression(next, 4);
      if (typeof extent === 'symbol') open++;
      for (let at = 0; at < 4; at++) {
        const sizes = Object.fromEntries(names.map((name) => [name, 1 + next(40)]));
        const [got, want] = [evaluate(extent, sizes), value(sizes)];
        if (got !== want) throw new Error(`${show(extent)} is ${got} at ${JSON.stringify(sizes)}, wanted ${want}`);
      }
      same(readExtent(new Scanner(show(extent))), extent);
    }
    expect(open).toBeGreaterThan(1000);
  });

  test('equal expressions are the same symbol, whatever the order of writing', () => {
    const next = random(2);
    for (let i = 0; i < 1000; i++) {
      const [a, b, c] = [expression(next, 3).extent, expression(next, 3).extent, expression(next, 3).extent];
      same(add(a, b), add(b, a));
      same(mul(a, b), mul(b, a));
      same(add(a, add(b, c)), add(add(a, b), c));
      same(mul(a, mul(b, c)), mul(mul(a, b), c));
      same(mul(a, add(b, c)), add(mul(a, b), mul(a, c)));
      same(sub(a, a), 0);
      same(add(sub(a, b), b), a);
      same(min(a, b), min(b, a));
      same(max(a, b), max(b, a));
      same(product([a, b, c]), mul(mul(a, b), c));
      same(total([a, b, c]), add(add(a, b), c));
    }
  });
});

describe('what is simplified', () => {
  test('numbers stay numbers', () => {
    expect([add(2, 3), sub(2, 3), mul(2, 3), floorDiv(-7, 2), min(2, 3), max(2, 3), ratio(3, 2)]).toEqual([5, -1, 6, -4, 2, 3, 1.5]);
    expect(mul(height, 0)).toBe(0);
    expect(floorDiv(mul(0, height), 7)).toBe(0);
  });

  test.each<[string, Extent, Extent]>([
    ['what the divisor divides leaves the division', floorDiv(add(mul(4, height), 3), 2), add(mul(2, height), 1)],
    ['a size by itself', floorDiv(height, height), 1],
    ['a sum by itself', floorDiv(add(height, width), add(width, height)), 1],
    ['a product by one of its factors', floorDiv(mul(height, width), width), height],
    ['strides of a stride', floorDiv(sub(add(mul(32, height), 2), 3), 2), sub(mul(16, height), 1)],
    ['minimum with a constant difference', min(add(height, 1), height), height],
    ['maximum with a constant difference', max(add(height, 1), height), add(height, 1)],
    ['an extremum of equal sizes', min(height, height), height],
  ])('%s', (_, got, want) => {
    expect(got).toBe(want);
  });

  test('a window of odd kernel, padded, keeps the size; a stride of 2 halves it', () => {
    const slide = (size: Extent, kernel: number, stride: number): Extent => add(floorDiv(add(size, 2 * Math.floor(kernel / 2) - kernel), stride), 1);
    for (const kernel of [1, 3, 5, 7]) expect(slide(height, kernel, 1)).toBe(height);
    expect(slide(mul(32, height), 3, 2)).toBe(mul(16, height));
    expect(show(slide(height, 3, 2))).toBe('floorDiv(height - 1, 2) + 1');
  });
});

describe('ratio', () => {
  test('of sizes whose quotient never changes', () => {
    expect(ratio(mul(32, height), mul(4, height))).toBe(8);
    expect(ratio(mul(2, height), mul(4, height))).toBe(0.5);
    expect(ratio(add(mul(6, height), 3), add(mul(2, height), 1))).toBe(3);
  });

  test.each<[Extent, Extent]>([[height, width], [height, 2], [2, height], [add(height, 1), height], [mul(height, width), height], [0, height], [height, 0]])('refuses %p to %p', (a, b) => {
    expect(problemOf(() => ratio(a, b)).code).toBe('bad-shape');
  });
});

test('division by zero is a Problem, an unknown symbol our fault', () => {
  expect(problemOf(() => floorDiv(height, 0)).code).toBe('bad-shape');
  expect(problemOf(() => floorDiv(4, 0)).code).toBe('bad-shape');
  expect(problemOf(() => add(Symbol('height'), 1)).code).toBe('internal');
  expect(problemOf(() => evaluate(height, {})).code).toBe('internal');
  expect(problemOf(() => known(height, 'the height'))).toMatchObject({ code: 'bad-shape', message: 'the height must be known when compiling, but it is height' });
  expect(known(3, '')).toBe(3);
});

test('text', () => {
  expect(show(input('height'))).toBe('height');
  expect(height).toBe(input('height'));
  expect(showShape([batch, 3, mul(32, input('height/32')), floorDiv(width, 2)])).toBe('[batch, 3, 32*height/32, floorDiv(width, 2)]');
  expect(show(sub(sub(mul(height, width), mul(2, batch)), 1))).toBe('height*width - 2*batch - 1');
  expect(show(sub(1, height))).toBe('-1*height + 1');
  expect([isStatic([1, 2]), isStatic([1, height])]).toEqual([true, false]);
});
