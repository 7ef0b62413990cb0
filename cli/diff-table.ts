/** A diff report as people read it: what is equal in one line, what differs in a table. */
import { printable, quoted } from '../compiler/errors.js';
import type { DiffReport, NumbersDiff } from '../compiler/index.js';
import type { StructureDiff } from '../compiler/inspect/diff.js';
import type { LayerDiff, ResultDiff } from '../compiler/inspect/diff-layers.js';
import type { FilePort } from '../compiler/inspect/model.js';
import { describeOrigin } from '../compiler/inspect/origin.js';
import { goldenLines } from './diff-golden.js';
import { weightLines } from './diff-weights.js';
import { figure, tableOf, type TableOf } from './table.js';

export async function diffTable({ a, b, structure, numbers }: DiffReport): Promise<string> {
  const table = await tableOf();
  return printable([
    `a: ${a}`,
    `b: ${b}`,
    ...header(structure, table),
    ...operators(structure, table),
    ...weightLines(structure.weights, table),
    ...layers(structure, numbers, table),
    ...(numbers ? outputs(numbers, table) : []),
  ].join('\n'));
}

const SHOWN = 48;
const KEYS = 20;
const short = (text: string | undefined): string => (text === undefined ? '' : text.length > SHOWN ? `${quoted(text.slice(0, SHOWN))}…` : quoted(text));
const portText = (port: FilePort | undefined): string => (port ? `${port.name} ${port.dtype} [${port.shape.join(', ')}]` : '');

function header({ header: fields, metadata, inputs, outputs: ports }: StructureDiff, table: TableOf): string[] {
  const portRows = (side: string, pairs: StructureDiff['inputs']): string[][] => pairs.flatMap(({ equal, a, b }, i) => (equal ? [] : [[`${side} ${i}`, quoted(portText(a)), quoted(portText(b))]]));
  const rows = [
    ...fields.map(({ field, a, b }) => [field, short(a), short(b)]),
    ...metadata.filter(({ a, b }) => a !== undefined && b !== undefined).map(({ key, a, b }) => [`metadata ${short(key)}`, short(a), short(b)]),
    ...portRows('input', inputs),
    ...portRows('output', ports),
  ];
  const equal = [...inputs, ...ports].every((pair) => pair.equal);
  const alone = (['a', 'b'] as const).flatMap((side) => {
    const keys = metadata.filter(({ a, b }) => (side === 'a' ? b : a) === undefined).map(({ key }) => short(key));
    return keys.length === 0 ? [] : [`metadata of ${side} alone: ${keys.slice(0, KEYS).join(', ')}${keys.length > KEYS ? `, and ${keys.length - KEYS} more` : ''}`];
  });
  const line = `inputs and outputs: ${equal ? `equal (${inputs.length} and ${ports.length})` : 'they differ'}`;
  const fieldLines = rows.length > 0 ? [table(['', 'a', 'b'], rows)] : alone.length === 0 ? ['header and metadata: equal'] : [];
  return [...fieldLines, ...alone, line];
}

function operators({ operators: all, nodes }: StructureDiff, table: TableOf): string[] {
  const rows = all.filter(({ a, b }) => a !== b).map(({ op, a, b }) => [quoted(op), String(a), String(b), signed(b - a)]);
  if (rows.length === 0) return [`operators: equal (${nodes.a} nodes)`];
  return [`operators: ${nodes.a} nodes in a, ${nodes.b} in b; those of which there are more or fewer:`, table(['operator', 'a', 'b', 'b - a'], rows, 1)];
}

const signed = (value: number): string => (value > 0 ? `+${value}` : String(value));

const LAYER_HEAD = ['layer', 'nodes', 'parameters', 'result', 'max abs', 'max rel', 'numbers'];

/** Structure and numbers of each layer in one row. */
function layers({ layers: pairs }: StructureDiff, numbers: NumbersDiff | undefined, table: TableOf): string[] {
  const found = numbers?.layers;
  const compared = new Map(found && 'compared' in found ? found.compared.map((layer) => [layer.layer, layer]) : []);
  const reasons = new Map(found && 'unmatched' in found ? found.unmatched.map(({ layer, reason }) => [layer, reason]) : []);
  const rows = pairs.flatMap(({ layer, a, b }): string[][] => {
    const numbersOf = compared.get(layer);
    const same = a?.nodes === b?.nodes && a?.parameters === b?.parameters;
    if (same && (numbersOf?.ok ?? true)) return [];
    const sizes = [pairOf(a?.nodes, b?.nodes), pairOf(a?.parameters, b?.parameters)];
    return [[layerName(layer), ...sizes, ...(numbersOf ? numberCells(numbersOf) : ['', '', '', reasons.has(layer) ? 'not compared' : ''])]];
  });
  const equal = `layers: equal (${pairs.length})`;
  const size = rows.length === 0 ? [equal] : ['layers that differ in nodes, parameters or results (a / b):', table(found ? LAYER_HEAD : LAYER_HEAD.slice(0, 3), found ? rows : rows.map((row) => row.slice(0, 3)), 1)];
  return [...size, ...layerRemarks(numbers, compared)];
}

function byReason(unmatched: readonly { readonly layer: string; readonly reason: string }[]): [string, string[]][] {
  const layers = new Map<string, string[]>();
  for (const { layer, reason } of unmatched) layers.set(reason, [...(layers.get(reason) ?? []), layer]);
  return [...layers];
}

const layerName = (name: string): string => (name === '' ? '(no name)' : quoted(name.replace(/^model\./, '')));
const pairOf = (a: number | undefined, b: number | undefined): string => (a === b ? String(a ?? '') : `${a ?? '-'} / ${b ?? '-'}`);

function numberCells(layer: LayerDiff): string[] {
  const worst = worstOf(layer);
  return [`[${worst.shape.join(', ')}]`, figure(worst.maxAbs), figure(worst.maxRel), layer.ok ? 'ok' : layer.rejoins ? 'another value' : 'DIFFER'];
}

const worstOf = ({ results }: LayerDiff): ResultDiff => results.reduce((x, y) => (y.maxAbs / Math.max(y.worst.bound, Number.MIN_VALUE) > x.maxAbs / Math.max(x.worst.bound, Number.MIN_VALUE) ? y : x));

function layerRemarks(numbers: NumbersDiff | undefined, compared: ReadonlyMap<string, LayerDiff>): string[] {
  const found = numbers?.layers;
  if (!found) return [];
  if ('reason' in found) return [`layer by layer nothing was compared: ${found.reason}`];
  const { unmatched, parting } = found;
  const ok = found.compared.filter((layer) => layer.ok);
  const largest = ok.flatMap(({ results }) => results).reduce((most, { maxRel }) => Math.max(most, maxRel), 0);
  const other = found.compared.filter(({ rejoins }) => rejoins);
  return [
    `numbers of layers: ${ok.length} of ${found.compared.length} agree${ok.length === 0 ? '' : largest === 0 ? ', number for number' : `, within ${figure(largest)} of their largest`}`,
    ...other.map(({ layer }) => `layer ${layerName(layer)} gives another value in b, but the layers that read it agree`),
    ...byReason(unmatched).map(([reason, layers]) => `not compared, ${reason}: ${layers.length === 1 ? 'layer' : 'layers'} ${layers.map(layerName).join(', ')}`),
    ...(parting ? [partingLine(parting, compared)] : []),
  ];
}

function partingLine({ layer, before }: { readonly layer: string; readonly before?: string }, compared: ReadonlyMap<string, LayerDiff>): string {
  const worst = worstOf(compared.get(layer)!);
  const bound = worst.worst.bound > 0 ? `, ${figure(worst.maxAbs / worst.worst.bound)} times the bound` : '';
  const earlier = before === undefined ? 'no layer before it agrees' : `layer ${layerName(before)} before it agrees within ${figure(worstOf(compared.get(before)!).maxRel)}`;
  return `THEY PART at layer ${layerName(layer)}: ${quoted(worst.a)} and ${quoted(worst.b)} differ by ${figure(worst.maxRel)} of the largest${bound}; ${earlier}`;
}

function verdict({ ok, outputs: all, golden, provider }: NumbersDiff): string {
  if (ok) return 'the numbers agree';
  const agree = all.every((output) => output.ok) && (golden?.a.ok ?? true) && (golden?.b.ok ?? true);
  return agree && provider?.required ? 'the numbers agree, but nodes ran ELSEWHERE than on the provider that is required' : 'the numbers DIFFER';
}

function outputs(numbers: NumbersDiff, table: TableOf): string[] {
  if (numbers.reason !== undefined) return [`numbers: not compared, ${numbers.reason}`];
  const rows = numbers.outputs.map(({ a, b, ok, difference }) => [
    quoted(a === b ? (a ?? '') : `${a ?? '-'} / ${b ?? '-'}`),
    ...(difference ? [`[${difference.shape.join(', ')}]`, figure(difference.maxAbs), figure(difference.maxRel), difference.cosine.toFixed(9)] : ['', '', '', '']),
    ok ? 'ok' : 'DIFFER',
  ]);
  const inputs = numbers.inputs.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ');
  return [
    providerLine(numbers, inputs),
    table(['output', 'shape', 'max abs', 'max rel', 'cosine', 'numbers'], rows, 2, 4),
    ...outputRemarks(numbers),
    ...(numbers.golden ? goldenLines(numbers.golden, table) : []),
    verdict(numbers),
  ];
}

function providerLine({ provider, golden }: NumbersDiff, inputs: string): string {
  const ran = (nodes: Readonly<Record<string, number>>): string => Object.entries(nodes).map(([name, count]) => `${name} ${count}`).join(', ');
  const made = golden ? 'the golden’s inputs' : 'made inputs';
  if (!provider) return `run on ${made}`;
  const elsewhere = provider.fellBack && (provider.required ?? false) ? `; FAILED: ${provider.fellBack.a} and ${provider.fellBack.b} nodes were not on ${provider.requested === 'auto' ? 'cuda' : provider.requested}` : '';
  return `run on ${made}, ${inputs}; nodes of a on ${ran(provider.a)}, of b on ${ran(provider.b)}${elsewhere}`;
}

function outputRemarks({ outputs: all, origins }: NumbersDiff): string[] {
  const remarks = all.flatMap(({ a, b, ok, difference, message }) => {
    const name = quoted(a ?? b ?? '');
    if (!difference) return [`${name}: ${message ?? 'not compared'}`];
    const { at, a: ofA, b: ofB, bound } = difference.worst;
    const lost = difference.notFinite ? [`${name}: ${difference.notFinite.a} numbers of a and ${difference.notFinite.b} of b are NaN or infinite, ${difference.sameNotFinite ?? 0} of them at the same place`] : [];
    return [...(ok ? [] : [`${name}: farthest at [${at.join(', ')}], ${ofA} in a and ${ofB} in b; the bound there is ${figure(bound)}`]), ...lost];
  });
  const sides = (['a', 'b'] as const).flatMap((side) => (origins?.[side] ? [`${side}: ${describeOrigin(origins[side])}`] : []));
  return [...remarks, ...sides];
}
