/** Numbers, shapes and names as the page writes them. */
import type { Num } from './data.js';

/** Where there is nothing to say. */
export const DASH = '–';

/** 1.23e-5, 0.012, 3.46: three digits, short. */
export function number(value: Num, digits = 3): string {
  if (value === undefined || value === null || !Number.isFinite(value)) return DASH;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(digits - 1).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(digits)));
}

/** As `number`; null says that the number is NaN or infinite. */
export const difference = (value: Num): string => (value === null ? 'not finite' : number(value));

/** 1 234 567 with thin gaps. */
export const count = (value: Num): string => (value === undefined || value === null ? DASH : Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, '\u202f'));

export function seconds(value: Num): string {
  if (value === undefined || value === null) return DASH;
  return value < 0.9995 ? `${number(value * 1000)} ms` : `${number(value)} s`;
}

export const milliseconds = (value: Num): string => (value === undefined || value === null ? DASH : value < 10 ? value.toFixed(3) : value.toFixed(1));

export function bytes(value: Num): string {
  if (value === undefined || value === null) return DASH;
  const unit = value < 1e3 ? 0 : value < 1e6 ? 1 : value < 1e9 ? 2 : 3;
  return `${number(value / 1000 ** unit)} ${['B', 'kB', 'MB', 'GB'][unit]!}`;
}

/** 1×64×80×80; a scalar is (). */
export const shape = (sizes: readonly (number | string)[] | undefined): string => (sizes === undefined ? DASH : sizes.length === 0 ? '()' : sizes.map((size) => visible(String(size))).join('×'));

/** ISO 8601 to the minute, in UTC. */
export function date(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso || DASH : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Control characters and those that turn the direction of text would hide what a name is: they are spelt out. */
export const visible = (text: string): string =>
  text.replace(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, (character) => (character === '\n' ? '↵' : `⟨U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`));

/** At most `limit` characters, the middle left out. */
export function short(text: string, limit = 96): string {
  const characters = text.length > limit * 4 ? [...text.slice(0, limit * 2), ...text.slice(-limit * 2)] : [...text];
  if (characters.length <= limit) return visible(text);
  const half = (limit - 1) >> 1;
  return visible(`${characters.slice(0, half).join('')}…${characters.slice(-half).join('')}`);
}
