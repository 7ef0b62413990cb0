/** The top of the page: what was verified, the verdict, and what it ran on. */
import type { ComponentChildren, VNode } from 'preact';
import { describeFallBacks, missedProvider } from '../../compiler/provider-report.js';
import type { ReportIndex } from './data.js';
import { DASH, count, date } from './format.js';
import { Name } from './name.js';
import { ThemeChoice } from './theme.js';

export function Header({ index }: { readonly index: ReportIndex }): VNode {
  const { title, passed, failed, provider, made, notes } = index;
  const fellBack = describeFallBacks(provider);
  return (
    <header class="top">
      <div class="title">
        <h1><Name text={title} limit={160} /></h1>
        <ThemeChoice />
      </div>
      <p class="verdict">
        <Verdict ok={failed === 0 && !missedProvider(provider)} /> <span>{verdictText(passed, failed)}</span>
      </p>
      {fellBack !== undefined && <p class={provider.required ? 'text bad-text' : 'text'}><Name text={`${provider.required ? 'The provider was required, but ' : ''}${fellBack}`} limit={2000} />.</p>}
      <dl class="facts">
        <Fact name="Provider">{provider.requested}</Fact>
        <Fact name="Nodes ran on (as the runtime fused them)"><Nodes provider={provider} /></Fact>
        {provider.copies !== undefined && <Fact name="Copies between devices">{count(provider.copies)}</Fact>}
        {provider.tf32 !== undefined && <Fact name="TF32">{provider.tf32 ? 'on' : 'off'}</Fact>}
        <Fact name="yolonnx">{made.version || DASH}</Fact>
        <Fact name="onnxruntime">{made.onnxruntime || DASH}</Fact>
        <Fact name="Node">{made.node || DASH}</Fact>
        <Fact name="Made">{date(made.date)}</Fact>
        <Fact name="Machine"><Name text={made.machine || DASH} limit={300} /></Fact>
      </dl>
      {notes.length > 0 && (
        <details class="notes" open={notes.length <= 3}>
          <summary>{notes.length === 1 ? '1 note' : `${count(notes.length)} notes`}</summary>
          <ul>{notes.map((note, i) => <li key={i}><Name text={note} limit={2000} /></li>)}</ul>
        </details>
      )}
    </header>
  );
}

/** Said in words and by a sign, not by colour alone. */
export function Verdict({ ok }: { readonly ok: boolean }): VNode {
  return <span class={`badge ${ok ? 'good' : 'bad'}`}><span aria-hidden="true">{ok ? '✓' : '✕'}</span> {ok ? 'passed' : 'failed'}</span>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }): VNode {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

function verdictText(passed: number, failed: number): string {
  const cases = passed + failed;
  if (cases === 0) return 'No case was run.';
  if (failed === 0) return cases === 1 ? 'The case agrees with its golden.' : `All ${count(cases)} cases agree with their goldens.`;
  if (cases === 1) return 'The case failed.';
  return `${count(failed)} of ${count(cases)} cases failed.`;
}

function Nodes({ provider: { nodes, ran } }: { readonly provider: ReportIndex['provider'] }): VNode {
  const counted = Object.entries(nodes).sort(([, a], [, b]) => b - a);
  const entries = counted.length > 0 ? counted : ran.map((name) => [name, undefined] as const);
  if (entries.length === 0) return <>{DASH}</>;
  return <>{entries.map(([name, number]) => <span class="item" key={name}><Name text={name} />{number !== undefined && <b> {count(number)}</b>}</span>)}</>;
}
