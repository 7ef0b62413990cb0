/**
 * The `metadata_props` that readers of YOLO files look for: Ultralytics' loader, its Rust crate, YoloDotNet and others.
 * Every value is a Python literal, as Ultralytics writes it with `str()`.
 */
import type { ModuleOptions, NetworkOptions, Prepared } from './compile.js';
import type { Graph } from './ir/graph.js';
import { showLiteral } from './module.js';
import { OPSETS } from './onnx/emit.js';

export type Metadata = readonly (readonly [key: string, value: string])[];

/** `date` is YYYY-MM-DD, so that the same compilation gives the same file all day; `version` is this compiler's. */
export function metadataOf({ network, stride, imgsz }: Prepared, options: NetworkOptions, { inputs, outputs }: Graph, { date, version }: { readonly date: string; readonly version: string }): Metadata {
  const last = network.layers.at(-1)!;
  // Readers decode as the head and end2end say: a file of rows says neither, but what its output is.
  const rows = outputs.find(({ boxes }) => boxes === 'rows');
  const batch = options.batch ?? 1;
  const dynamic = (options.dynamic ?? 'none') !== 'none';
  const args = { batch, half: (options.half ?? 'none') !== 'none', dynamic, simplify: true, opset: options.opset ?? OPSETS.default, nms: false };
  return [
    ['description', `Ultralytics ${prettyName(network.name, network.scale)} model`],
    ['author', 'yolonnx'],
    ['date', date],
    ['version', version],
    ['license', 'that of the yaml and its weights'],
    ['docs', 'https://docs.ultralytics.com'],
    ['stride', String(stride)],
    ['task', last.definition.head?.task ?? 'detect'],
    ...(rows ? [['output', rows.doc ?? rows.name] as const] : [['head', last.module] as const]),
    ['batch', String(batch)],
    ['imgsz', showLiteral(imgsz)],
    ['names', pythonDict(namesOf(network).map((name, i) => [i, name]))],
    ['args', pythonDict(Object.entries(args))],
    ['channels', String(inputs[0]!.shape[1])],
    ...(rows ? [] : [['end2end', 'False'] as const]),
    ...(Array.isArray(last.bound.kpt_shape) ? [['kpt_shape', showLiteral(last.bound.kpt_shape)] as const] : []),
  ];
}

/** The key under which a file tells what its opaque operators are: {"domain::Name": "Sqrtm"}. */
export const CUSTOM_OPS = 'custom_ops';

/** Opaque nodes by domain and name, with the operators that they are. */
export function opaqueOperators({ nodes }: Graph, names: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const operators = new Map(Object.entries(names).map(([operator, name]) => [name, operator]));
  return nodes.flatMap((node) => (node.kind === 'function' && !node.body ? [[`${node.domain}::${node.name}`, operators.get(node.name) ?? node.name] as const] : []));
}

export const moduleMetadata = ({ module, args }: ModuleOptions): Metadata => [
  ['module', module],
  ['args', typeof args === 'string' ? args : showLiteral(args)],
];

/** Class names, or their numbers as both packages name them before training. */
function namesOf({ names, nc }: Prepared['network']): readonly string[] {
  return names ?? Array.from({ length: nc }, (_, i) => String(i));
}

/** `yolov8-ema` at scale n → `YOLOv8n-ema`. */
function prettyName(name: string, scale: string | undefined): string {
  const scaled = scale === undefined || /^yolo(?:e-)?v?\d+[nslmx]/.test(name) ? name : name.replace(/^(yolo(?:e-)?v?\d+)/, `$1${scale}`);
  return scaled.replace(/^yolo/, 'YOLO');
}

const pythonDict = (entries: readonly (readonly [string | number, unknown])[]): string =>
  `{${entries.map(([key, value]) => `${pythonString(key)}: ${pythonString(value)}`).join(', ')}}`;

/** What a Python string literal cannot hold as it is. */
 
const CONTROL = /[\u0000-\u001f\u007f]/g;

/** Python's repr of a string or number. */
function pythonString(value: unknown): string {
  if (typeof value !== 'string') return showLiteral(value);
  const escaped = value.replaceAll('\\', '\\\\').replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return value.includes("'") && !value.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}
