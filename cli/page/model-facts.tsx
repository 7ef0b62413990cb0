/** The file that ran: its size and versions, its inputs and outputs. */
import type { VNode } from 'preact';
import type { ReportModel, ReportPort } from './data.js';
import { DASH, bytes, count, number, shape } from './format.js';
import { Fact } from './header.js';
import { Name } from './name.js';

export function ModelFacts({ model }: { readonly model: ReportModel }): VNode {
  return (
    <section class="card" aria-labelledby="model-title">
      <h3 id="model-title">Model</h3>
      <dl class="facts">
        <Fact name="File">{model.file === undefined ? 'compiled for the case' : <Name text={model.file} limit={160} />}</Fact>
        <Fact name="Size">{bytes(model.bytes)}</Fact>
        <Fact name="Producer"><Name text={model.producer} /></Fact>
        <Fact name="Opset, IR">{count(model.opset)}, {count(model.irVersion)}</Fact>
        <Fact name="Parameters">{count(model.parameters)}</Fact>
        <Fact name="GFLOPs">{number(model.gflops)}</Fact>
        <Fact name="Nodes in the file">{count(model.nodes.length)}</Fact>
        <Fact name="Inputs"><Ports ports={model.inputs} /></Fact>
        <Fact name="Outputs"><Ports ports={model.outputs} /></Fact>
      </dl>
    </section>
  );
}

function Ports({ ports }: { readonly ports: readonly ReportPort[] }): VNode {
  if (ports.length === 0) return <>{DASH}</>;
  return <>{ports.map((port, i) => <span class="item" key={i}><Name text={port.name} limit={48} /> <code>{port.dtype} {shape(port.shape)}</code></span>)}</>;
}
