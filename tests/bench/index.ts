/**
 * `npm run bench [-- TABLE … --rounds N --threads N --peers venv/bin/python --record]`: prints tables of what compiling
 * costs, of graphs, and of their latency. With a Python that has the other tools they run side by side, otherwise their
 * recorded figures are printed. Asserts nothing.
 *
 * `npm run bench -- latency --provider cuda [--imgsz N --models yolov8n,…]`: latency on an execution provider.
 * `npm run bench -- arithmetic`: errors of other arithmetics on the goldens.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { probed, type ProbedProvider } from '../../compiler/node/providers.js';
import { arithmetic } from './arithmetic.js';
import { compileCost } from './compile-cost.js';
import { graphSizes } from './graph-size.js';
import { latency } from './latency.js';
import { machine } from './measure.js';
import { LivePeers, RECORD } from './peers.js';
import { providerLatency } from './providers.js';
import { growth } from './rows.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    peers: { type: 'string' },
    provider: { type: 'string' },
    imgsz: { type: 'string', default: '640' },
    models: { type: 'string', default: '' },
    record: { type: 'boolean', default: false },
  },
});
const [rounds, threads, imgsz] = [Number(values.rounds), Number(values.threads), Number(values.imgsz)];
const provider = probed.find((name) => name === values.provider);
const python = values.peers ?? process.env.YOLONNX_PEERS;
const live = python === undefined ? undefined : new LivePeers(python);
const folder = mkdtempSync(join(tmpdir(), 'yolonnx-bench-'));

const perProvider = (on: ProbedProvider): Promise<string> => {
  const models = values.models.split(',').filter(Boolean);
  return providerLatency(folder, { provider: on, rounds, threads, imgsz, models, live, record: values.record });
};
const title = (what: string): string => `${what}, ${threads} thread${threads === 1 ? '' : 's'}`;

const tables: Readonly<Record<string, readonly [title: string, make: () => string | Promise<string>]>> = {
  compile: ['Compiling, whole processes', () => compileCost(folder, rounds, live)],
  rows: ['Compiling yamls of many rows', () => growth(folder, rounds)],
  graphs: ['Graphs', graphSizes],
  arithmetic: ['Errors of other arithmetics on the goldens', () => arithmetic(values.record)],
  latency: provider ? [title(`Latency on ${provider}, ${imgsz} px`), () => perProvider(provider)] : [title('Latency'), () => latency(folder, rounds, threads, live, values.record)],
};

/** What takes minutes of something else is made when it is named. */
const wanted = positionals.length > 0 ? positionals : Object.keys(tables).filter((name) => name !== 'arithmetic');
const unknown = wanted.find((name) => !Object.hasOwn(tables, name));
if (unknown !== undefined) fail(`there is no table ${unknown}: ${Object.keys(tables).join(', ')}`);
if (![rounds, threads, imgsz].every((number) => number >= 1)) fail('rounds, threads and imgsz are numbers from 1 on');
if (values.provider !== undefined && !provider) fail(`there is no provider ${values.provider}: ${probed.join(', ')}`);

console.log(`${machine()}; medians of ${rounds} interleaved rounds`);
if (!live) console.log(`No Python with the other tools is named (--peers venv/bin/python, or YOLONNX_PEERS): their figures are the recorded ones of ${RECORD.replace(/^.*\/fixtures/, 'fixtures')}.`);
try {
  for (const name of wanted) {
    const [heading, make] = tables[name]!;
    console.log(`\n${heading}`);
    console.log(await make());
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function fail(message: string): never {
  console.error(message);
  rmSync(folder, { recursive: true, force: true });
  process.exit(2);
}
