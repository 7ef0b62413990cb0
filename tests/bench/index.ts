/**
 * `npm run bench [-- TABLE … --rounds N --threads N --peers venv/bin/python --record]`: prints tables of what compiling
 * costs, of graphs, and of their latency. With a Python that has the other tools they run side by side, otherwise their
 * recorded figures are printed. Asserts nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileCost } from './compile-cost.js';
import { graphSizes } from './graph-size.js';
import { latency } from './latency.js';
import { machine } from './measure.js';
import { LivePeers, RECORD } from './peers.js';
import { growth } from './rows.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '7' }, threads: { type: 'string', default: '1' }, peers: { type: 'string' }, record: { type: 'boolean', default: false } },
});
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
const python = values.peers ?? process.env.YOLONNX_PEERS;
const live = python === undefined ? undefined : new LivePeers(python);
const folder = mkdtempSync(join(tmpdir(), 'yolonnx-bench-'));

const tables: Readonly<Record<string, readonly [title: string, make: () => string | Promise<string>]>> = {
  compile: ['Compiling, whole processes', () => compileCost(folder, rounds, live)],
  rows: ['Compiling yamls of many rows', () => growth(folder, rounds)],
  graphs: ['Graphs', graphSizes],
  latency: [`Latency, ${threads} thread${threads === 1 ? '' : 's'}`, () => latency(folder, rounds, threads, live, values.record)],
};

const wanted = positionals.length > 0 ? positionals : Object.keys(tables);
const unknown = wanted.find((name) => !Object.hasOwn(tables, name));
if (unknown !== undefined || !(rounds >= 1) || !(threads >= 1)) {
  console.error(unknown === undefined ? 'rounds and threads are numbers from 1 on' : `there is no table ${unknown}: ${Object.keys(tables).join(', ')}`);
  process.exit(2);
}

console.log(`${machine()}; medians of ${rounds} interleaved rounds`);
if (!live) console.log(`No Python with the other tools is named (--peers venv/bin/python, or YOLONNX_PEERS): their figures are the recorded ones of ${RECORD.replace(/^.*\/fixtures/, 'fixtures')}.`);
try {
  for (const name of wanted) {
    const [title, make] = tables[name]!;
    console.log(`\n${title}`);
    console.log(await make());
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
