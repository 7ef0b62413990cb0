/**
 * One idle process that runs models, kept for whoever runs models next: starting one takes some 0.1 s. It ends when
 * nobody has wanted it for a while, and with this process.
 */
import { Problem } from '../errors.js';
import { RuntimeProcess, type Limits } from './runtime-process.js';

const KEPT_MS = 5000;

let idle: { readonly key: string; readonly runtime: RuntimeProcess; readonly timer: NodeJS.Timeout } | undefined;

const keyOf = (limits: Limits, environment: NodeJS.ProcessEnv): string => JSON.stringify([limits, environment]);

/** The idle process, where it was started alike, or a new one. */
export function takeRuntime(limits: Limits, environment: NodeJS.ProcessEnv): RuntimeProcess {
  const found = idle;
  if (found?.key !== keyOf(limits, environment) || !found.runtime.alive) return new RuntimeProcess(limits, environment);
  clearTimeout(found.timer);
  idle = undefined;
  return found.runtime;
}

/** Nobody may use the process afterwards but through `takeRuntime`. */
export function giveRuntime(runtime: RuntimeProcess, limits: Limits, environment: NodeJS.ProcessEnv): void {
  if (!runtime.alive) return;
  if (idle) end(idle.runtime);
  if (idle) clearTimeout(idle.timer);
  const timer = setTimeout(() => {
    idle = undefined;
    end(runtime);
  }, KEPT_MS).unref();
  idle = { key: keyOf(limits, environment), runtime, timer };
}

const end = (runtime: RuntimeProcess): void => runtime.stop(new Problem('aborted', 'nobody uses the process any more'));
