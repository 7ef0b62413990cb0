import { describe, expect, test } from '@jest/globals';
import { seededInput, seededWeights } from '../compiler/weights/seeded.js';
import { problemOf } from './made-files.js';

function bitsOf(key: string, shape: readonly number[], seed: number, index: number): string {
  const one = new Float32Array(1);
  seededWeights({ seed, gain: 5 }).tensor(key, shape)(one, index);
  return hex(one);
}

function hex(values: Float32Array): string {
  return `0x${new Uint32Array(values.buffer)[0]!.toString(16).padStart(8, '0')}`;
}

/** The recipe's own arithmetic, with BigInt and no cleverness. */
function plain(key: string, fanIn: number, seed: number, index: number, gain: number): number {
  const mask = 0xffffffffn;
  let h = 0x811c9dc5n;
  for (const byte of Buffer.from(key)) h = ((h ^ BigInt(byte)) * 0x01000193n) & mask;
  h ^= (BigInt(seed) * 0x9e3779b9n) & mask;
  let x = (h + BigInt(index)) & mask;
  x ^= x >> 16n;
  x = (x * 0x7feb352dn) & mask;
  x ^= x >> 15n;
  x = (x * 0x846ca68bn) & mask;
  x ^= x >> 16n;
  const u = Number(x >> 8n) / 2 ** 24;
  return Math.fround((2 * u - 1) * Math.sqrt(gain / fanIn));
}

describe('seeded weights', () => {
  test.each([
    ['model.0.conv.weight', [32, 3, 6, 6], 0, 0, '0x3e0508da'],
    ['model.0.conv.weight', [32, 3, 6, 6], 0, 3455, '0xbdc963eb'],
    ['model.0.bn.running_var', [32], 0, 7, '0x3fb09e32'],
    ['model.9.l1.weight', [32, 512], 0, 16383, '0x3d609c46'],
    ['model.24.m.0.bias', [255], 0, 254, '0xbd60e62a'],
    ['gamma', [1], 0, 0, '0x3f6994ea'],
    ['model.0.bn.weight', [32], 0, 31, '0x3f912e68'],
    ['bias', [4, 4], 0, 5, '0x3d0df4e6'],
    ['model.0.conv.weight', [32, 3, 6, 6], 1, 0, '0xbcc58530'],
  ])('test vector %s %j seed %i at %i', (key, shape, seed, index, bits) => {
    expect(bitsOf(key, shape, seed, index)).toBe(bits);
  });

  test('test vector of an input: feature maps have 2u - 1, images u', () => {
    const one = new Float32Array(1);
    seededInput('x', 0, 'map')(one, 49151);
    expect(hex(one)).toBe('0x3f218110');
    const map = one[0]!;
    seededInput('x', 0, 'image')(one, 49151);
    expect(one[0]).toBe((map + 1) / 2);
  });

  test('agrees with the recipe in plain arithmetic, for keys in UTF-8, large seeds and indices that wrap', () => {
    const key = 'model.3.größe.狗.weight';
    for (const seed of [0, 1, 901, 2 ** 32 - 1, 2 ** 32 + 5, 2 ** 53 - 1]) {
      const read = seededWeights({ seed, gain: 7 }).tensor(key, [8, 3, 3]);
      for (const index of [0, 1, 12345, 2 ** 31, 2 ** 32 - 2, 2 ** 32 + 3]) {
        const four = new Float32Array(4);
        read(four, index);
        expect([...four]).toEqual([0, 1, 2, 3].map((i) => plain(key, 9, seed, index + i, 7)));
      }
    }
  });

  test('any chunking gives the same numbers', () => {
    const read = seededWeights({ seed: 3, gain: 5 }).tensor('a.weight', [100, 10]);
    const whole = new Float32Array(1000);
    read(whole, 0);
    for (const chunk of [1, 7, 256, 999, 1000]) {
      const parts = new Float32Array(1000);
      for (let at = 0; at < 1000; at += chunk) read(parts.subarray(at, at + chunk), at);
      expect(parts).toEqual(whole);
    }
    // A view into the middle of a buffer leaves its surroundings alone.
    const room = new Float32Array(12);
    read(room.subarray(4, 8), 500);
    expect([...room]).toEqual([0, 0, 0, 0, ...whole.subarray(500, 504), 0, 0, 0, 0]);
  });

  test('the leaf is compared as a whole, and kept tensors keep their values', () => {
    const source = seededWeights({ seed: 0, gain: 5 });
    const values = new Float32Array(4);
    source.tensor('bn.num_batches_tracked', [])(values, 0);
    expect([...values]).toEqual([0, 0, 0, 0]);
    source.tensor('cbias', [1, 4, 1, 1])(values, 0);
    expect([...values]).toEqual([0, 1, 2, 3].map((i) => plain('cbias', 4, 0, i, 5)));
    source.tensor('dfl.conv.weight', [1, 16, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8])(values, 5);
    expect([...values]).toEqual([5, 6, 7, 8]);
    expect(source.finish()).toEqual({ unused: [], remarks: [] });
  });

  test('refuses what is no seed or gain', () => {
    for (const options of [{ seed: 0.5, gain: 5 }, { seed: NaN, gain: 5 }, { seed: 0, gain: -1 }, { seed: 0, gain: Infinity }]) {
      expect(problemOf(() => seededWeights(options)).code).toBe('bad-option');
    }
  });
});
