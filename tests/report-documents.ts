/** Documents for the report page: of a real graph with made-up measurements, and of what a page may be given at worst. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import type { Summary } from '../compiler/index.js';
import type { Histogram, ReportCase, ReportDocument, ReportLayer, ReportModel, ReportNode, ReportOutput, ReportValue } from '../compiler/report.js';
import { graphPasses } from '../passes/index.js';
import { runIn } from './command-line.js';

const PROVIDER = 'CPUExecutionProvider';

export function documentOf(cases: readonly ReportCase[], title = 'yolonnx verify'): ReportDocument {
  const failed = cases.filter(({ ok }) => !ok).length;
  return {
    title,
    made: { version: '0.1.0', node: '20.20.2', onnxruntime: '1.30.0', machine: 'Some processor, 8 cores, 31 GiB, Linux 6.1', date: '2030-01-02T03:04:05Z' },
    provider: { requested: 'cpu', ran: [PROVIDER], nodes: { [PROVIDER]: 361 } },
    notes: failed > 0 ? ['onnxruntime ran 2 nodes on the CPU although CUDA was asked for'] : [],
    passed: cases.length - failed,
    failed,
    cases,
  };
}

/** The graph as the compiler makes it; shapes, times and ranges are only plausible. */
export function modelOf(yaml: string, folder: string): ReportModel {
  const file = join(folder, 'report.onnx');
  const compiled = runIn('.', ['compile', yaml, '-o', file, '-q']);
  if (compiled.code !== 0) throw new Error(compiled.err);
  const { layers: rows } = JSON.parse(runIn('.', ['summary', yaml, '--json']).out) as Summary;
  const bytes = readFileSync(file);
  rmSync(file);
  const { graph, irVersion, producerName } = onnxProto.onnx.ModelProto.decode(bytes);
  const { node: protos = [], initializer = [] } = graph!;
  const shapes = rows.map(({ shape }) => (shape as readonly unknown[] | undefined)?.every((size) => typeof size === 'number') ? (shape as readonly number[]) : [1, 84, 8400]);
  const values: Record<string, ReportValue> = { images: { kind: 'input', dtype: 'float32', shape: [1, 3, 640, 640] } };
  for (const { name, dims } of initializer!) values[name!] = { kind: 'initializer', dtype: 'float32', shape: dims!.map(Number) };
  const nodes = protos!.map(({ name, opType, input, output, attribute }, i): ReportNode => {
    const layer = Number(/^model\.(\d+)/.exec(name!)?.[1] ?? 0);
    for (const value of output!) values[value] = { kind: value === 'output0' ? 'output' : 'value', dtype: 'float32', shape: shapes[layer]! };
    const attributes = attribute!.map(({ name: key, ints, i: int, s }) => [key!, ints?.length ? `[${ints.join(', ')}]` : s?.length ? new TextDecoder().decode(s) : String(int)] as const);
    return { name: name!, op: opType!, layer, inputs: input!, outputs: output!, attributes, ...(i % 7 === 6 ? {} : { provider: PROVIDER, milliseconds: 0.01 + (i % 13) / 9 }) };
  });
  const layers = rows.map(({ index, from, module, args, params }, i): ReportLayer => ({
    name: `model.${index}`,
    index,
    from: from,
    module,
    args: JSON.stringify(args),
    parameters: params,
    gflops: params * 3.2e-6,
    milliseconds: i % 6 === 5 ? null : 0.3 + (i % 5),
    nodes: nodes.filter(({ layer }) => layer === i).length,
    shapes: [shapes[i]!],
    range: [-0.278, 3.5 + i],
    notFinite: 0,
  }));
  return {
    bytes: bytes.length,
    producer: producerName,
    opset: 17,
    irVersion: Number(irVersion),
    inputs: [{ name: 'images', dtype: 'float32', shape: [1, 3, 640, 640] }],
    outputs: [{ name: 'output0', dtype: 'float32', shape: [1, 84, 8400] }],
    parameters: layers.reduce((sum, { parameters }) => sum + parameters, 0),
    gflops: 258.1,
    layers,
    nodes,
    values,
    passes: graphPasses.map(({ name }, i) => ({ name, doc: `Does what ${name} says, wherever the numbers stay what they were.`, before: 400 - i, after: 399 - i, operators: { Conv: i % 3, Mul: -(i % 4) }, milliseconds: i / 3 })),
  };
}

function histogram(name: string, bound: number, ok: boolean): Histogram {
  const counts = Array.from({ length: 20 }, (_, i) => Math.round(90000 * Math.exp(-((i - 10) ** 2) / 9)));
  return { name, bound, equal: 12345, notFinite: 0, from: Math.floor(Math.log10(bound)) - (ok ? 5 : 3), perDecade: 4, counts };
}

export function outputOf(name: string, ok = true): ReportOutput {
  const [maxAbs, bound] = ok ? [6.1e-4, 4.2e-3] : [0.0173, 4.2e-3];
  const parts = ['boxes', 'scores'].map((part, i) => ({ name: `${name}[${part}]`, maxAbs: maxAbs / (1 + 90 * i), maxRel: 2e-6, bound: bound / (1 + 50 * i), ok, worst: [0, 3 + i, 512] }));
  return {
    name,
    shape: [1, 84, 8400],
    maxAbs,
    maxRel: 2.5e-6,
    bound,
    ok,
    worst: [0, 3, 512],
    cosine: 0.99999999,
    parts,
    histograms: parts.map((part) => histogram(part.name, part.bound, ok)),
    worstElements: Array.from({ length: 12 }, (_, i) => ({ part: parts[i % 2]!.name, index: [0, i, 512], wanted: 311.25 + i, got: 311.2506 + i, difference: maxAbs / (i + 1), bound })),
  };
}

export function caseOf(name: string, more: Partial<ReportCase> = {}): ReportCase {
  const ok = more.ok ?? true;
  return { case: name, golden: `fixtures/goldens/${name}.safetensors`, ok, seconds: 0.412, timings: { compile: 0.31, load: 0.21, run: 0.202 }, outputs: more.error ? [] : [outputOf('output0', ok)], ...more };
}

/** `count` cases: every 50th differs, every 90th could not be run. */
export function manyCases(count: number, model: ReportModel): ReportCase[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `modules/Case${i}`;
    if (i % 90 === 7) return caseOf(name, { ok: false, error: { code: 'bad-golden', message: `golden ${i} has 2 inputs (a, b), the model 1 (images)`, help: 'Compile the model for the golden.' } });
    return caseOf(name, { ok: i % 50 !== 3, ...(i % 25 === 0 ? { model } : {}) });
  });
}

/** Names that try to be markup, script, an end of script, a path of text, or just too much. */
export const hostileNames: readonly string[] = [
  '</script><script>window.hacked = 1</script>',
  '<img src=x onerror="window.hacked = 1">',
  '"><svg onload=window.hacked=1>',
  "' onfocus='window.hacked=1' autofocus='",
  '<!--<script>',
  '\u202Etxt.exe\u2066 \u200F\u2028\u2029 \u0000\u0007\u001b[31m',
  '\\N\\G\\E &amp; &lt;b&gt; {a|b} \\',
  '$& $1 $` <!--cases-->',
  '__proto__',
  'constructor',
  '\ud800 lone, \ufffe none',
  'x'.repeat(10_000),
  '<b>'.repeat(3_000),
];

export function hostileDocument(): ReportDocument {
  const names = hostileNames;
  const values = Object.fromEntries(names.map((name) => [name, { kind: 'value' as const, dtype: name, shape: [1, 2] }]));
  const model: ReportModel = {
    file: names[0]!,
    bytes: 1,
    producer: names[1]!,
    opset: 17,
    irVersion: 8,
    inputs: [{ name: names[0]!, dtype: names[1]!, shape: [names[2]!, 3] }],
    outputs: [{ name: names.at(-1)!, dtype: 'float32', shape: [1] }],
    parameters: 0,
    gflops: 0,
    layers: names.map((name, index) => ({ name, index, from: -1, module: name, args: name, parameters: 0, gflops: 0, milliseconds: null, nodes: 1, shapes: [[1, 2]], range: null, notFinite: 0 })),
    nodes: names.slice(1).map((name, i) => ({ name, op: name, domain: name, layer: i, inputs: [names[i]!, ''], outputs: [name], attributes: [[name, name]], provider: name, milliseconds: 1 })),
    values,
    passes: names.map((name) => ({ name, doc: name, before: 1, after: 1, operators: { [name]: 1 }, milliseconds: 0 })),
  };
  const cases = names.map((name): ReportCase => ({
    ...caseOf(name, { ok: false, outputs: [outputOf(name, false)] }),
    golden: name,
    model,
    error: { code: 'bad-golden', message: name, help: name },
  }));
  const hostile = documentOf(cases, names[0]);
  return { ...hostile, notes: names, made: { ...hostile.made, machine: names[1]!, version: names[2]!, date: names[3]! }, provider: { ...hostile.provider, nodes: Object.fromEntries(names.map((name) => [name, 1])) } };
}

/** Numbers that JSON does not have, and nothing where something may be missing. */
export function sparseDocument(): ReportDocument {
  const output: ReportOutput = { ...outputOf('y', false), maxAbs: Infinity, maxRel: Infinity, cosine: NaN, notFinite: 3, worstElements: [{ part: 'y', index: [0], wanted: 1, got: null, difference: null, bound: 1e-5 }] };
  const bare = { case: 'bare', golden: '', ok: false, seconds: 0, outputs: [{ name: 'z', shape: [2], maxAbs: Infinity, maxRel: Infinity, cosine: 0, bound: 0, ok: false, worst: [], message: 'the shape is [2], the golden has [3]' }] } as unknown as ReportCase;
  const odd = caseOf('odd model', { model: { layers: [{ name: 'only' }], nodes: [{ name: 'n', op: 'Relu', layer: 5, inputs: ['gone'], outputs: ['gone too'] }] } as unknown as ReportModel });
  const { provider, ...rest } = documentOf([caseOf('nan', { ok: false, outputs: [output] }), bare, odd]);
  return { ...rest, provider: { requested: provider.requested, ran: [], nodes: {} } };
}
