/** The page of a report: a header, then the list of cases or one of them. */
import { render, type VNode } from 'preact';
import { Boundary } from './boundary.js';
import { CaseList } from './case-list.js';
import { CasePage } from './case-page.js';
import { readIndex, type ReportIndex } from './data.js';
import { Header } from './header.js';
import { useRoute } from './route.js';

function Page({ index }: { readonly index: ReportIndex }): VNode {
  const route = useRoute();
  // There is nothing to choose from one.
  const wanted = route.case ?? (index.cases.length === 1 && !route.list ? 0 : undefined);
  const open = wanted !== undefined && wanted >= 0 && wanted < index.cases.length ? wanted : undefined;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById('main')?.focus();
      }}>Skip to the cases</a>
      <Boundary what="The header"><Header index={index} /></Boundary>
      <main id="main" tabIndex={-1}>
        <Boundary what="The list of cases"><CaseList cases={index.cases} open={open} /></Boundary>
        {open !== undefined && <CasePage key={open} summary={index.cases[open]!} index={open} of={index.cases.length} view={route.view} />}
      </main>
    </>
  );
}

render(<Page index={readIndex()} />, document.getElementById('page')!);
performance.mark('shown');
