/** What is shown stands in the URL's hash: `#case-12/graph` is a link to it. */
import { useEffect, useState } from 'preact/hooks';

export const VIEWS = ['parity', 'layers', 'graph', 'passes'] as const;

export type View = (typeof VIEWS)[number];

export interface Route {
  /** An index into the cases; absent for the list. */
  readonly case?: number;
  readonly view: View;
  /** The list was asked for, not only opened with the page. */
  readonly list: boolean;
}

function parseRoute(hash: string): Route {
  const match = /^#case-(\d{1,9})(?:\/(\w+))?$/.exec(hash);
  const view = VIEWS.find((name) => name === match?.[2]) ?? 'parity';
  return { view, list: hash === LIST_HASH, ...(match ? { case: Number(match[1]) - 1 } : {}) };
}

/** Cases count from 1 for readers. */
export const caseHash = (index: number, view: View = 'parity'): string => `#case-${index + 1}${view === 'parity' ? '' : `/${view}`}`;

export const LIST_HASH = '#cases';

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return parseRoute(hash);
}
