/**
 * Python's pickle as data (protocols 0 to 5; opcodes as in CPython's pickletools.py): the stack machine builds
 * values and records, and calls nothing. What Python would call becomes an `Inert` record, or what the hooks make of a
 * callee that they know.
 *
 * Every value is charged to a budget before it is made, so that a small file cannot fill the memory.
 */
import { quoted } from '../../errors.js';
import { isHarmful } from './globals.js';
import { checkNesting } from './nesting.js';
import { OP } from './opcodes.js';
import type { ByteStream } from './stream.js';
import { Dict, Global, Inert, PySet } from './values.js';

export interface PickleHooks {
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
  /** The value of a call whose callee is known; undefined leaves it an inert record. */
  call(callee: Global, args: readonly unknown[]): unknown;
  /** Told of each name once. */
  named?(global: Global): void;
  /** Throws, with the place added. */
  fail(what: string, help?: string): never;
}

/** Bytes of memory, roughly. Honest checkpoints stay under a tenth. */
const BUDGET = 64 * 2 ** 20;
const COST = { opcode: 16, list: 64, tuple: 64, dict: 256, entry: 96, item: 8, record: 128, name: 512, memo: 48, string: 32, bytes: 256, float: 24 } as const;
const MAX_LINE = 1 << 16;
/** Bytes of an integer; Python refuses longer decimal ones too (sys.int_info). */
const MAX_INTEGER = 2048;
const HIGHEST_PROTOCOL = 5;

/** Reads one pickle, up to its STOP. */
export function readPickle(stream: ByteStream, hooks: PickleHooks): unknown {
  const value = new Machine(stream, hooks).run();
  checkNesting(value, (what) => hooks.fail(what));
  return value;
}

class Machine {
  private readonly stack: unknown[] = [];
  /** Heights of the stack where MARKs are. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private readonly globals = new Map<string, Global>();
  private spent = 0;
  private opcodeAt = 0;

  constructor(
    private readonly stream: ByteStream,
    private readonly hooks: PickleHooks,
  ) {}

  run(): unknown {
    for (;;) {
      this.opcodeAt = this.stream.at;
      const opcode = this.stream.byte();
      this.spend(COST.opcode);
      if (opcode === OP.STOP) return this.pop();
      this.step(opcode);
    }
  }

  private step(opcode: number): void {
    const { stream } = this;
    switch (opcode) {
      case OP.PROTO:
        return this.protocol(stream.byte());
      case OP.FRAME:
        return this.frame(stream.uint64());

      case OP.NONE:
        return this.push(null);
      case OP.NEWTRUE:
        return this.push(true);
      case OP.NEWFALSE:
        return this.push(false);
      case OP.BININT:
        return this.push(stream.int32());
      case OP.BININT1:
        return this.push(stream.byte());
      case OP.BININT2:
        return this.push(stream.uint16());
      case OP.LONG1:
        return this.push(this.integer(stream.byte()));
      case OP.LONG4:
        return this.push(this.integer(stream.int32()));
      case OP.BINFLOAT:
        return this.make(stream.float64(), COST.float);
      case OP.INT:
      case OP.LONG:
        return this.push(this.decimal(stream.line(MAX_LINE)));
      case OP.FLOAT:
        return this.push(this.float(stream.line(MAX_LINE)));

      case OP.SHORT_BINUNICODE:
        return this.string(stream.byte());
      case OP.BINUNICODE:
        return this.string(stream.uint32());
      case OP.BINUNICODE8:
        return this.string(stream.uint64());
      case OP.UNICODE:
        return this.text(unescaped(stream.lineBytes(MAX_LINE)));
      // Python 2's strings are text to us, as to torch.load.
      case OP.STRING:
        return this.text(/^(['"])(.*)\1$/s.exec(stream.line(MAX_LINE))?.[2] ?? this.fail('a text has no quotes'));
      case OP.SHORT_BINSTRING:
        return this.string(stream.byte());
      case OP.BINSTRING:
        return this.string(this.length(stream.int32()));
      case OP.SHORT_BINBYTES:
        return this.bytes(stream.byte());
      case OP.BINBYTES:
        return this.bytes(stream.uint32());
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        return this.bytes(stream.uint64());
      case OP.READONLY_BUFFER:
        return this.top() instanceof Uint8Array ? undefined : this.fail('a buffer holds no bytes');

      case OP.EMPTY_LIST:
        return this.make([], COST.list);
      case OP.APPEND:
        return this.append([this.pop()]);
      case OP.APPENDS:
        return this.append(this.popMark());
      case OP.LIST:
        return this.make(this.popMark(), COST.list);
      case OP.EMPTY_TUPLE:
        return this.tuple([]);
      case OP.TUPLE:
        return this.tuple(this.popMark());
      case OP.TUPLE1:
        return this.tuple(this.popLast(1));
      case OP.TUPLE2:
        return this.tuple(this.popLast(2));
      case OP.TUPLE3:
        return this.tuple(this.popLast(3));
      case OP.EMPTY_DICT:
        return this.make(new Dict(), COST.dict);
      case OP.SETITEM:
        return this.setItems(this.popLast(2));
      case OP.SETITEMS:
        return this.setItems(this.popMark());
      case OP.DICT: {
        const items = this.popMark();
        this.make(new Dict(), COST.dict);
        return this.setItems(items);
      }
      case OP.EMPTY_SET:
        return this.make(new PySet([]), COST.list);
      case OP.ADDITEMS:
        return this.addItems(this.popMark());
      case OP.FROZENSET:
        return this.make(new PySet(this.popMark()), COST.list);

      case OP.MARK:
        return void this.marks.push(this.stack.length);
      case OP.POP:
        // Python pops a mark if that is on top.
        if (this.marks.at(-1) === this.stack.length && this.marks.length > 0) this.marks.pop();
        else this.pop();
        return;
      case OP.POP_MARK:
        return void this.popMark();
      case OP.DUP:
        return this.push(this.top());

      case OP.PUT:
        return this.put(this.index(stream.line(MAX_LINE)));
      case OP.BINPUT:
        return this.put(stream.byte());
      case OP.LONG_BINPUT:
        return this.put(stream.uint32());
      case OP.MEMOIZE:
        return this.put(this.memo.size);
      case OP.GET:
        return this.get(this.index(stream.line(MAX_LINE)));
      case OP.BINGET:
        return this.get(stream.byte());
      case OP.LONG_BINGET:
        return this.get(stream.uint32());

      case OP.GLOBAL:
        return this.global(this.named(stream.line(MAX_LINE), stream.line(MAX_LINE)));
      case OP.STACK_GLOBAL: {
        const [module, name] = this.popLast(2);
        if (typeof module !== 'string' || typeof name !== 'string') return this.fail('STACK_GLOBAL names something that is no text');
        return this.global(this.named(module, name));
      }
      case OP.REDUCE: {
        const [callee, args] = this.popLast(2);
        return this.call(callee, args);
      }
      case OP.NEWOBJ: {
        const [callee, args] = this.popLast(2);
        return this.call(callee, args);
      }
      case OP.NEWOBJ_EX: {
        const [callee, args, keywords] = this.popLast(3);
        if (!(keywords instanceof Dict)) return this.fail('a call has keywords that are no dict');
        return this.call(callee, keywords.size > 0 ? [args, keywords] : args);
      }
      case OP.INST: {
        const callee = this.named(stream.line(MAX_LINE), stream.line(MAX_LINE));
        return this.call(callee, this.popMark());
      }
      case OP.OBJ: {
        const [callee, ...args] = this.popMark();
        return this.call(callee, args);
      }
      case OP.BUILD:
        return this.build(this.pop());

      case OP.BINPERSID:
        return this.make(this.hooks.persistent(this.pop()), COST.record);
      case OP.PERSID:
        return this.make(this.hooks.persistent(stream.line(MAX_LINE)), COST.record);

      case OP.EXT1:
      case OP.EXT2:
      case OP.EXT4:
        return this.fail('it uses the copyreg extension registry');
      case OP.NEXT_BUFFER:
        return this.fail('it refers to buffers outside the file');
      default:
        return this.fail(`0x${opcode.toString(16).padStart(2, '0')} is no opcode of a pickle`);
    }
  }

  /** Frames only tell readers how much to fetch. */
  private frame(length: number): void {
    if (!(length <= this.stream.left)) this.fail('it is cut off');
  }

  private protocol(version: number): void {
    if (version > HIGHEST_PROTOCOL) this.fail(`its pickle protocol is ${version}; at most ${HIGHEST_PROTOCOL} is known`);
  }

  private fail(what: string, help?: string): never {
    return this.hooks.fail(`${what} (byte ${this.opcodeAt})`, help);
  }

  private spend(cost: number): void {
    this.spent += cost;
    if (!(this.spent <= BUDGET)) this.fail('it holds more objects and texts than any model has');
  }

  private push(value: unknown): void {
    this.stack.push(value);
  }

  /** Pushes what is new: a container costs its items too. */
  private make(value: unknown, cost: number): void {
    this.spend(cost + (Array.isArray(value) ? value.length * COST.item : 0));
    this.stack.push(value);
  }

  private tuple(items: unknown[]): void {
    this.make(Object.freeze(items), COST.tuple);
  }

  private floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  private pop(): unknown {
    if (this.stack.length <= this.floor()) this.fail('an opcode takes more values than there are');
    return this.stack.pop();
  }

  private popLast(count: number): unknown[] {
    if (this.stack.length - count < this.floor()) this.fail('an opcode takes more values than there are');
    return this.stack.splice(this.stack.length - count);
  }

  private popMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) return this.fail('an opcode needs a mark and there is none');
    return this.stack.splice(mark);
  }

  private top(): unknown {
    if (this.stack.length <= this.floor()) this.fail('an opcode takes more values than there are');
    return this.stack.at(-1);
  }

  private length(value: number): number {
    return value >= 0 ? value : this.fail('a length is negative');
  }

  /** Little-endian, two's complement. */
  private integer(length: number): number | bigint {
    if (this.length(length) > MAX_INTEGER) this.fail(`an integer is ${length} bytes long`);
    if (length === 0) return 0;
    const bytes = this.stream.take(length);
    this.spend(length);
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).reverse().join('');
    const value = BigInt.asIntN(length * 8, BigInt(`0x${digits}`));
    return this.plain(value);
  }

  private decimal(line: string): number | bigint | boolean {
    // Protocol 0 writes booleans so.
    if (line === '00' || line === '01') return line === '01';
    const digits = line.replace(/L$/, '');
    if (!/^\s*[-+]?\d+\s*$/.test(digits) || digits.length > 2 * MAX_INTEGER) return this.fail('an integer is not written as one');
    return this.plain(BigInt(digits.trim().replace(/^\+/, '')));
  }

  private float(line: string): number {
    const value = UNUSUAL.get(line) ?? (/^[-+.\deE]+$/.test(line) ? Number(line) : NaN);
    return Number.isNaN(value) && line !== 'nan' ? this.fail('a float is not written as one') : value;
  }

  private plain(value: bigint): number | bigint {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  private string(length: number): void {
    this.spend(COST.string + 2 * length);
    this.push(this.stream.string(length));
  }

  private text(text: string): void {
    this.spend(COST.string + 2 * text.length);
    this.push(text);
  }

  private bytes(length: number): void {
    this.spend(COST.bytes + length);
    this.push(this.stream.take(length).slice());
  }

  private append(items: readonly unknown[]): void {
    const list = this.top();
    this.spend(items.length * COST.item);
    if (Array.isArray(list) && !Object.isFrozen(list)) for (const item of items) list.push(item);
    else if (!(list instanceof Inert)) this.fail('items are appended to what is no list');
    // An object's own append() would be called: the items are no part of any model.
  }

  private setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (items.length % 2 !== 0) this.fail('a key of a dict has no value');
    this.spend((items.length / 2) * COST.entry);
    if (dict instanceof Dict) for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    else if (!(dict instanceof Inert)) this.fail('keys are set on what is no dict');
  }

  private addItems(items: readonly unknown[]): void {
    const set = this.top();
    this.spend(items.length * COST.item);
    if (set instanceof PySet) for (const item of items) set.items.push(item);
    else if (!(set instanceof Inert)) this.fail('items are added to what is no set');
  }

  private index(line: string): number {
    return /^\d{1,10}$/.test(line) ? Number(line) : this.fail('a memo index is no number from 0 on');
  }

  private put(index: number): void {
    this.spend(COST.memo);
    this.memo.set(index, this.top());
  }

  private get(index: number): void {
    if (!this.memo.has(index)) this.fail(`it refers to value ${index}, which is not there`);
    this.push(this.memo.get(index));
  }

  private named(module: string, name: string): Global {
    const path = `${module}\n${name}`;
    const known = this.globals.get(path);
    if (known) return known;
    this.spend(COST.name + 4 * path.length);
    if (isHarmful(module, name)) {
      this.fail(`it names ${quoted(`${module}.${name}`)}, which has no place in a model and runs code when Python opens the file`, 'Nothing was run. Do not open this file with PyTorch; get the weights from a source that you trust.');
    }
    const global = new Global(module, name);
    this.globals.set(path, global);
    this.hooks.named?.(global);
    return global;
  }

  private global(global: Global): void {
    this.push(global);
  }

  private call(callee: unknown, args: unknown): void {
    this.spend(COST.record);
    if (!Array.isArray(args)) return this.fail('a call has arguments that are no tuple');
    if (!(callee instanceof Global || callee instanceof Inert)) return this.fail('what is called is neither a class nor a function');
    // The value may be a copy of what the call is given.
    if (callee instanceof Global) for (const given of args as unknown[]) this.spend(shallowCost(given));
    const value = callee instanceof Global ? this.hooks.call(callee, args as unknown[]) : undefined;
    this.push(value === undefined ? new Inert(callee, args) : value);
  }

  private build(state: unknown): void {
    const object = this.top();
    if (object instanceof Inert) object.state = this.merged(object.state, state);
    else if (!isObject(object) || Array.isArray(object)) this.fail('a state is given to what is no object');
    // Dicts and tensors carry attributes besides: no part of the model.
  }

  /** An object may be given a state twice; what came later counts. The states stay as they are: others may share them. */
  private merged(before: unknown, state: unknown): unknown {
    if (!(before instanceof Dict) || !(state instanceof Dict)) return state;
    this.spend(COST.dict + shallowCost(before) + shallowCost(state));
    const both = new Dict();
    for (const part of [before, state]) for (const [key, value] of part) both.set(key, value);
    return both;
  }
}

/** Protocol 0's raw-unicode-escape: Latin-1, and \\uXXXX. */
function unescaped(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return text.replace(/\\u([\da-f]{4})|\\U00([\da-f]{6})/gi, (whole, short: string | undefined, long: string) => {
    const code = parseInt(short ?? long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Floats that Python writes as words. */
const UNUSUAL: ReadonlyMap<string, number> = new Map([['inf', Infinity], ['-inf', -Infinity], ['nan', NaN]]);

/** What a copy of a value takes, without what is in it. */
function shallowCost(value: unknown): number {
  if (Array.isArray(value)) return value.length * COST.item;
  if (value instanceof PySet) return value.items.length * COST.item;
  if (value instanceof Dict) return value.size * COST.entry;
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

/** What may have attributes and methods of its own in Python, and so be given items or a state. */
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
