/** Reads a file from front to back through one small window. */
import type { ByteSource } from '../../io.js';

const WINDOW = 1 << 16;
const NEWLINE = 0x0a;

export class ByteStream {
  private window = new Uint8Array(0);
  private windowAt = 0;
  private readonly text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** `fail` throws. */
  constructor(
    private readonly source: ByteSource,
    private readonly fail: (what: string) => never,
    /** Offset of the next byte. */
    public at = 0,
  ) {}

  get left(): number {
    return this.source.size - this.at;
  }

  byte(): number {
    const inWindow = this.at - this.windowAt;
    if (inWindow >= 0 && inWindow < this.window.length) {
      this.at++;
      return this.window[inWindow]!;
    }
    return this.take(1)[0]!;
  }

  uint16(): number {
    const at = this.ensure(2);
    return this.window[at]! | (this.window[at + 1]! << 8);
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  int32(): number {
    const at = this.ensure(4);
    const { window } = this;
    return window[at]! | (window[at + 1]! << 8) | (window[at + 2]! << 16) | (window[at + 3]! << 24);
  }

  /** A length or count. What no file can have becomes Infinity. */
  uint64(): number {
    const low = this.uint32();
    const high = this.uint32();
    return high >= 1 << 20 ? Infinity : high * 2 ** 32 + low;
  }

  float64(): number {
    const bytes = this.take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0);
  }

  /** The next bytes, valid until the next read. The length is held against the file's before anything is allocated. */
  take(length: number): Uint8Array {
    const start = this.ensure(length);
    return this.window.subarray(start, start + length);
  }

  /** Passes over the next bytes; where in the window they are. */
  private ensure(length: number): number {
    if (!(length <= this.left)) this.fail('it is cut off');
    let start = this.at - this.windowAt;
    if (start < 0 || start + length > this.window.length) {
      this.window = new Uint8Array(Math.min(Math.max(length, WINDOW), this.left));
      this.source.read(this.window, this.at);
      this.windowAt = this.at;
      start = 0;
    }
    this.at += length;
    return start;
  }

  /** UTF-8, with lone surrogates (which Python writes, and no text can have) replaced. */
  string(length: number): string {
    return this.decoded(this.take(length));
  }

  private decoded(bytes: Uint8Array): string {
    try {
      return this.text.decode(bytes);
    } catch {
      const replaced = bytes.slice();
      for (let i = 0; i + 2 < replaced.length; i++) if (replaced[i] === 0xed && replaced[i + 1]! >= 0xa0) replaced.set([0xef, 0xbf, 0xbd], i);
      try {
        return this.text.decode(replaced);
      } catch {
        return this.fail('a text is no UTF-8');
      }
    }
  }

  /** Text up to the next newline, which is consumed. */
  line(most: number): string {
    return this.decoded(this.lineBytes(most));
  }

  lineBytes(most: number): Uint8Array {
    let length = 0;
    while (this.byte() !== NEWLINE) if (++length > most) this.fail(`a line has more than ${most} bytes`);
    this.at -= length + 1;
    const line = this.take(length);
    this.at++;
    return line;
  }
}
