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
    const start = startOf(file, 16);
    return isSafetensors(start) || isZip(start) || isPickle(start);
  } finally {
    file.close();
  }
}

const isZip = (start: Uint8Array): boolean => start[0] === 0x50 && start[1] === 0x4b;
/** PROTO and a protocol. */
const isPickle = (start: Uint8Array): boolean => start[0] === 0x80 && start[1]! <= 5;
const isSafetensors = (start: Uint8Array): boolean => start[8] === 0x7b && start[7] === 0;

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
  // The length of a header may begin like a zip or a pickle; neither of these has a brace after eight bytes.
  if (isSafetensors(start)) return checkpointOfSafetensors(file);
  if (isZip(start)) {
    const { openZip } = await import('./zip.js');
    const { checkpointOfZip } = await import('../weights/torch/checkpoint.js');
    return checkpointOfZip(file.name, await openZip(file));
  }
  if (isPickle(start)) {
    const { checkpointOfLegacy } = await import('../weights/torch/checkpoint.js');
    return checkpointOfLegacy(file);
  }
  if (/\.safetensors$/i.test(file.name)) return checkpointOfSafetensors(file);
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
