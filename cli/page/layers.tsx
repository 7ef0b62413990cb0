/** The table of layers with its totals. */
import type { VNode } from 'preact';
import type { ReportLayer, ReportModel } from './data.js';
import { DASH, count, milliseconds, number, shape, visible } from './format.js';
import { Name } from './name.js';
import { Table, type Column } from './table.js';

const fromOf = ({ from }: ReportLayer): string => (from === undefined ? DASH : typeof from === 'number' ? String(from) : from.join(', '));

const sumOf = (layers: readonly ReportLayer[], of: (layer: ReportLayer) => number | null | undefined): number => layers.reduce((sum, layer) => sum + (of(layer) ?? 0), 0);

const columns: readonly Column<ReportLayer>[] = [
  { title: '#', numeric: true, by: (layer) => layer.index, cell: (layer) => layer.index ?? DASH },
  { title: 'Layer', head: true, by: (layer) => layer.name, cell: (layer) => <Name text={layer.name} limit={48} /> },
  { title: 'From', cell: (layer) => <span class="whole">{fromOf(layer)}</span> },
  { title: 'Module', by: (layer) => layer.module, cell: (layer) => (layer.module === undefined ? DASH : <Name text={layer.module} limit={48} />) },
  { title: 'Arguments', cell: (layer) => (layer.args === undefined ? DASH : <code><Name text={layer.args} limit={64} /></code>) },
  { title: 'Parameters', numeric: true, by: (layer) => layer.parameters, cell: (layer) => count(layer.parameters) },
  { title: 'GFLOPs', numeric: true, by: (layer) => layer.gflops, cell: (layer) => number(layer.gflops) },
  { title: 'ms', numeric: true, by: (layer) => layer.milliseconds, cell: (layer) => milliseconds(layer.milliseconds) },
  { title: 'Nodes', numeric: true, by: (layer) => layer.nodes, cell: (layer) => count(layer.nodes) },
  { title: 'Shape', by: (layer) => layer.shapes[0]?.reduce((product, size) => product * size, 1), cell: (layer) => (layer.shapes.length === 0 ? DASH : layer.shapes.map((sizes, i) => <code class="item" key={i}>{shape(sizes)}</code>)) },
  { title: 'Range', numeric: true, by: (layer) => (layer.range ? Math.max(Math.abs(layer.range[0]), Math.abs(layer.range[1])) : undefined), cell: (layer) => (layer.range ? `${number(layer.range[0])} … ${number(layer.range[1])}` : DASH) },
  { title: 'NaN, ∞', numeric: true, by: (layer) => layer.notFinite, cell: (layer) => <span class={layer.notFinite > 0 ? 'bad-text' : undefined}>{count(layer.notFinite)}</span> },
];

export function Layers({ model }: { readonly model: ReportModel }): VNode {
  return (
    <section class="card" aria-labelledby="layers-title">
      <h3 id="layers-title">Layers</h3>
      <Table
        caption="Layers"
        columns={columns}
        rows={model.layers}
        filter={(layer) => visible(`${layer.name} ${layer.module ?? ''} ${layer.args ?? ''} ${layer.shapes.map((sizes) => shape(sizes)).join(' ')}`)}
        foot={totals}
        empty="The model has no layers."
      />
      {model.layers.some(({ nodes }) => nodes === 0) && <p class="quiet">A layer of 0 nodes was folded into others or moved by a pass.</p>}
      {sumOf(model.layers, ({ parameters }) => parameters) > model.parameters && <p class="quiet">A tensor that several layers share counts in each of them, and once in the model.</p>}
    </section>
  );
}

function totals(layers: readonly ReportLayer[]): VNode {
  const timed = layers.some((layer) => (layer.milliseconds ?? null) !== null);
  return (
    <tr>
      <td />
      <th scope="row">Total</th>
      <td /><td /><td />
      <td class="number">{count(sumOf(layers, (layer) => layer.parameters))}</td>
      <td class="number">{number(sumOf(layers, (layer) => layer.gflops))}</td>
      <td class="number">{timed ? milliseconds(sumOf(layers, (layer) => layer.milliseconds)) : DASH}</td>
      <td class="number">{count(sumOf(layers, (layer) => layer.nodes))}</td>
      <td /><td />
      <td class="number">{count(sumOf(layers, (layer) => layer.notFinite))}</td>
    </tr>
  );
}
