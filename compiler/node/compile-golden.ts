/** Compiles what a golden names: its yaml or module, arguments, seed or weights. */
import { dirname, join } from 'node:path';
import { prepare, writeModule, writeNetwork, type GraphOptions } from '../compile.js';
import { Problem } from '../errors.js';
import { goldenWeights, type Golden, type ModuleGolden } from '../golden.js';
import type { ByteSource, ModelSink } from '../io.js';
import { library } from '../../ops/index.js';
import { openWeights, type InputOptions } from './inputs.js';
import { today, version } from './version.js';

export type GoldenOptions = GraphOptions & Pick<InputOptions, 'keyMap'>;

/** `source` is the golden's file, which may hold the weights. */
export async function compileGolden(golden: Golden, source: ByteSource, sink: ModelSink, { keyMap, ...options }: GoldenOptions = {}): Promise<void> {
  const hooks = { sink, producerVersion: version(), date: today() };
  const opened = golden.weights.from === 'checkpoint' ? await openWeights(join(dirname(golden.file), golden.weights.file), { keyMap, yamlGiven: true, lone: golden.kind === 'module' }) : undefined;
  const common = { ...options, weights: opened?.source() ?? goldenWeights(golden, source) };
  try {
    if (golden.kind === 'module') {
      const inputs = golden.inputs.map(({ shape }) => mapShape(golden, shape));
      await writeModule({ ...common, module: golden.module, args: golden.args, inputs, repeats: golden.n, ...(golden.family ? { family: golden.family } : {}) }, library, hooks);
    } else {
      const request = { ...common, imgsz: golden.imgsz, batch: golden.batch, ...(golden.scale === undefined ? {} : { scale: golden.scale }) };
      const prepared = await prepare({ file: golden.yamlFile, text: golden.yaml }, request, library);
      await writeNetwork(prepared, request, hooks);
    }
  } finally {
    opened?.close();
  }
}

function mapShape(golden: ModuleGolden, shape: readonly number[]): readonly number[] {
  if (golden.op || shape.length === 4) return shape;
  throw new Problem('bad-golden', `golden ${golden.file} has an input of shape [${shape.join(', ')}]; modules read [batch, channels, height, width]`);
}
