import type { Target } from '../compiler/index.js';
import { printJson, shared, type Command } from './command.js';

/** `yolonnx targets [NAME]`: the runtimes that `--target` knows. */
export const targetsCommand: Command<{ readonly name?: string; readonly json: boolean }> = {
  usage: 'targets [name]',
  describe: 'List the runtimes that --target knows, or what one of them gets, and why',
  positionals: { name: { type: 'string', describe: 'a target, or a file of one' } },
  options: { json: shared.json },
  examples: [['$0 targets tensorrt', 'opset, operators, rewrites, and what to run']],
  async run({ name, json }, io) {
    const { findTarget, listTargets } = await import('../compiler/node/targets.js');
    const found = name === undefined ? listTargets() : findTarget(name);
    if (json) printJson(io, found);
    else io.out(Array.isArray(found) ? await table(found as readonly Target[]) : described(found as Target));
    return 0;
  },
};

async function table(targets: readonly Target[]): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const rows = new Table({ head: ['target', 'for', 'opset', 'IR', 'open sizes'], colWidths: [12, 66, 7, 4, 12], wordWrap: true, style: { head: [], border: [], compact: true } });
  for (const { name, doc, opset, irVersion, dynamic } of targets) rows.push([name, doc, opset, irVersion, dynamic]);
  return rows.toString();
}

function described({ name, doc, opset, opsets, irVersion, dynamic, lacks, rewrites, notes, sources }: Target): string {
  const passes = Object.entries(rewrites).map(([pass, wanted]) => `${wanted ? '+' : '-'}${pass}`);
  const list = (title: string, lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]);
  return [
    `${name}: ${doc}`,
    `  opset       ${opset}, accepts ${opsets.join(' to ')}`,
    `  IR version  at most ${irVersion}`,
    `  open sizes  ${dynamic}`,
    `  expanded    ${lacks.length === 0 ? 'nothing' : lacks.join(', ')}`,
    `  passes      ${passes.length === 0 ? 'as usual' : passes.join(' ')}`,
    ...list('Notes', notes),
    ...list('Sources', sources.map(({ fact, source, url }) => `${fact}: ${source} <${url}>`)),
  ].join('\n');
}
