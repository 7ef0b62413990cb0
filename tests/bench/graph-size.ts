/** Nodes and bytes against the best of the simplifiers. */
import { compile } from '../../compiler/index.js';
import { best, recorded } from './peers.js';
import { tableOf } from './measure.js';

export interface SizeRow {
  readonly model: string;
  readonly nodes: number;
  readonly bytes: number;
  readonly peers: { readonly nodes?: number; readonly bytes?: number };
}

export const measuredModels = (): readonly string[] => Object.keys(recorded().models);

export async function sizeOf(model: string): Promise<SizeRow> {
  const { nodes, bytes } = await compile({ model: `fixtures/models/${model}.yaml`, hash: false });
  const forms = recorded().models[model]!;
  const [leastNodes, leastBytes] = [best(forms, 'nodes'), best(forms, 'bytes')];
  return { model, nodes, bytes, peers: { ...(leastNodes === undefined ? {} : { nodes: leastNodes }), ...(leastBytes === undefined ? {} : { bytes: leastBytes }) } };
}

export async function graphSizes(): Promise<string> {
  const rows: (string | number)[][] = [];
  for (const model of measuredModels()) {
    const { nodes, bytes, peers } = await sizeOf(model);
    rows.push([model, nodes, peers.nodes ?? 'none is right', bytes, peers.bytes ?? '']);
  }
  return tableOf(['model, 640 × 640, opset 17', 'nodes', 'best of others', 'bytes', 'best of others'], rows);
}
