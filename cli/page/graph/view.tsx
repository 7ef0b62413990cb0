/** The graph of a model: its layers, opened where the reader looks closer, and what is selected in it. */
import type { VNode } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ReportModel } from '../data.js';
import { count, visible } from '../format.js';
import { Canvas } from './canvas.js';
import { Details } from './details.js';
import { drawingOf } from './drawing.js';
import { boxesDrawn, indexGraph, layerOf, shownAs, titleOf, type BoxId } from './index.js';
import { Layouts } from './layout.js';
import { pictureOf } from './picture.js';
import { Search } from './search-box.js';

/** Above it the reader is asked first: it takes a while. */
const MANY = 1500;

type State = 'busy' | 'shown' | 'stopped' | 'failed';

export function GraphView({ model }: { readonly model: ReportModel }): VNode {
  const graph = useMemo(() => indexGraph(model), [model]);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const [selected, setSelected] = useState<BoxId>();
  const [found, setFound] = useState<readonly BoxId[]>([]);
  const [state, setState] = useState<State>('busy');
  const [agreed, setAgreed] = useState(false);
  const place = useRef<SVGSVGElement>(null);
  const canvas = useRef<Canvas | undefined>(undefined);
  const layouts = useMemo(() => new Layouts(), []);
  /** Where to look and what to focus once it is drawn. */
  const next = useRef<{ readonly id: BoxId; readonly focus: boolean } | undefined>(undefined);
  const size = boxesDrawn(graph, open);
  const asks = size > MANY && !agreed;

  const toggle = (layer: number, focus = true): void => {
    next.current = { id: `layer-${layer}`, focus };
    setSelected(`layer-${layer}`);
    setOpen((before) => {
      const after = new Set(before);
      if (!after.delete(layer)) after.add(layer);
      return after;
    });
  };
  const go = (id: BoxId, focus = true): void => {
    const layer = layerOf(graph, id);
    setSelected(id);
    if (id.startsWith('node-') && layer !== undefined && !open.has(layer)) {
      next.current = { id, focus };
      setOpen(new Set([...open, layer]));
    } else {
      canvas.current?.goTo(id);
      if (focus) canvas.current?.focus(id);
    }
  };
  const openAll = (all: boolean): void => {
    next.current = undefined;
    setAgreed(false);
    setOpen(new Set(all ? graph.nodesOf.keys() : []));
  };
  const handlers = useRef({ toggle, go });
  handlers.current = { toggle, go };

  useEffect(() => {
    canvas.current = new Canvas(place.current!, {
      activate: (id) => (id.startsWith('layer-') ? handlers.current.toggle(Number(id.slice(6))) : setSelected(id)),
      select: setSelected,
      leave: (id) => {
        const layer = layerOf(graph, id);
        if (layer !== undefined && place.current?.querySelector(`#layer-${layer}.open`)) handlers.current.toggle(layer);
      },
    });
    return () => layouts.close();
  }, []);

  useEffect(() => {
    if (asks) return;
    setState('busy');
    const picture = pictureOf(graph, open);
    const first = place.current!.querySelector('.node') === null;
    layouts.svgOf(picture.graph).then((text) => {
      if (text === undefined) return;
      const labels = [...new Set([...boxIds(graph), ...[...open].map((layer): BoxId => `layer-${layer}`)])].map((id) => ({
        id,
        label: visible(titleOf(graph, id).slice(0, 200)),
        ...(id.startsWith('layer-') ? { expanded: open.has(Number(id.slice(6))) } : {}),
      }));
      canvas.current!.draw(drawingOf(text), labels, picture.edges);
      const target = next.current;
      next.current = undefined;
      if (target) {
        canvas.current!.goTo(target.id);
        if (target.focus) canvas.current!.focus(target.id);
      } else if (first) canvas.current!.start();
      else canvas.current!.overview();
      setState('shown');
      performance.mark('graph-shown');
    }).catch(() => setState('failed'));
  }, [graph, open, asks]);

  useEffect(() => {
    canvas.current?.select(selected && shownAs(graph, selected, open));
    canvas.current?.mark(new Set(found.map((id) => shownAs(graph, id, open))));
  }, [selected, found, open, state]);

  return (
    <section class="card graph-card" aria-labelledby="graph-title">
      <h3 id="graph-title">Graph</h3>
      <div class="controls">
        <Search graph={graph} onFound={setFound} onGo={(id) => go(id, false)} />
        <span class="buttons">
          <button type="button" onClick={() => openAll(true)}>Open all</button>
          <button type="button" onClick={() => openAll(false)} disabled={open.size === 0}>Close all</button>
        </span>
        <span class="buttons">
          <button type="button" aria-label="Zoom in" onClick={() => canvas.current?.zoomBy(1.3)}>+</button>
          <button type="button" aria-label="Zoom out" onClick={() => canvas.current?.zoomBy(1 / 1.3)}>−</button>
          <button type="button" onClick={() => canvas.current?.fit()}>Fit</button>
        </span>
      </div>
      <div class="graph">
        <div class={`canvas ${state}`} aria-busy={state === 'busy' && !asks}>
          <svg ref={place} role="group" aria-label={`Graph of ${count(graph.model.nodes.length)} nodes in ${count(graph.layers.length)} layers`} />
          {asks && <Question size={size} yes={() => setAgreed(true)} no={() => openAll(false)} closable={open.size > 0} />}
          {!asks && <Progress state={state} size={size} stop={() => {
            layouts.stop();
            setState('stopped');
          }} closeAll={() => openAll(false)} />}
        </div>
        <Details graph={graph} id={selected} open={open} toggle={(layer) => toggle(layer, false)} go={(id) => go(id)} />
      </div>
    </section>
  );
}

function* boxIds({ model, nodesOf }: ReturnType<typeof indexGraph>): Generator<BoxId> {
  for (let i = 0; i < model.inputs.length; i++) yield `input-${i}`;
  for (const [layer, nodes] of nodesOf.entries()) {
    yield `layer-${layer}`;
    for (const node of nodes) yield `node-${node}`;
  }
  for (let i = 0; i < model.outputs.length; i++) yield `output-${i}`;
}

function Question({ size, yes, no, closable }: { readonly size: number; readonly yes: () => void; readonly no: () => void; readonly closable: boolean }): VNode {
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  return (
    <div class="over" role="alertdialog" aria-label="A large graph">
      <p>{count(size)} boxes would be drawn. Laying them out may take a minute; the page stays usable meanwhile.</p>
      <p><button type="button" ref={first} onClick={yes}>Lay out {count(size)} boxes</button> {closable && <button type="button" onClick={no}>Close all layers</button>}</p>
    </div>
  );
}

function Progress({ state, size, stop, closeAll }: { readonly state: State; readonly size: number; readonly stop: () => void; readonly closeAll: () => void }): VNode | null {
  if (state === 'shown') return null;
  if (state === 'busy') return <div class="over light" role="status">Laying out {count(size)} boxes… {size > 200 && <button type="button" onClick={stop}>Stop</button>}</div>;
  return (
    <div class="over" role="alert">
      <p>{state === 'stopped' ? 'The layout was stopped.' : 'The graph could not be laid out in this browser.'}</p>
      <p><button type="button" onClick={closeAll}>Close all layers</button></p>
    </div>
  );
}
