/**
 * The header of a safetensors file: JSON of one known form, read byte by byte. JSON.parse would build whatever a hostile
 * header holds before anything could be counted, and keeps the last of two equal keys.
 */

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, Entry>;
}

/** As written: only the kinds of the values are known. */
export interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly number[];
}

/** More than any model has. */
const MAX_TENSORS = 100_000;
const MAX_METADATA = 10_000;
const MAX_NAME = 1000;
const MAX_RANK = 64;

/** `fail` throws. */
export function parseHeader(bytes: Uint8Array, fail: (what: string) => never): Header {
  return new HeaderReader(bytes, fail).header();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

class HeaderReader {
  private at = 0;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fail: (what: string) => never,
  ) {}

  header(): Header {
    if (this.peek() !== '{') this.fail(/[[\]"\dntf-]/.test(this.peek()) ? 'its header is no JSON object' : NO_JSON);
    const metadata = new Map<string, string>();
    const tensors = new Map<string, Entry>();
    let described = false;
    this.object((name) => {
      if (name === '__metadata__') {
        if (described) this.fail(TWICE);
        described = true;
        return this.metadata(metadata);
      }
      if (tensors.has(name)) this.fail(TWICE);
      if (tensors.size >= MAX_TENSORS) this.fail(`it has more than ${MAX_TENSORS} tensors`);
      tensors.set(name, this.entry(name.slice(0, 200)));
    });
    if (this.peek() !== '') this.fail(NO_JSON);
    return { metadata, tensors };
  }

  private metadata(into: Map<string, string>): void {
    if (this.peek() !== '{') this.fail('__metadata__ is no object');
    this.object((key) => {
      if (into.has(key)) this.fail(TWICE);
      if (into.size >= MAX_METADATA) this.fail(`its __metadata__ has more than ${MAX_METADATA} entries`);
      if (this.peek() !== '"') this.fail(`__metadata__.${key.slice(0, 80)} is no text`);
      into.set(key, this.string());
    });
  }

  private entry(name: string): Entry {
    if (this.peek() !== '{') this.fail(`${name} is no object`);
    const found: { -readonly [K in keyof Entry]?: Entry[K] } = {};
    this.object((field) => {
      const key = field === 'data_offsets' ? 'offsets' : field;
      if (Object.hasOwn(found, key)) this.fail(TWICE);
      if (key === 'dtype') found.dtype = this.peek() === '"' ? this.string() : this.fail(`${name} has an unknown dtype`);
      else if (key === 'shape' || field === 'data_offsets') found[key as 'shape' | 'offsets'] = this.numbers(`${name} has no valid ${field}`);
      else this.fail(`${name} has the unknown field ${field.slice(0, 80)}`);
    });
    return {
      dtype: found.dtype ?? this.fail(`${name} has an unknown dtype`),
      shape: found.shape ?? this.fail(`${name} has no valid shape`),
      offsets: found.offsets ?? this.fail(`${name} has no valid data_offsets`),
    };
  }

  /** `{ key: … }`; `value` reads what follows each key. */
  private object(value: (key: string) => void): void {
    this.take('{');
    if (this.peek() === '}') return this.take('}');
    for (;;) {
      if (this.peek() !== '"') this.fail(NO_JSON);
      const key = this.string();
      if (key.length > MAX_NAME) this.fail(`a name in it has ${key.length} characters`);
      this.take(':');
      value(key);
      if (this.peek() !== ',') return this.take('}');
      this.take(',');
    }
  }

  private numbers(otherwise: string): number[] {
    const values: number[] = [];
    if (this.peek() !== '[') this.fail(otherwise);
    this.take('[');
    while (this.peek() !== ']') {
      const start = this.at;
      while (/[-+.\deE]/.test(String.fromCharCode(this.bytes[this.at] ?? 0)) && this.at - start < 40) this.at++;
      const text = String.fromCharCode(...this.bytes.subarray(start, this.at));
      if (!NUMBER.test(text) || values.length >= MAX_RANK) this.fail(otherwise);
      values.push(Number(text));
      if (this.peek() === ']') break;
      if (this.peek() !== ',') this.fail(otherwise);
      this.take(',');
      if (this.peek() === ']') this.fail(NO_JSON);
    }
    this.take(']');
    return values;
  }

  private string(): string {
    const start = this.at;
    let escaped = false;
    for (this.at++; this.bytes[this.at] !== QUOTE; this.at++) {
      if (this.at >= this.bytes.length) this.fail(NO_JSON);
      if (this.bytes[this.at] !== BACKSLASH) continue;
      escaped = true;
      this.at++;
    }
    this.at++;
    try {
      const text = this.decoder.decode(this.bytes.subarray(start, this.at));
      return escaped || CONTROL.test(text) ? (JSON.parse(text) as string) : text.slice(1, -1);
    } catch {
      return this.fail(NO_JSON);
    }
  }

  /** The next character that is no space; empty at the end. */
  private peek(): string {
    while (SPACES.has(this.bytes[this.at] ?? 0)) this.at++;
    return this.at < this.bytes.length ? String.fromCharCode(this.bytes[this.at]!) : '';
  }

  private take(character: string): void {
    if (this.peek() !== character) this.fail(NO_JSON);
    this.at++;
  }
}

const NO_JSON = 'its header is no JSON text';
const TWICE = 'its header names a key twice';
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
/** JSON.parse refuses these in strings. */
const CONTROL = /[\u0000-\u001f]/;
