/** yaml text → Network: the rows as written, the scale chosen, names and Python literals in arguments resolved. */
import type { Problem, Source } from '../errors.js';
import type { Network } from '../ir/network.js';
import { readDocument } from './document.js';
import { familyOf, readKeys, type KeyOptions } from './keys.js';
import { readLayers, type RowOptions } from './rows.js';
import { readScaling, stemOf } from './scales.js';
import type { Context } from './values.js';

export interface ParseOptions extends KeyOptions, RowOptions {
  /** A key of `scales:`; without it the file's name, the yaml's `scale:`, its own multiples, its first scale decide. */
  readonly scale?: string;
  /** Whether the file's name may tell the scale; default true. That of a checkpoint does not. */
  readonly scaleByName?: boolean;
  /** What a weights file says, for where the yaml and the other options are silent. */
  readonly fallback?: { readonly scale?: string; readonly names?: readonly string[] };
  /** Gets what is suspicious but no error: format it with severity 'warning'. */
  readonly warn?: (warning: Problem) => void;
}

/** Throws nothing but Problems for bad texts and options. */
export function parseNetwork({ file, text }: Source, options: ParseOptions = {}): Network {
  // Without a byte order mark the columns of the first line are right.
  const source: Source = { file, text: text.replace(/^\uFEFF/, '') };
  const root = readDocument(source);
  const context: Context = { source, root, warn: options.warn ?? (() => undefined) };
  const family = familyOf(context);
  const keys = readKeys(context, family, options);
  const scaling = readScaling(context, family, options);
  const layers = readLayers({ ...context, family, keys: keys.keys, aliases: options.aliases ?? {} });
  // A trained model's yaml says what it was called.
  const { yaml_file: called } = keys.keys;
  return { source, family, name: stemOf(typeof called === 'string' && called !== '' ? called : source.file), ...scaling, ...keys, layers };
}
