/** A model file with what onnxruntime needs beside it to run it. */
import type { FileModel } from '../inspect/model.js';
import { withBytes } from '../inspect/taps.js';
import type { Loadable } from '../runner.js';
import { factsOf } from './onnx-file.js';
import { readModel } from './read-model.js';

export interface Runnable {
  /** The model as its file has it. */
  readonly model: FileModel;
  /** What to run: with the function twins of opaque operators. */
  readonly file: Loadable;
  readonly half: boolean;
  /** Opaque operators in whose place twins run, `domain::name`. */
  readonly twins: readonly string[];
}

/** Throws Problem('unreadable', 'bad-model'). */
export async function runnable(place: string | Uint8Array): Promise<Runnable> {
  const model = readModel(place);
  const { half, twin } = await factsOf(model);
  return { model, half, file: twin ? withBytes(place, twin.append) : place, twins: twin?.names ?? [] };
}

export const twinNote = (names: readonly string[]): string => `onnxruntime has no kernels for ${names.join(', ')}: the function twins of these opaque operators are run`;
