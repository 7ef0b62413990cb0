import { Problem } from '../errors.js';

/** Throws Problem('aborted') once the signal has fired. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Problem('aborted', 'stopped before the work was done', { cause: signal.reason });
}
