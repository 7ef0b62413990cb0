/** Which execution provider ran each node: onnxruntime tells it in its profile only. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kept, removeAtExit } from './leftovers.js';

/** A temporary folder for a session's profile. */
export interface ProfileFolder {
  /** For `profileFilePrefix`. */
  readonly prefix: string;
  /** Nodes by provider; call it once the session has ended profiling. Copies between devices do not count. */
  count(): Record<string, number>;
  remove(): void;
}

export function profileFolder(): ProfileFolder {
  const folder = mkdtempSync(join(tmpdir(), `yolonnx-profile-${process.pid}-`));
  removeAtExit(folder);
  return {
    prefix: join(folder, 'run'),
    count: () => countNodes(readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))),
    remove() {
      rmSync(folder, { recursive: true, force: true });
      kept(folder);
    },
  };
}

interface Event {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly provider?: string; readonly op_name?: string };
}

function countNodes(profiles: readonly string[]): Record<string, number> {
  const seen = new Map<string, string>();
  for (const event of profiles.flatMap((text) => JSON.parse(text) as Event[])) {
    const { provider, op_name: op } = event.args ?? {};
    if (event.cat !== 'Node' || !provider || !event.name?.endsWith('_kernel_time') || op?.startsWith('Memcpy')) continue;
    seen.set(event.name, provider);
  }
  const counts: Record<string, number> = {};
  for (const provider of seen.values()) counts[provider] = (counts[provider] ?? 0) + 1;
  return counts;
}
