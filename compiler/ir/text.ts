/**
 * Reads the text form of a graph back (print.ts), as the fixtures of passes are written. Parameters of the same key and
 * shape are one, bodies included; their numbers are seeded by key. What the text does not hold: which nodes are
 * nn.Modules of their own (`leaf`), and the documentation of outputs.
 */
import { isOpName } from '../onnx/operators/index.js';
import { DEFAULT_SEED, seededRead } from '../weights/seeded.js';
import { readAttributes, readShape, Scanner } from './scanner.js';
import { showShape, type Shape } from './extent.js';
import type { Constant, DType, Graph, Input, Node, Output, Param, Result, TensorType, Value } from './graph.js';

/** Throws Error with the line's number for a text that is no graph. */
export function readGraph(text: string): Graph {
  const lines = text.split('\n').map((line, i): Line => ({ text: line.trimEnd(), number: i + 1 }));
  return new GraphReader(lines.filter((line) => line.text.trim() !== ''), new Map()).read();
}

interface Line {
  readonly text: string;
  /** From 1 on. */
  readonly number: number;
}

const BODY = /^\s*\| ?/;
const dtypes: readonly DType[] = ['float32', 'float16', 'int64', 'bool'];

/** Reads the lines of one graph or body. */
class GraphReader {
  private readonly values = new Map<string, Value>();
  private readonly inputs: Input[] = [];
  private readonly outputs: Output[] = [];
  private readonly nodes: Node[] = [];

  constructor(
    private readonly lines: readonly Line[],
    /** By key, shape and kind. */
    private readonly params: Map<string, Param>,
  ) {}

  read(): Graph {
    for (let i = 0; i < this.lines.length; ) {
      const line = this.lines[i++]!;
      const start = i;
      while (i < this.lines.length && BODY.test(this.lines[i]!.text)) i++;
      const body = this.lines.slice(start, i).map(({ text, number }): Line => ({ text: text.replace(BODY, ''), number }));
      try {
        this.readLine(new Scanner(line.text.trim()), body);
      } catch (error) {
        if (!(error instanceof Error) || error.message.startsWith('line ')) throw error;
        throw new Error(`line ${line.number}: ${error.message}`, { cause: error });
      }
    }
    return { inputs: this.inputs, outputs: this.outputs, nodes: this.nodes };
  }

  private readLine(scan: Scanner, body: readonly Line[]): void {
    if (scan.take('input ')) this.readInput(scan);
    else if (scan.take('output ')) this.readOutput(scan);
    else return this.readNode(scan, body);
    scan.end();
    if (body.length > 0) throw new Error('only calls and functions have a body');
  }

  private readInput(scan: Scanner): void {
    const name = scan.match(/[^\s:]+/, 'a name');
    scan.expect(':');
    const type = readType(scan);
    const input: Input = { kind: 'input', name, ...type, ...readLabels(scan) };
    this.inputs.push(input);
    this.define(name, input);
  }

  private readOutput(scan: Scanner): void {
    const name = scan.match(/[^\s=]+/, 'a name');
    scan.expect('=');
    const value = this.operand(scan);
    this.outputs.push({ name, value, ...readLabels(scan) });
  }

  /** `%0: float32[1, 8] = Op(a, b) {attributes} @ scope` */
  private readNode(scan: Scanner, body: readonly Line[]): void {
    const named: (readonly [string, Result])[] = [];
    do {
      const name = scan.match(/%\d+/, 'input, output or the name of a value (%0)');
      scan.expect(':');
      named.push([name, { kind: 'result', ...readType(scan) }]);
    } while (scan.take(','));
    scan.expect('=');
    const call = scan.take('call ');
    const what = scan.match(/[^\s(]+/, 'an operator');
    const inputs = this.operands(scan);
    const attrs = scan.peek('{') ? readAttributes(scan) : {};
    const scope = scan.take('@') ? scan.match(/\S+/, 'a scope') : '';
    scan.end();
    const outputs = named.map(([, value]) => value);
    this.nodes.push(this.node({ what, call, body, rest: { inputs, attrs, outputs, scope } }));
    for (const [name, value] of named) this.define(name, value);
  }

  private node({ what, call, body, rest }: { what: string; call: boolean; body: readonly Line[]; rest: Pick<Node, 'inputs' | 'outputs' | 'scope'> & { readonly attrs: object } }): Node {
    const [domain, name] = what.split('::');
    const graph = body.length > 0 ? new GraphReader(body, this.params).read() : undefined;
    if (call) {
      if (!graph) throw new Error(`call ${what} has no body`);
      return { kind: 'call', name: what, body: graph, ...rest } as Node;
    }
    if (domain !== undefined && name !== undefined) return { kind: 'function', domain, name, ...(graph ? { body: graph } : {}), ...rest } as Node;
    if (!isOpName(what)) throw new Error(`there is no operator ${what}`);
    if (graph) throw new Error('only calls and functions have a body');
    return { kind: 'op', op: what, leaf: false, ...rest } as Node;
  }

  private operands(scan: Scanner): Value[] {
    const values: Value[] = [];
    scan.expect('(');
    if (scan.take(')')) return values;
    do values.push(this.operand(scan));
    while (scan.take(','));
    scan.expect(')');
    return values;
  }

  private operand(scan: Scanner): Value {
    if (scan.peekMatch(/\w*\{/)) return readConstant(scan);
    const kept = scan.take('kept ');
    // A range belongs to the key of a slice (`conv.weight[0:2]`), sizes do not.
    const name = scan.match(/[^\s[\](){},:=]+(?:\[[\d,]*:[\d:,]*\])*/, 'a value');
    const dtype = scan.take(':') ? readDType(scan) : 'float32';
    if (scan.peek('[')) return this.param(name, kept, { dtype, shape: readShape(scan) });
    const value = this.values.get(name);
    if (!value) throw new Error(`${name} is not made before it is read`);
    return value;
  }

  private param(key: string, kept: boolean, { dtype, shape }: TensorType): Param {
    const identity = `${key} ${dtype} ${showShape(shape)} ${kept}`;
    const known = this.params.get(identity);
    if (known) return known;
    const param: Param = { kind: 'param', dtype, shape, key, kept, read: seededRead(key, shape as readonly number[], DEFAULT_SEED) };
    this.params.set(identity, param);
    return param;
  }

  private define(name: string, value: Value): void {
    if (this.values.has(name)) throw new Error(`${name} is already there`);
    this.values.set(name, value);
  }
}

function readDType(scan: Scanner): DType {
  const word = scan.match(/\w+/, 'an element type');
  const dtype = dtypes.find((known) => known === word);
  if (!dtype) throw new Error(`there is no element type ${word}`);
  return dtype;
}

function readType(scan: Scanner): TensorType {
  const dtype = readDType(scan);
  return { dtype, shape: readShape(scan) };
}

/** `{axes: ['batch', 'anchors'], boxes: 'rows'}`: axes of inputs and outputs with open sizes, boxes of outputs. */
function readLabels(scan: Scanner): Pick<Output, 'axes' | 'boxes'> {
  return scan.peek('{') ? readAttributes(scan) : {};
}

/** `{0.5, 1}[2]`, `int64{3}[]`, `{8 × 400, 16 × 100}[500, 1]` */
function readConstant(scan: Scanner): Constant {
  const dtype = scan.peek('{') ? 'float32' : readDType(scan);
  const numbers: number[] = [];
  scan.expect('{');
  while (!scan.take('}')) {
    if (numbers.length > 0) scan.expect(',');
    if (scan.peek('…')) throw new Error('a constant is cut: print the whole graph');
    const number = scan.number();
    const times = scan.take('×') ? scan.number() : 1;
    for (let i = 0; i < times; i++) numbers.push(number);
  }
  const shape: Shape = readShape(scan);
  const size = (shape as readonly number[]).reduce((n, extent) => n * extent, 1);
  if (size !== numbers.length) throw new Error(`a constant of shape ${showShape(shape)} has ${numbers.length} elements`);
  return { kind: 'constant', dtype, shape, data: dtype === 'float32' ? Float32Array.from(numbers) : numbers };
}
