/**
 * Seeded weights as files: both compilers then have the same. Written by a process of its own,
 *
 *     node seeded-files.js pt|safetensors MODEL.yaml TARGET
 *
 * because what this one holds would count as the memory of the processes that are measured after it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { prepare } from '../../compiler/compile.js';
import { recordNetwork } from '../../compiler/record.js';
import { DEFAULT_SEED, seededWeights } from '../../compiler/weights/seeded.js';
import type { WeightSource } from '../../compiler/weights/source.js';
import { library } from '../../ops/index.js';
import { locateModel } from '../../compiler/node/model-file.js';
import { ordered, storage, tensor, torchZip } from '../made-torch.js';

interface SeededTensor {
  readonly key: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Every tensor of a model's state_dict. */
async function seededTensors(model: string): Promise<readonly SeededTensor[]> {
  const { file, scale } = locateModel(model);
  const prepared = await prepare({ file: model, text: readFileSync(file, 'utf8') }, scale === undefined ? {} : { scale }, library);
  const seeded = seededWeights(DEFAULT_SEED);
  const found: SeededTensor[] = [];
  const collecting: WeightSource = {
    ...seeded,
    tensor(key, shape, kept) {
      const read = seeded.tensor(key, shape, kept);
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      read(values, 0);
      found.push({ key, shape, values });
      return read;
    },
  };
  recordNetwork(prepared.network, { batch: 1, height: 64, width: 64 }, { weights: collecting });
  return found;
}

/** A checkpoint of torch.save: a state_dict. */
async function writeCheckpoint(model: string, target: string): Promise<void> {
  const tensors = await seededTensors(model);
  const root = ordered(Object.fromEntries(tensors.map(({ key, shape, values }, i) => [key, tensor(storage('FloatStorage', String(i), values.length), shape)])));
  writeFileSync(target, torchZip(root, Object.fromEntries(tensors.map(({ values }, i) => [String(i), new Uint8Array(values.buffer)]))));
}

/** A safetensors file. */
async function writeSafetensors(model: string, target: string): Promise<void> {
  const tensors = await seededTensors(model);
  let end = 0;
  const entries = tensors.map(({ key, shape, values }) => [key, { dtype: 'F32', shape, data_offsets: [end, (end += values.byteLength)] }] as const);
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(target, Buffer.concat([length, header, ...tensors.map(({ values }) => new Uint8Array(values.buffer))]));
}

const file = fileURLToPath(import.meta.url);

/** Writes a checkpoint of torch.save, or a safetensors file. */
export function writeWeights(form: 'pt' | 'safetensors', model: string, target: string): void {
  const { status, stderr } = spawnSync(process.execPath, [file, form, model, target], { stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`weights of ${model} could not be written: ${stderr.toString()}`);
}

if (process.argv[1] === file) {
  const [form, model, target] = process.argv.slice(2) as [string, string, string];
  await (form === 'pt' ? writeCheckpoint : writeSafetensors)(model, target);
}
