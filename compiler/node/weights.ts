/** Weight files by their extension. */
import { Problem } from '../errors.js';
import { safetensorsWeights } from '../weights/safetensors.js';
import type { WeightSource } from '../weights/source.js';
import { fileSource } from './files.js';

/** Opens a weights file; `close` frees it when the model is written. Throws Problem('unreadable' or 'bad-weights'). */
export function openWeights(path: string): { readonly source: WeightSource; close(): void } {
  if (/\.(pt|pth|bin|ckpt)$/i.test(path)) {
    throw new Problem('bad-weights', `${path} is a PyTorch checkpoint, which this version does not read yet`, {
      help: 'Save its state_dict as .safetensors (safetensors.torch.save_file) and give that file.',
    });
  }
  const file = fileSource(path);
  try {
    return { source: safetensorsWeights(file), close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}
