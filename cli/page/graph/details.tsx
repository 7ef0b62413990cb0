/** All about the box that is selected in the graph. */
import type { VNode } from 'preact';
import type { ReportNode } from '../data.js';
import { DASH, count, milliseconds, number, shape } from '../format.js';
import { Fact } from '../header.js';
import { Name } from '../name.js';
import { numberOf, portOf, type BoxId, type GraphIndex } from './index.js';

interface Props {
  readonly graph: GraphIndex;
  readonly id: BoxId | undefined;
  readonly open: ReadonlySet<number>;
  readonly toggle: (layer: number) => void;
  readonly go: (id: BoxId) => void;
}

export function Details(props: Props): VNode {
  return <aside class="details" aria-label="Details of the selection" aria-live="polite" tabIndex={0}>{contentOf(props)}</aside>;
}

function contentOf({ graph, id, open, toggle, go }: Props): VNode {
  if (id === undefined) {
    return (
      <>
        <h4>Nothing selected</h4>
        <p class="quiet">Click a layer to open it, a node to see its attributes and values. With the keyboard: Tab into the graph, arrow keys to move, Enter to open, Escape to close, + − 0 to zoom, Shift and arrow keys to pan.</p>
      </>
    );
  }
  if (id.startsWith('layer-')) return <LayerDetails graph={graph} layer={numberOf(id)} open={open.has(numberOf(id))} toggle={toggle} />;
  if (id.startsWith('node-')) return <NodeDetails graph={graph} node={graph.model.nodes[numberOf(id)]!} go={go} />;
  const port = portOf(graph, id);
  return (
    <>
      <h4>Graph {id.startsWith('input-') ? 'input' : 'output'}</h4>
      <p><Name text={port?.name ?? DASH} /></p>
      <p><code>{port?.dtype} {shape(port?.shape)}</code></p>
    </>
  );
}

function LayerDetails({ graph, layer, open, toggle }: { readonly graph: GraphIndex; readonly layer: number; readonly open: boolean; readonly toggle: (layer: number) => void }): VNode {
  const { name, module, args, parameters, gflops, milliseconds: time, shapes, range, notFinite } = graph.layers[layer]!;
  return (
    <>
      <h4>Layer <Name text={name} limit={64} /></h4>
      <p><button type="button" onClick={() => toggle(layer)}>{open ? 'Close the layer' : 'Open the layer'}</button></p>
      <dl class="facts narrow">
        <Fact name="Module">{module === undefined ? DASH : <Name text={module} />}</Fact>
        <Fact name="Arguments">{args === undefined ? DASH : <code><Name text={args} limit={300} /></code>}</Fact>
        <Fact name="Shape">{shapes.length === 0 ? DASH : shapes.map((sizes, i) => <code class="item" key={i}>{shape(sizes)}</code>)}</Fact>
        <Fact name="Parameters">{count(parameters)}</Fact>
        <Fact name="GFLOPs">{number(gflops)}</Fact>
        <Fact name="Time">{time === null ? DASH : `${milliseconds(time)} ms`}</Fact>
        <Fact name="Nodes">{count(graph.nodesOf[layer]?.length)}</Fact>
        <Fact name="Range">{range ? `${number(range[0])} … ${number(range[1])}` : DASH}</Fact>
        <Fact name="NaN, ∞">{count(notFinite)}</Fact>
      </dl>
    </>
  );
}

function NodeDetails({ graph, node, go }: { readonly graph: GraphIndex; readonly node: ReportNode; readonly go: (id: BoxId) => void }): VNode {
  const { op, domain, name, attributes, inputs, outputs, provider, milliseconds: time } = node;
  return (
    <>
      <h4><Name text={op} limit={64} />{domain !== undefined && domain !== '' && <span class="quiet"> <Name text={domain} limit={48} /></span>}</h4>
      <p><Name text={name} limit={200} /></p>
      <dl class="facts narrow">
        <Fact name="Layer"><Name text={graph.layers[node.layer]?.name ?? DASH} limit={64} /></Fact>
        <Fact name="Provider">{provider === undefined ? 'fused into another node, or folded' : <Name text={provider} />}</Fact>
        <Fact name="Time">{time === undefined ? DASH : `${milliseconds(time)} ms`}</Fact>
      </dl>
      <h5>Attributes</h5>
      {attributes.length === 0 ? <p class="quiet">none</p> : <dl class="facts narrow">{attributes.map(([key, text], i) => <Fact key={i} name={key.slice(0, 80)}><code><Name text={text} limit={400} /></code></Fact>)}</dl>}
      <h5>Inputs</h5>
      <Values names={inputs} graph={graph} go={go} to={(value) => graph.makerOf.get(value)} />
      <h5>Outputs</h5>
      <Values names={outputs} graph={graph} go={go} to={(value) => graph.readersOf.get(value)?.[0]} />
    </>
  );
}

interface ValuesProps {
  readonly names: readonly string[];
  readonly graph: GraphIndex;
  readonly go: (id: BoxId) => void;
  /** Where the value comes from, or goes to. */
  readonly to: (value: string) => BoxId | undefined;
}

function Values({ names, graph, go, to }: ValuesProps): VNode {
  if (names.length === 0) return <p class="quiet">none</p>;
  return (
    <ol class="values" start={0}>
      {names.map((name, i) => {
        const value = Object.hasOwn(graph.model.values, name) ? graph.model.values[name] : undefined;
        const target = to(name);
        const shown = name === '' ? <span class="quiet">left out</span> : <Name text={name} limit={80} />;
        return (
          <li key={i}>
            {target ? <button type="button" class="link" onClick={() => go(target)}>{shown}</button> : shown}
            {name !== '' && <span class="type"><code>{value?.dtype ?? ''} {value?.shape ? shape(value.shape) : value ? DASH : ''}</code>{value?.kind === 'initializer' && <span class="tag">weight</span>}</span>}
          </li>
        );
      })}
    </ol>
  );
}
