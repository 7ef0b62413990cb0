/**
 * What a pickle holds, as data. Numbers, strings, booleans and null are themselves (integers beyond 2^53 are bigints),
 * lists and tuples are arrays, bytes are Uint8Arrays; the rest are the classes of this file.
 */

/** A dict, or an object that is used as one. Keys keep their types, and `__proto__` is a key like any other. */
export class Dict {
  private entries: Map<unknown, unknown> | undefined;

  get size(): number {
    return this.entries?.size ?? 0;
  }

  get(key: unknown): unknown {
    return this.entries?.get(key);
  }

  has(key: unknown): boolean {
    return this.entries?.has(key) ?? false;
  }

  set(key: unknown, value: unknown): void {
    (this.entries ??= new Map()).set(key, value);
  }

  [Symbol.iterator](): IterableIterator<[unknown, unknown]> {
    return (this.entries ??= new Map()).entries();
  }
}

export class PySet {
  constructor(readonly items: unknown[]) {}
}

/** The name of a class or function. Nothing is ever looked up by it. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}

  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** What Python would make by calling something: the call is kept as a record, with the state that it would be given. */
export class Inert {
  /** Of BUILD: usually the `__dict__`. */
  state: unknown;

  constructor(
    readonly callee: unknown,
    readonly args: unknown,
  ) {}

  /** The class or function that it is made by, where it is named. */
  get path(): string | undefined {
    if (this.callee instanceof Global) return this.callee.path;
    // Protocol 2 writes a class within a class as getattr(Outer, 'Inner').
    const [outer, inner] = this.callee instanceof Inert && Array.isArray(this.callee.args) ? (this.callee.args as readonly unknown[]) : [];
    return outer instanceof Global && typeof inner === 'string' ? `${outer.path}.${inner}` : undefined;
  }

  /** The object's `__dict__`; of an object with slots, the dict beside them. */
  get attributes(): Dict | undefined {
    const state: unknown = Array.isArray(this.state) ? this.state[0] : this.state;
    return state instanceof Dict ? state : undefined;
  }
}

/** A key of a dict, or an attribute of an object. */
export function field(value: unknown, name: string): unknown {
  if (value instanceof Dict) return value.get(name);
  return value instanceof Inert ? value.attributes?.get(name) : undefined;
}
