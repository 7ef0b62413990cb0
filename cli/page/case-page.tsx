/** One case: its verdict and facts, and the view of it that the route names. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Boundary } from './boundary.js';
import { readCase, whole, type CaseSummary, type ReportCase } from './data.js';
import { seconds } from './format.js';
import { GraphView } from './graph/view.js';
import { Fact, Verdict } from './header.js';
import { Layers } from './layers.js';
import { ModelFacts } from './model-facts.js';
import { Name } from './name.js';
import { Parity } from './parity.js';
import { Passes } from './passes.js';
import { LIST_HASH, VIEWS, caseHash, type View } from './route.js';

const TITLES: Readonly<Record<View, string>> = { parity: 'Parity', layers: 'Model and layers', graph: 'Graph', passes: 'Passes' };

interface Props {
  readonly summary: CaseSummary;
  readonly index: number;
  readonly of: number;
  readonly view: View;
}

export function CasePage({ summary, index, of, view }: Props): VNode {
  const [ready, setReady] = useState(document.readyState !== 'loading');
  useEffect(() => void whole.then(() => setReady(true)), []);
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever came by keyboard goes on from here.
  useEffect(() => {
    if (location.hash !== '') heading.current?.focus();
  }, []);
  const { timings } = summary;
  return (
    <article>
      <nav class="case-nav" aria-label="Cases">
        <a href={LIST_HASH}>← All cases</a>
        <span>
          {index > 0 && <a href={caseHash(index - 1, view)}>Previous</a>}
          <span class="quiet">{index + 1} of {of}</span>
          {index + 1 < of && <a href={caseHash(index + 1, view)}>Next</a>}
        </span>
      </nav>
      <div class="case-head">
        <h2 id="case-title" tabIndex={-1} ref={heading}><Name text={summary.case || '(no name)'} limit={160} /> <Verdict ok={summary.ok} /></h2>
        <dl class="facts">
          <Fact name="Golden"><Name text={summary.golden} limit={160} /></Fact>
          {timings?.compile !== undefined && <Fact name="Compile">{seconds(timings.compile)}</Fact>}
          {timings && <Fact name="Load">{seconds(timings.load)}</Fact>}
          {timings && <Fact name="First run">{seconds(timings.run)}</Fact>}
          {timings?.again !== undefined && <Fact name="Run (median)">{seconds(timings.again)}</Fact>}
          {!timings && <Fact name="Load and run">{seconds(summary.seconds)}</Fact>}
        </dl>
      </div>
      {ready ? <Views index={index} view={view} /> : <p class="notice" role="status">Reading the file…</p>}
    </article>
  );
}

function Views({ index, view }: { readonly index: number; readonly view: View }): VNode {
  const result = readCase(index);
  if (!result) return <p class="notice" role="alert">The report has no details of this case.</p>;
  const views = VIEWS.filter((name) => name === 'parity' || (result.model !== undefined && (name !== 'passes' || result.model.passes !== undefined)));
  const shown = views.includes(view) ? view : 'parity';
  return (
    <>
      {views.length > 1 && (
        <nav class="views" aria-label="Views of the case">
          {views.map((name) => <a key={name} href={caseHash(index, name)} aria-current={name === shown ? 'page' : undefined}>{TITLES[name]}</a>)}
        </nav>
      )}
      <Boundary key={shown} what={TITLES[shown]}>{content(result, shown)}</Boundary>
    </>
  );
}

function content(result: ReportCase, view: View): ComponentChildren {
  const { model } = result;
  if (view === 'parity' || !model) return <Parity result={result} />;
  if (view === 'graph') return <GraphView model={model} />;
  if (view === 'passes') return <Passes passes={model.passes ?? []} />;
  return <><ModelFacts model={model} /><Layers model={model} /></>;
}
