/** Asks a worker for layouts, one at a time; a newer request stops the one before. */
import type { Graph } from '@viz-js/viz';

export interface LayoutRequest {
  readonly graph: Graph;
}

export type LayoutAnswer = { readonly svg: string } | { readonly error: string };

export class Layouts {
  #worker: Worker | undefined;
  #stop: (() => void) | undefined;
  /** How many were asked for, or stopped. */
  #turn = 0;

  /** The SVG's text; undefined when it was stopped. */
  async svgOf(graph: Graph): Promise<string | undefined> {
    this.stop();
    const turn = this.#turn;
    const code = await (workerCode ??= unpacked());
    if (turn !== this.#turn) return undefined;
    const worker = (this.#worker ??= startWorker(code));
    const answer = await new Promise<LayoutAnswer | undefined>((resolve) => {
      this.#stop = () => {
        // Nothing else stops Graphviz.
        this.#worker?.terminate();
        this.#worker = undefined;
        resolve(undefined);
      };
      worker.onmessage = ({ data }: MessageEvent<LayoutAnswer>) => resolve(data);
      worker.onerror = () => resolve({ error: 'Graphviz could not be started' });
      worker.postMessage({ graph } satisfies LayoutRequest);
    });
    if (answer === undefined) return undefined;
    this.#stop = undefined;
    if ('svg' in answer) return answer.svg;
    // After an error of its own Graphviz may be in any state.
    this.close();
    throw new Error(answer.error);
  }

  /** Stops a layout that is under way. */
  stop(): void {
    this.#turn++;
    this.#stop?.();
    this.#stop = undefined;
  }

  close(): void {
    this.stop();
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

let workerCode: Promise<Blob> | undefined;

/** The worker's script stands in the page as gzip in base64 (cli/bundle-page.ts). */
async function unpacked(): Promise<Blob> {
  const packed = Uint8Array.from(atob(document.getElementById('layout-worker')?.textContent ?? ''), (character) => character.charCodeAt(0));
  const script = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).blob();
  return new Blob([script], { type: 'text/javascript' });
}

function startWorker(code: Blob): Worker {
  const url = URL.createObjectURL(code);
  const worker = new Worker(url);
  // The worker has read it by the time it answers.
  worker.addEventListener('message', () => URL.revokeObjectURL(url), { once: true });
  return worker;
}
