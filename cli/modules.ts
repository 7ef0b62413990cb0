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
    ...(entry.aliases.length > 0 ? [`also: ${entry.aliases.join(', ')}`] : []),
    entry.doc,
    '',
    ...(args.length > 0 ? ['arguments', ...args] : ['no arguments']),
    ...(entry.constraints.length > 0 ? ['', 'constraints', ...entry.constraints.map((text) => `  ${text}`)] : []),
    '',
    `repeats: ${entry.repeats === 'inside' ? 'taken inside' : 'copies one after the other'}`,
    `yamls: ${entry.operator ? 'none: an operator' : entry.families.join(', ')}`,
    `least opset: ${entry.leastOpset}`,
    `source: ${entry.source}`,
    entry.operator ? `example: --module ${entry.name} --args '${entry.example}' ${entry.exampleInputs.map((shape) => `--input ${shape.join('x')}`).join(' ')}` : `example: [-1, 1, ${entry.name}, ${entry.example}]`,
  ].join('\n');
}

const yamlsOf = ({ operator, families }: ModuleEntry): string => (operator ? 'operator' : families.join(', '));

async function textTable(entries: readonly ModuleEntry[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const table = new Table({ head: ['module', 'arguments', 'needs', 'yamls', 'opset', 'source'], colWidths: [36, 40, 44, 13, 7, 36], wordWrap: true, style: { head: [], border: [], compact: true } });
  for (const entry of entries) table.push([[entry.name, ...entry.aliases].join('\n'), entry.usage, entry.constraints.join('; '), yamlsOf(entry), String(entry.leastOpset), entry.source]);
  return table.toString();
}

/** The table of README.md. */
export function modulesMarkdown(entries: readonly ModuleEntry[]): string {
  const rows = entries.map((entry) => {
    const { name, aliases, usage, leastOpset, doc, source, constraints } = entry;
    const also = aliases.length > 0 ? ` (also ${aliases.map((alias) => `\`${alias}\``).join(', ')})` : '';
    const needs = constraints.length > 0 ? ` Needs: ${constraints.join('; ')}.` : '';
    return `| \`${name}\`${also} | \`${usage}\` | ${yamlsOf(entry)} | ${leastOpset} | ${doc}${needs} | ${source} |`;
  });
  return ['| module | arguments | yamls | least opset | what | source |', '|---|---|---|---|---|---|', ...rows].join('\n');
}
