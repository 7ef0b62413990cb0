/** The graph's search: what it found, one after the other. */
import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { count } from '../format.js';
import type { BoxId, GraphIndex } from './index.js';
import { findBoxes } from './search.js';

interface Props {
  readonly graph: GraphIndex;
  readonly onFound: (found: readonly BoxId[]) => void;
  readonly onGo: (id: BoxId) => void;
}

export function Search({ graph, onFound, onGo }: Props): VNode {
  const [text, setText] = useState('');
  /** Which of them the reader is at; -1 before the first. */
  const [at, setAt] = useState(-1);
  const found = useMemo(() => findBoxes(graph, text), [graph, text]);
  const type = (value: string): void => {
    setText(value);
    setAt(-1);
    onFound(findBoxes(graph, value));
  };
  const step = (by: number): void => {
    if (found.length === 0) return;
    const to = at < 0 && by < 0 ? found.length - 1 : (at + by + found.length) % found.length;
    setAt(to);
    onGo(found[to]!);
  };
  return (
    <form class="search" role="search" onSubmit={(event) => {
      event.preventDefault();
      step(1);
    }}>
      <input type="search" class="filter" placeholder="Find node, operator, layer, value…" aria-label="Find in the graph" value={text} onInput={({ currentTarget }) => type(currentTarget.value)} onKeyDown={(event) => {
        if (event.key !== 'Enter' || !event.shiftKey) return;
        event.preventDefault();
        step(-1);
      }} />
      <span class="buttons">
        <button type="button" aria-label="Previous match" disabled={found.length === 0} onClick={() => step(-1)}>↑</button>
        <button type="submit" aria-label="Next match" disabled={found.length === 0}>↓</button>
      </span>
      <span class="quiet" role="status">{text.trim() === '' ? '' : at < 0 ? `${count(found.length)} found` : `${at + 1} of ${count(found.length)}`}</span>
    </form>
  );
}
