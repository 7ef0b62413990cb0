import { printJson, shared, type Command } from './command.js';
import type { ModuleEntry } from '../compiler/node/modules.js';

interface Options {
  readonly name?: string;
  readonly family?: 'yolov5' | 'ultralytics';
  readonly json: boolean;
  readonly markdown: boolean;
}

export const modulesCommand: Command<Options> = {
  usage: 'modules [name]',
  describe: 'List what a yaml may name, or tell all about one module',
  positionals: { name: { type: 'string', describe: 'a module' } },
  options: {
    family: { ...shared.family, describe: 'only what this family’s yamls may name; default: both' },
    json: shared.json,
    markdown: { type: 'boolean', default: false, describe: 'the table as README.md has it' },
  },
  examples: [['$0 modules CBAM', 'arguments, source and constraints of CBAM']],
  async run({ name, family, json, markdown }, io) {
    const { listModules, findModule } = await import('../compiler/node/modules.js');
    if (name !== undefined) {
      const entry = await findModule(name, family);
      if (json) printJson(io, entry);
      else io.out(details(entry));
      return 0;
    }
    const entries = await listModules(family);
    if (json) printJson(io, entries);
    else if (markdown) io.out(modulesMarkdown(entries));
    else io.out(await textTable(entries));
    return 0;
  },
};

function details(entry: ModuleEntry): string {
  const args = entry.args.map(({ name, type, default: value, doc }) => `  ${name}${value === undefined ? '' : `=${value}`}  (${type})  ${doc}`);
  return [
    `${entry.name} ${entry.usage}`,
    entry.doc,
    '',
    ...(args.length > 0 ? ['arguments', ...args] : ['no arguments']),
    ...(entry.constraints.length > 0 ? ['', 'constraints', ...entry.constraints.map((text) => `  ${text}`)] : []),
    '',
    `repeats: ${entry.repeats === 'inside' ? 'taken inside' : 'copies one after the other'}`,
    `yamls: ${entry.families.join(', ')}`,
    `least opset: ${entry.leastOpset}`,
    `source: ${entry.source}`,
    `example: [-1, 1, ${entry.name}, ${entry.example}]`,
  ].join('\n');
}

async function textTable(entries: readonly ModuleEntry[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({ head: ['module', 'arguments', 'yamls', 'opset', 'source'], style: { head: [], border: [], compact: true } });
  for (const { name, usage, families, leastOpset, source } of entries) table.push([name, usage, families.join(', '), String(leastOpset), source]);
  return table.toString();
}

/** The table of README.md. */
export function modulesMarkdown(entries: readonly ModuleEntry[]): string {
  const rows = entries.map(({ name, usage, families, leastOpset, doc, source }) => `| \`${name}\` | \`${usage}\` | ${families.join(', ')} | ${leastOpset} | ${doc} | ${source} |`);
  return ['| module | arguments | yamls | least opset | what | source |', '|---|---|---|---|---|---|', ...rows].join('\n');
}
