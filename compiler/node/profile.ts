/** Which execution provider ran each node, and how long: onnxruntime tells it in its profile only. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import type { Kernel, TypedShape } from '../runner.js';
import { temporaryFolder } from './temporary.js';

/** A temporary folder for a session's profile. */
export interface ProfileFolder {
  /** For `profileFilePrefix`. */
  readonly prefix: string;
  /** Nodes by provider; call it once the session has ended profiling. Copies between devices do not count. */
  count(): Record<string, number>;
  remove(): void;
}

export function profileFolder(): ProfileFolder {
  const { path, remove } = temporaryFolder('profile');
  return {
    prefix: join(path, 'run'),
    count: () => nodesByProvider(readProfile(readdirSync(path).map((name) => readFileSync(join(path, name), 'utf8'))).kernels),
    remove,
  };
}

export function nodesByProvider(kernels: readonly Kernel[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { provider } of kernels) counts[provider] = (counts[provider] ?? 0) + 1;
  return counts;
}

interface Event {
  readonly cat?: string;
  readonly name?: string;
  /** Microseconds. */
  readonly dur?: number;
  readonly args?: {
    readonly provider?: string;
    readonly op_name?: string;
    readonly node_index?: string;
    readonly input_type_shape?: readonly ElementShape[];
    readonly output_type_shape?: readonly ElementShape[];
  };
}

/** One entry: the C++ type and the sizes, `{ "float": [1, 3, 64, 64] }`. */
type ElementShape = Readonly<Record<string, readonly number[]>>;

const KERNEL = '_kernel_time';

/** Kernels, and how many copies between devices there were, by the events of one session's profile. */
export function readProfile(profiles: readonly string[]): { readonly kernels: readonly Kernel[]; readonly copies: number } {
  const seen = new Map<string, { readonly event: Event; readonly times: number[] }>();
  for (const event of profiles.flatMap(eventsOf)) {
    if (event.cat !== 'Node' || !event.args?.provider || !event.name?.endsWith(KERNEL)) continue;
    // Names need not be unique in a file.
    const key = `${event.name} ${event.args.node_index ?? ''}`;
    const known = seen.get(key);
    if (known) known.times.push(event.dur ?? 0);
    else seen.set(key, { event, times: [event.dur ?? 0] });
  }
  const all = [...seen.values()];
  const isCopy = ({ event }: (typeof all)[number]): boolean => event.args?.op_name?.startsWith('Memcpy') ?? false;
  return { kernels: all.filter((entry) => !isCopy(entry)).map(({ event, times }) => kernelOf(event, times)), copies: all.filter(isCopy).length };
}

/** onnxruntime writes names as they are: with quotes, backslashes and control characters that JSON has otherwise. */
function eventsOf(profile: string): readonly Event[] {
  if (!profile.trimEnd().endsWith(']')) throw new Problem('bad-model', "onnxruntime's profile of the run is cut off: its temporary file could not be written", { help: 'Free some space, or name another folder with TMPDIR.' });
  const text = profile.replace(/"name" :"([^]*?)","args" : \{/g, (_, name: string) => `"name" :${JSON.stringify(name)},"args" : {`);
  try {
    return JSON.parse(text) as Event[];
  } catch (error) {
    throw new Problem('bad-model', "onnxruntime's profile of the model cannot be read: names of its nodes spoil it", { help: 'Rename the nodes that have quotes in their names.', cause: error });
  }
}

function kernelOf({ name, args }: Event, times: readonly number[]): Kernel {
  const sorted = [...times].sort((a, b) => a - b);
  return {
    name: name!.slice(0, -KERNEL.length),
    op: args!.op_name ?? '',
    provider: args!.provider!,
    milliseconds: sorted[Math.floor((sorted.length - 1) / 2)]! / 1000,
    inputs: (args!.input_type_shape ?? []).map(shapeOf),
    outputs: (args!.output_type_shape ?? []).map(shapeOf),
  };
}

function shapeOf(entry: ElementShape): TypedShape {
  const [type = '', shape = []] = Object.entries(entry)[0] ?? [];
  return { type, shape };
}
