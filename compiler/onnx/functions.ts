/** Model-local functions: one FunctionProto for every body, shared by equal bodies. */
import type { Graph, Value } from '../ir/graph.js';
import { encode, type Message } from './protobuf.js';
import { ScopeWriter, type FunctionTable } from './scope-writer.js';

export class FunctionWriter implements FunctionTable {
  readonly protos: Message<'FunctionProto'>[] = [];
  /** Names by the encoded body: bodies that are equal byte for byte are one function. */
  private readonly names = new Map<string, string>();
  private readonly taken = new Set<string>();

  constructor(private readonly opset: number) {}

  /** A function keeps its plain name where one body serves all its uses; further bodies get a number. */
  nameOf(domain: string, name: string, body: Graph): string {
    const proto = this.bodyProto(domain, body);
    const key = `${domain} ${name} ${encode('FunctionProto', proto).join()}`;
    let known = this.names.get(key);
    if (known === undefined) {
      known = name;
      for (let i = 2; this.taken.has(`${domain}.${known}`); i++) known = `${name}_${i}`;
      this.taken.add(`${domain}.${known}`);
      this.names.set(key, known);
      this.protos.push({ name: known, ...proto });
    }
    return known;
  }

  private bodyProto(domain: string, body: Graph): Message<'FunctionProto'> {
    const scope = new ScopeWriter(this.opset, 'function', this, body.inputs);
    for (const node of body.nodes) scope.write({ ...node, scope: '' });
    const inner = body.nodes.some(({ kind }) => kind === 'function') ? [{ domain, version: 1 }] : [];
    return {
      input: body.inputs.map((input) => scope.nameOf(input)),
      output: outputNames(body, scope),
      node: scope.nodes,
      opsetImport: [{ domain: '', version: this.opset }, ...inner],
      domain,
    };
  }
}

/** Every output must be a node's, and its own: inputs, constants and repeated values pass through a node. */
function outputNames(body: Graph, scope: ScopeWriter): string[] {
  const free = new Set<Value>(body.nodes.flatMap(({ outputs }) => outputs));
  return body.outputs.map(({ value }) => (free.delete(value) ? scope.nameOf(value) : scope.add('Identity', [scope.nameOf(value)])));
}
