/** Typed reading of a golden's metadata: texts, and JSON in texts. Every fault names the file and the key. */
import { Problem } from './errors.js';

interface NumberOptions {
  readonly fallback?: number;
}

export class Fields {
  constructor(
    private readonly file: string,
    private readonly metadata: ReadonlyMap<string, string>,
  ) {}

  fail(key: string, what: string): never {
    throw new Problem('bad-golden', `golden ${this.file}, ${key}: ${what}`, { help: 'Goldens are written by make_golden.py; see the format golden/1 there.' });
  }

  optional(key: string): string | undefined {
    return this.metadata.get(key);
  }

  text(key: string): string {
    const text = this.metadata.get(key);
    return text === undefined || text === '' ? this.fail(key, 'is missing') : text;
  }

  word<const W extends string>(key: string, words: readonly W[]): W {
    const text = this.text(key);
    return words.find((word) => word === text) ?? this.fail(key, `must be ${words.join(' or ')}, is ${text.slice(0, 80)}`);
  }

  /** A finite number from 0 on. */
  number(key: string, { fallback }: NumberOptions = {}): number {
    const text = this.metadata.get(key);
    if (text === undefined && fallback !== undefined) return fallback;
    return this.toNumber(key, text ?? this.text(key));
  }

  integer(key: string, options: NumberOptions = {}): number {
    const value = this.number(key, options);
    return Number.isSafeInteger(value) ? value : this.fail(key, `must be an integer, is ${value}`);
  }

  flag(key: string): boolean {
    const text = this.metadata.get(key)?.toLowerCase() ?? 'false';
    return text === 'true' || (text === 'false' ? false : this.fail(key, `must be true or false, is ${text.slice(0, 80)}`));
  }

  list(key: string): readonly unknown[] {
    const value = this.json(key);
    return Array.isArray(value) ? (value as unknown[]) : this.fail(key, 'must be a JSON list');
  }

  /** Two positive integers. */
  pair(key: string): readonly [number, number] {
    const [first, second, ...rest] = this.list(key);
    if (!isExtent(first) || !isExtent(second) || rest.length) return this.fail(key, 'must be a list of two positive integers');
    return [first, second];
  }

  /** Shapes by name, in the text's order; empty when the key is missing. */
  shapes(key: string): ReadonlyMap<string, readonly number[]> {
    return new Map(
      this.entries(key).map(([name, shape]) => {
        if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size))) return this.fail(key, `${name} has no valid shape`);
        return [name, shape as number[]];
      }),
    );
  }

  /** Numbers by name, written as numbers or as texts; empty when the key is missing. */
  numbers(key: string): ReadonlyMap<string, number> {
    return new Map(this.entries(key).map(([name, value]) => [name, this.toNumber(key, value)]));
  }

  /** Class names: a list, or an object by class index; undefined when the key is missing. */
  names(key: string): readonly string[] | undefined {
    if (!this.metadata.has(key)) return undefined;
    const value = this.json(key);
    const names: unknown[] = Array.isArray(value) ? (value as unknown[]) : this.entries(key).sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => name);
    return names.map((name) => (typeof name === 'string' ? name : this.fail(key, 'must be class names')));
  }

  private toNumber(key: string, value: unknown): number {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return this.fail(key, `must be a number from 0 on, is ${String(value).slice(0, 80)}`);
    return number;
  }

  private entries(key: string): [string, unknown][] {
    if (!this.metadata.has(key)) return [];
    const value = this.json(key);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.fail(key, 'must be a JSON object');
    return Object.entries(value);
  }

  private json(key: string): unknown {
    const text = this.text(key);
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return this.fail(key, `must be JSON, is ${text.slice(0, 80)}`);
    }
  }
}

function isExtent(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
