/** Weight files: PyTorch's two forms and safetensors, told apart by their first bytes. */
import { Problem } from '../errors.js';
import type { ByteSource } from '../io.js';
import type { Checkpoint } from '../weights/checkpoint.js';
import { checkpointOfSafetensors } from '../weights/safetensors.js';
import { fileSource } from './files.js';
import { exists } from './model-file.js';

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Frees the file: tensors are read from it until then. */
  close(): void;
}

/** Whether a file named as a model holds weights rather than a yaml: by its name, else by its first bytes. */
export function isWeightsFile(path: string): boolean {
  if (/\.(pt|pth|ckpt|bin|safetensors)$/i.test(path)) return true;
  if (/\.ya?ml$/i.test(path) || !exists(path)) return false;
  const file = fileSource(path);
  try {
    return isCheckpoint(startOf(file, 4));
  } finally {
    file.close();
  }
}

const isZip = (start: Uint8Array): boolean => start[0] === 0x50 && start[1] === 0x4b;
/** PROTO and a protocol. */
const isPickle = (start: Uint8Array): boolean => start[0] === 0x80 && start[1]! <= 5;
const isCheckpoint = (start: Uint8Array): boolean => isZip(start) || isPickle(start);

function startOf(file: ByteSource, length: number): Uint8Array {
  const start = new Uint8Array(Math.min(length, file.size));
  file.read(start, 0);
  return start;
}

/** Opens a weights file; tensors are read later, by ranges. Throws Problem('unreadable' or 'bad-weights'). */
export async function openCheckpoint(path: string): Promise<OpenedCheckpoint> {
  const file = fileSource(path);
  try {
    return { checkpoint: await readCheckpoint(file), close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Reads what a file holds, without its tensors. Throws Problem('bad-weights'). */
export async function readCheckpoint(file: ByteSource): Promise<Checkpoint> {
  const start = startOf(file, 64);
  if (isZip(start)) {
    const [{ openZip }, { readTorchZip }, { checkpointOf }] = await Promise.all([import('./zip.js'), import('../weights/torch/read.js'), import('../weights/torch/checkpoint.js')]);
    return checkpointOf(file.name, readTorchZip(file.name, await openZip(file)));
  }
  if (isPickle(start)) {
    const [{ readTorchLegacy }, { checkpointOf }] = await Promise.all([import('../weights/torch/read.js'), import('../weights/torch/checkpoint.js')]);
    return checkpointOf(file.name, readTorchLegacy(file));
  }
  if (/\.safetensors$/i.test(file.name) || start[8] === 0x7b) return checkpointOfSafetensors(file);
  const [what, help] = kindOf(new TextDecoder().decode(start));
  throw new Problem('bad-weights', `${file.name} is ${what}`, { help });
}

/** What people have in place of a checkpoint, by its first characters. */
function kindOf(start: string): readonly [what: string, help: string] {
  if (start === '') return ['empty', 'Download or copy the file again.'];
  if (start.startsWith('version https://git-lfs')) return ['a pointer of Git LFS, not the file itself', 'Fetch the file with git lfs pull.'];
  if (/^\s*<(!doctype|html|\?xml)/i.test(start)) return ['a web page, not a checkpoint', 'Download the file itself.'];
  return ['neither a PyTorch checkpoint nor a safetensors file', 'Give the .pt file that the trainer wrote, or a state_dict as .pt or .safetensors.'];
}
