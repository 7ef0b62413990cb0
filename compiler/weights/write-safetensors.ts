/** Writes safetensors: the tensors of a checkpoint, and in the metadata what it says of its model. */
import { Problem } from '../errors.js';
import type { ByteSink } from '../io.js';
import type { Checkpoint } from './checkpoint.js';
import { itemSize } from './dtypes.js';
import { STATED } from './source.js';
import type { StoredTensor } from './state-dict.js';

const CHUNK = 1 << 18;
const PAUSE_EVERY = 1 << 24;

/**
 * `stored` is the size of the file that it comes from; `pause` is awaited now and then. Throws Problem('too-large') where
 * expanded tensors would make a file far larger than that.
 */
export async function writeSafetensors(sink: ByteSink, checkpoint: Checkpoint, stored: number, pause: () => Promise<void>): Promise<void> {
  // Larger elements first: every tensor then begins at a multiple of its element.
  const tensors = [...checkpoint.tensors].sort(([, a], [, b]) => itemSize(b.dtype) - itemSize(a.dtype));
  const total = tensors.reduce((sum, [, tensor]) => sum + bytesOf(tensor), 0);
  if (total > 8 * stored + CHUNK) throw new Problem('too-large', `${checkpoint.name} has ${stored} bytes, its tensors would have ${total}`, { help: 'It repeats numbers (tensors of stride 0) far more than any model does.' });
  if (checkpoint.tensors.has('__metadata__')) throw new Problem('bad-weights', `${checkpoint.name} has a tensor called __metadata__, which safetensors keeps for itself`, { help: "Rename it: --key-map '__metadata__=name'." });
  const header: [string, unknown][] = [['__metadata__', metadataOf(checkpoint)]];
  let end = 0;
  for (const [name, tensor] of tensors) header.push([name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [end, (end += bytesOf(tensor))] }]);
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(text, 8);
  sink.write(padded);
  const chunk = new Uint8Array(CHUNK);
  let sincePause = 0;
  for (const [, tensor] of tensors) {
    const length = bytesOf(tensor);
    for (let at = 0; at < length; at += CHUNK) {
      const part = chunk.subarray(0, Math.min(CHUNK, length - at));
      tensor.bytes(part, at);
      sink.write(part);
      sincePause += part.length;
      if (sincePause < PAUSE_EVERY) continue;
      sincePause = 0;
      await pause();
    }
  }
}

const bytesOf = ({ dtype, size }: StoredTensor): number => size * itemSize(dtype);

/** What `checkpointOfSafetensors` reads back. */
function metadataOf({ model, modules }: Checkpoint): Record<string, string> {
  const { yaml, scale, task, nc, names, stride, kptShape } = model;
  const entries: [string, string | undefined][] = [
    ['format', 'pt'],
    ['yaml', yaml && ('text' in yaml ? yaml.text : yaml.path)],
    ['scale', scale],
    ['task', task],
    ['nc', nc === undefined ? undefined : String(nc)],
    ['names', names && JSON.stringify(names)],
    ['stride', stride && JSON.stringify(stride)],
    ['kpt_shape', kptShape && JSON.stringify(kptShape)],
    ['modules', modules.size === 0 ? undefined : JSON.stringify(statedBy(modules))],
  ];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The attributes of layers that decide what is computed: path → [class, attributes]. */
function statedBy(modules: Checkpoint['modules']): Record<string, unknown> {
  const stated = [...modules].map(([path, facts]): [string, unknown] => {
    const attributes = STATED.map((name) => [name, facts.attribute(name)] as const).filter(([, value]) => value !== undefined && value !== null);
    return [path, [facts.path, Object.fromEntries(attributes)]];
  });
  return Object.fromEntries(stated);
}
