/** What modules compile to, as text, and how that compares with torch.onnx's exporters (measured figures, fixtures/reports/exporters.json). */
import { readFileSync } from 'node:fs';
import { moduleGraph, type ModuleOptions } from '../compiler/compile.js';
import { parseGolden } from '../compiler/golden.js';
import { compile } from '../compiler/index.js';
import { print } from '../compiler/ir/print.js';
import { fileSource } from '../compiler/node/files.js';
import { library } from '../ops/index.js';

interface Export {
  readonly verdict: 'right' | 'wrong' | 'fails';
  readonly nodes: number | null;
  /** Largest difference from PyTorch where it is wrong. */
  readonly error?: number;
  readonly why?: string;
}

interface Exports {
  readonly legacy: Export;
  readonly dynamo: Export;
}

export const exporters = (JSON.parse(readFileSync('fixtures/reports/exporters.json', 'utf8')) as { readonly cases: Readonly<Record<string, Exports>> }).cases;

/** The opset of the exporter that is compared with. */
const OPSET = 18;

function optionsOf(name: string): ModuleOptions {
  const source = fileSource(`fixtures/goldens/modules/${name}.safetensors`);
  const golden = parseGolden(source);
  source.close();
  if (golden.kind !== 'module') throw new Error(`${name} is not the golden of a module`);
  return { module: golden.module, args: golden.args, inputs: golden.inputs.map(({ shape }) => shape), repeats: golden.n, opset: OPSET, ...(golden.family ? { family: golden.family } : {}) };
}

export async function countNodes(name: string): Promise<number> {
  const { opset = OPSET, ...module } = optionsOf(name);
  return (await compile({ module, opset })).nodes;
}

/** The text golden of a module's golden. */
export async function moduleText(name: string): Promise<string> {
  const { graph } = await moduleGraph(optionsOf(name), library);
  return `# opset ${OPSET}, ${await countNodes(name)} nodes; torch.onnx: ${told('dynamo', exporters[name]!.dynamo)}, ${told('TorchScript', exporters[name]!.legacy)}\n${print(graph)}\n`;
}

function told(exporter: string, { verdict, nodes, error }: Export): string {
  if (verdict === 'fails') return `${exporter} fails`;
  return `${exporter} ${nodes ?? '?'}${verdict === 'wrong' ? ` (wrong by ${error ?? '?'})` : ''}`;
}

/** README's table: the module's square golden, or the first. */
export async function exportersMarkdown(): Promise<string> {
  const shown = Object.keys(exporters).filter((name) => name.startsWith('DAttention__') || name.includes('__sq'));
  const rows: string[] = [];
  for (const name of shown) {
    const { legacy, dynamo } = exporters[name]!;
    rows.push(`| ${name.replace('__', ', ').replaceAll('_', '\\_')} | ${await countNodes(name)} | ${cell(dynamo)} | ${cell(legacy)} |`);
  }
  return ['| golden | yolonnx | torch.onnx dynamo | torch.onnx TorchScript |', '|---|---|---|---|', ...rows].join('\n');
}

function cell({ verdict, nodes, error }: Export): string {
  if (verdict === 'fails') return '**fails**';
  return verdict === 'right' ? String(nodes) : `${nodes ?? '?'}, **wrong** by ${error ?? '?'}`;
}
