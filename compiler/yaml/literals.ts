/**
 * Python literals in yaml strings. Both packages evaluate string arguments, so that an unquoted `None` is None and
 * '(5, 9, 13)' a tuple. What is no literal (`nearest`, `nn.ReLU()`) stays a string.
 */
import type { Literal } from '../ir/network.js';

/** Longer texts and deeper nesting are no argument of any module. */
const MAX_LENGTH = 10_000;
const MAX_DEPTH = 32;

const NUMBER = /[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)/y;
const WORD = /[A-Za-z_][A-Za-z_0-9.]*/y;
const STRING = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/y;
const SPACE = /\s*/y;

const WORDS: ReadonlyMap<string, Literal> = new Map<string, Literal>([['None', null], ['True', true], ['False', false]]);
const ESCAPES: ReadonlyMap<string, string> = new Map([['n', '\n'], ['t', '\t'], ['r', '\r'], ['\n', '']]);

/** The value of a Python literal, as `ast.literal_eval` gives it (tuples as lists); undefined where the text is none. */
export function pythonLiteral(text: string): Literal | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const reader = new LiteralReader(text);
  const value = reader.items('');
  return reader.atEnd() ? value : undefined;
}

class LiteralReader {
  private at = 0;

  constructor(private readonly text: string) {}

  atEnd(): boolean {
    return this.at === this.text.length;
  }

  /** Values up to a closing bracket (or the end): one alone is itself where brackets only group, else a list. */
  items(close: '' | ')' | ']', depth = 0): Literal | undefined {
    const values: Literal[] = [];
    let commas = 0;
    while (!this.closes(close)) {
      if (values.length > commas) return undefined;
      const value = this.value(depth);
      if (value === undefined) return undefined;
      values.push(value);
      if (this.takes(',')) commas++;
    }
    if (close !== '') this.at++;
    else if (values.length === 0) return undefined;
    return close !== ']' && values.length === 1 && commas === 0 ? values[0] : values;
  }

  private value(depth: number): Literal | undefined {
    if (depth > MAX_DEPTH) return undefined;
    if (this.takes('[')) return this.items(']', depth + 1);
    if (this.takes('(')) return this.items(')', depth + 1);
    const string = this.match(STRING);
    if (string) return (string[1] ?? string[2] ?? '').replace(/\\([\s\S])/g, (_, c: string) => ESCAPES.get(c) ?? c);
    const number = this.match(NUMBER);
    if (number) return pythonNumber(number[0]);
    const word = this.match(WORD);
    return word ? WORDS.get(word[0]) : undefined;
  }

  private closes(close: '' | ')' | ']'): boolean {
    this.match(SPACE);
    return close === '' ? this.atEnd() : this.text[this.at] === close;
  }

  private takes(mark: string): boolean {
    this.match(SPACE);
    const found = this.text[this.at] === mark;
    if (found) this.at++;
    return found;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at = pattern.lastIndex;
    return match;
  }
}

function pythonNumber(text: string): number | undefined {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '');
  // `1_000` is a number, `1__0`, `1_` and `012` are not.
  if (/__|_$|_[.eE]|\._|^0[\d_]*[1-9_]\d*$/.test(digits)) return undefined;
  const value = Number(digits.replaceAll('_', ''));
  if (Number.isNaN(value)) return undefined;
  return negative ? -value : value;
}
