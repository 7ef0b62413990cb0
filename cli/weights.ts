import { printable } from '../compiler/errors.js';
import type { WeightsListing } from '../compiler/index.js';
import { printJson, sayWarnings, shared, type Command } from './command.js';
import { fileSize } from './values.js';

interface Options {
  readonly file: string;
  readonly to?: string;
  readonly keyMap?: readonly string[];
  readonly json: boolean;
}

export const weightsCommand: Command<Options> = {
  usage: 'weights <file>',
  describe: 'List a checkpoint: model, names, yaml, tensors; convert it to safetensors',
  positionals: { file: { type: 'string', describe: 'PyTorch checkpoint (.pt) or safetensors' } },
  options: {
    to: { type: 'string', describe: 'also write its tensors to this .safetensors file, which compiles as the checkpoint does' },
    'key-map': { type: 'string', array: true, nargs: 1, describe: "rename tensors: 'old.*=new.*' (an empty new side leaves them out); repeats" },
    json: shared.json,
  },
  examples: [
    ['$0 weights best.pt', 'what is in it; nothing in the file is run'],
    ['$0 weights best.pt --to best.safetensors', 'the same weights, without pickle'],
  ],
  async run({ file, to, keyMap, json }, io) {
    const { listWeights } = await import('../compiler/node/list-weights.js');
    const listing = await listWeights({ file, ...(to === undefined ? {} : { to }), ...(keyMap ? { keyMap } : {}), onWarning: sayWarnings(io) });
    if (json) printJson(io, listing);
    else io.out(text(listing));
    return 0;
  },
};

const CONTAINERS = { zip: 'PyTorch checkpoint', legacy: 'PyTorch checkpoint, legacy form', safetensors: 'safetensors' } as const;

function text(listing: WeightsListing): string {
  const { file, bytes, container, holds, tensors, totals, yaml, output } = listing;
  const facts = factsOf(listing);
  const wide = longest(facts.map(([name]) => name));
  const columns = Math.min(100, longest(tensors.map(({ name }) => name)));
  const dtypes = Object.entries(totals.dtypes).map(([dtype, count]) => `${count} ${dtype}`).join(', ');
  return printable([
    `${file}  ${fileSize(bytes)}  ${CONTAINERS[container]}, ${holds}`,
    ...facts.map(([name, value]) => `  ${name.padEnd(wide)}  ${value}`),
    ...(yaml === undefined ? [] : ['', ...yaml.trimEnd().split('\n').map((line) => `  ${line}`)]),
    '',
    ...tensors.map(({ name, dtype, shape }) => `  ${name.replace(/\s/g, ' ').padEnd(columns)}  ${dtype.padEnd(4)}  [${shape.join(', ')}]`),
    `${totals.tensors} tensors (${dtypes}), ${totals.elements} elements, ${fileSize(totals.bytes)}`,
    ...(output === undefined ? [] : [`written: ${output}`]),
  ].join('\n'));
}

const longest = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, text.length), 0);

/** Longer values are for --json. */
const LONGEST = 200;

function factsOf({ class: model, task, scale, nc, names, stride, kptShape, regMax, info, classes }: WeightsListing): [string, string][] {
  const list = (values: readonly (string | number)[]): string => values.join(', ');
  const facts: [string, string | undefined][] = [
    ['model', model],
    ['task', task],
    ['scale', scale],
    ['classes', nc === undefined ? undefined : String(nc)],
    ['names', names && list(names)],
    ['stride', stride && list(stride)],
    ['keypoints', kptShape && list(kptShape)],
    ['reg_max', regMax === undefined ? undefined : String(regMax)],
    ...Object.entries(info).map(([key, value]): [string, string] => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
    // Their names tell which modules are the user's own.
    ['code', classes.length === 0 ? undefined : `${list(classes)} (named in the file; not loaded)`],
  ];
  return facts.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, oneLine(value)]]));
}

const oneLine = (value: string): string => {
  const plain = value.replace(/\s+/g, ' ');
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain;
};
