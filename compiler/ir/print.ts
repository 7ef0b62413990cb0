/**
 * The text form of a graph: what `show` prints and what the fixtures of passes are written in (text.ts reads it back).
 *
 *     input images: float32[batch, 3, 64, 64]
 *     %0: float32[batch, 16, 32, 32] = Conv(images, model.0.conv.weight[16, 3, 3, 3]) {kernel: [3, 3], group: 1} @ model.0.conv
 *     %1: float32[batch, 16, 32, 32] = call Scale(%0, {2}[1])
 *       | input x0: float32[batch, 16, 32, 32]
 *       | …
 *     output output0 = %1
 */
import { isStatic, show, showShape } from './extent.js';
import type { Graph, Node, Output, Param, TensorType, Value } from './graph.js';

/** Constants with more elements are cut in the text, unless all are wanted. */
const SHORT = 8;

export function print(graph: Graph, options: { readonly indent?: string; readonly whole?: boolean } = {}): string {
  const indent = options.indent ?? '';
  const names = new Map<Value, string>(graph.inputs.map((input) => [input, input.name]));
  let next = 0;
  const operand = (value: Value): string => {
    if (value.kind === 'param') return printParam(value);
    if (value.kind === 'constant') return printConstant(value, options.whole ?? false);
    return names.get(value) ?? '%?';
  };
  const lines = graph.inputs.map((input) => `${indent}input ${input.name}: ${input.dtype}${showShape(input.shape)}${printAttributes(axesOf(input, input.axes))}`);
  for (const node of graph.nodes) {
    const outputs = node.outputs.map((value) => {
      const name = `%${next++}`;
      names.set(value, name);
      return `${name}: ${value.dtype}${showShape(value.shape)}`;
    });
    lines.push(`${indent}${outputs.join(', ')} = ${nameOf(node)}(${node.inputs.map(operand).join(', ')})${printAttributes(node.attrs)}${node.scope === '' ? '' : ` @ ${node.scope}`}`);
    if (node.kind !== 'op' && node.body) lines.push(print(node.body, { ...options, indent: `${indent}  | ` }));
  }
  for (const { name, value, axes, boxes } of graph.outputs) lines.push(`${indent}output ${name} = ${operand(value)}${printAttributes({ ...axesOf(value, axes), ...(boxes ? { boxes } : {}) })}`);
  return lines.join('\n');
}

/** What the file calls open sizes, where it is not what they are called here. */
function axesOf({ shape }: TensorType, axes: readonly string[] | undefined): Pick<Output, 'axes'> {
  if (!axes || isStatic(shape) || shape.every((extent, i) => typeof extent === 'number' || show(extent) === (axes[i] ?? show(extent)))) return {};
  return { axes };
}

/** A tensor that is not trained says so. */
function printParam({ key, kept, dtype, shape }: Param): string {
  return `${kept ? 'kept ' : ''}${key}${dtype === 'float32' ? '' : `: ${dtype}`}${showShape(shape)}`;
}

function nameOf(node: Node): string {
  if (node.kind === 'op') return node.op;
  return node.kind === 'call' ? `call ${node.name}` : `${node.domain}::${node.name}`;
}

function printConstant({ dtype, shape, data }: Value & { readonly kind: 'constant' }, whole: boolean): string {
  const most = whole ? Infinity : SHORT;
  const numbers: string[] = [];
  let at = 0;
  while (at < data.length && numbers.length < most) {
    const run = runAt(data, at);
    numbers.push(run >= RUN ? `${shortest(data[at]!, dtype)} × ${run}` : shortest(data[at]!, dtype));
    at += run >= RUN ? run : 1;
  }
  return `${dtype === 'float32' ? '' : dtype}{${numbers.join(', ')}${at < data.length ? ', …' : ''}}${showShape(shape)}`;
}

/** Shorter runs of one number are printed number by number. */
const RUN = 16;

/** How many times the number stands there in a row. */
function runAt(data: ArrayLike<number>, start: number): number {
  let end = start + 1;
  while (end < data.length && Object.is(data[end], data[start])) end++;
  return end - start;
}

/** The shortest decimal that is the same float32. */
function shortest(value: number, dtype: string): string {
  if (Object.is(value, -0)) return '-0';
  if (dtype !== 'float32' || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 10; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(value);
}

/** ` {kernel: [3, 3], group: 1}`, or nothing without attributes. */
export function printAttributes(attrs: object): string {
  const entries = Object.entries(attrs).map(([name, value]) => `${name}: ${printAttribute(value)}`);
  return entries.length === 0 ? '' : ` {${entries.join(', ')}}`;
}

function printAttribute(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printAttribute).join(', ')}]`;
  if (typeof value === 'string') return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  return typeof value === 'symbol' ? show(value) : String(value);
}
