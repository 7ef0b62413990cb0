/** The parts of the text form that stand inside a line: extents, shapes, attributes. */
import { add, floorDiv, input, max, min, mul, sub, type Extent, type Shape } from './extent.js';

/** Reads a line from left to right; blanks between tokens do not matter. */
export class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  private skip(): void {
    while (this.text[this.at] === ' ') this.at++;
  }

  peek(token: string): boolean {
    this.skip();
    return this.text.startsWith(token, this.at);
  }

  peekMatch(pattern: RegExp): boolean {
    this.skip();
    return this.execute(pattern) !== null;
  }

  take(token: string): boolean {
    const there = this.peek(token);
    if (there) this.at += token.length;
    return there;
  }

  expect(token: string): void {
    if (!this.take(token)) throw new Error(`expected ${token} at ${this.rest()}`);
  }

  match(pattern: RegExp, what: string): string {
    this.skip();
    const found = this.execute(pattern)?.[0];
    if (found === undefined) throw new Error(`expected ${what} at ${this.rest()}`);
    this.at += found.length;
    return found;
  }

  number(): number {
    return Number(this.match(/-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity)|NaN/, 'a number'));
  }

  end(): void {
    this.skip();
    if (this.at < this.text.length) throw new Error(`unexpected text at ${this.rest()}`);
  }

  private execute(pattern: RegExp): RegExpExecArray | null {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.at;
    return sticky.exec(this.text);
  }

  private rest(): string {
    return this.at < this.text.length ? `"${this.text.slice(this.at, this.at + 20)}"` : 'the end of the line';
  }
}

/** `[batch, 3, 2*height]` */
export function readShape(scan: Scanner): Shape {
  return list(scan, readExtent);
}

function list<T>(scan: Scanner, item: (scan: Scanner) => T): T[] {
  const items: T[] = [];
  scan.expect('[');
  if (scan.take(']')) return items;
  do items.push(item(scan));
  while (scan.take(','));
  scan.expect(']');
  return items;
}

/** A sum of terms: `2*height*width - floorDiv(height, 2) + 3`. */
export function readExtent(scan: Scanner): Extent {
  let sum = term(scan);
  for (;;) {
    if (scan.take('+')) sum = add(sum, term(scan));
    else if (scan.take('-')) sum = sub(sum, term(scan));
    else return sum;
  }
}

function term(scan: Scanner): Extent {
  let value = factor(scan);
  while (scan.take('*')) value = mul(value, factor(scan));
  return value;
}

const functions = { floorDiv, min, max } as const satisfies Record<string, (a: Extent, b: Extent) => Extent>;

function factor(scan: Scanner): Extent {
  if (scan.peekMatch(/-?\d/)) return scan.number();
  const name = scan.match(/[A-Za-z_][\w/]*/, 'a size');
  if (!scan.take('(')) return input(name);
  const apply = Object.hasOwn(functions, name) ? functions[name as keyof typeof functions] : undefined;
  if (!apply) throw new Error(`there is no function ${name} of sizes`);
  const a = readExtent(scan);
  scan.expect(',');
  const b = readExtent(scan);
  scan.expect(')');
  return apply(a, b);
}

type Attribute = Extent | boolean | string | readonly Attribute[];

/** `{kernel: [3, 3], mode: 'nearest', size: 2*height}` */
export function readAttributes(scan: Scanner): Readonly<Record<string, Attribute>> {
  const attributes: Record<string, Attribute> = {};
  scan.expect('{');
  do {
    const name = scan.match(/\w+/, 'the name of an attribute');
    scan.expect(':');
    attributes[name] = attribute(scan);
  } while (scan.take(','));
  scan.expect('}');
  return attributes;
}

function attribute(scan: Scanner): Attribute {
  if (scan.peek('[')) return list(scan, attribute);
  if (scan.peek("'")) return JSON.parse(`"${scan.match(/'(?:[^'\\]|\\.)*'/, 'a text').slice(1, -1).replaceAll("\\'", "'").replaceAll('"', '\\"')}"`) as string;
  if (scan.peekMatch(/(?:true|false)\b/)) return scan.take('true') || !scan.take('false');
  // A size may begin with a number (`2*height`), a number may have a fraction.
  return scan.peekMatch(/(?:-?\d+\.|-?\d+(?:\.\d+)?e|-?Infinity|NaN)/) ? scan.number() : readExtent(scan);
}
