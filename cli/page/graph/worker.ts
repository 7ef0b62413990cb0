/** Runs Graphviz beside the page, so that a long layout neither stops it nor has to be waited for. */
import { instance } from '@viz-js/viz';
import type { LayoutAnswer, LayoutRequest } from './layout.js';

const viz = instance();
// Types of a worker's own scope would contradict the page's.
const scope = self as unknown as { onmessage: ((event: MessageEvent<LayoutRequest>) => void) | null; postMessage(answer: LayoutAnswer): void };

scope.onmessage = ({ data }) => {
  viz
    .then((graphviz) => graphviz.render(data.graph, { format: 'svg', engine: 'dot' }))
    .then((result) => scope.postMessage(result.status === 'success' ? { svg: result.output } : { error: result.errors.map(({ message }) => message).join('\n') }))
    .catch((error: unknown) => scope.postMessage({ error: error instanceof Error ? error.message : 'unknown' }));
};
