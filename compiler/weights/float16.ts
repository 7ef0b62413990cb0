/** IEEE 754 half precision, as bits in a Uint16Array: Node 20 has no Float16Array. */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Filled when first used. */
const widened = new Float32Array(65_536);
let filled = false;

/** The float32 of every half, by its bits; 256 KiB. */
export function halfTable(): Float32Array {
  if (filled) return widened;
  for (let half = 0; half < widened.length; half++) widened[half] = widen(half);
  filled = true;
  return widened;
}

function widen(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest half of a number, ties to even, as bits. The number is first a float32. */
export function toHalf(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const size = bits[0]! & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  // 65520 is half way between the largest half and the next power of two.
  if (size >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 halves are multiples of 2^-24; adding and taking away 2^52 rounds a double to an integer, ties to even.
  if (size < 0x38800000) return sign | (Math.abs(float[0]) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}
