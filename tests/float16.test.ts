import { describe, expect, test } from '@jest/globals';
import { halfTable, toHalf } from '../compiler/weights/float16.js';

describe('float16', () => {
  test('every half is the half of its own number', () => {
    const table = halfTable();
    for (let half = 0; half < 65_536; half++) {
      if (Number.isNaN(table[half]!)) expect(Number.isNaN(table[toHalf(table[half]!)]!)).toBe(true);
      else if (toHalf(table[half]!) !== half) throw new Error(`${half} came back as ${toHalf(table[half]!)}`);
    }
  });

  test('rounds to the nearest, ties to even, at every place between two halves', () => {
    const table = halfTable();
    for (let half = 0; half < 0x7bff; half++) {
      const [low, high] = [table[half]!, table[half + 1]!];
      const middle = (low + high) / 2;
      const wanted = [half, half % 2 ? half + 1 : half, half + 1];
      const got = [toHalf(middle - (high - low) / 8), toHalf(middle), toHalf(middle + (high - low) / 8)];
      if (got.join() !== wanted.join()) throw new Error(`around ${middle}: ${got.join()} instead of ${wanted.join()}`);
    }
  });

  test('limits', () => {
    expect([65504, 65519, 65520, 1e30, Infinity, -Infinity, 2 ** -25, 2 ** -25 * 1.001, -0].map(toHalf)).toEqual([
      0x7bff, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0, 1, 0x8000,
    ]);
  });
});
