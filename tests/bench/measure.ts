/** Costs of whole processes, and tables of them. Rounds are interleaved, so that ratios hold on a noisy machine. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import Table from 'cli-table3';
import { machine as thisMachine } from '../../compiler/node/machine.js';

export interface Cost {
  /** Milliseconds. */
  readonly wall: number;
  readonly cpu: number;
  /** MiB. */
  readonly peak: number;
}

export type Command = readonly [program: string, ...args: string[]];

/** Tells what a Node process used, on file descriptor 3, when it ends. */
const METER = 'data:text/javascript,import{writeSync}from"node:fs";process.on("exit",()=>writeSync(3,JSON.stringify(process.resourceUsage())))';
/** The same of a Python process: the script is run under this. */
const PYTHON_METER = `import atexit,json,os,resource,runpy,sys
def tell():
    u=resource.getrusage(resource.RUSAGE_SELF)
    os.write(3,json.dumps(dict(userCPUTime=u.ru_utime*1e6,systemCPUTime=u.ru_stime*1e6,maxRSS=u.ru_maxrss)).encode())
atexit.register(tell)
sys.argv=sys.argv[1:]
runpy.run_path(sys.argv[0],run_name='__main__')`;

export const node = (...args: string[]): Command => [process.execPath, '--import', METER, ...args];
export const python = (interpreter: string, ...args: string[]): Command => [interpreter, '-c', PYTHON_METER, ...args];

/** Every run writes a new file: replacing one makes some file systems flush it first. */
export function measure([program, ...args]: Command, target: string): Cost {
  rmSync(target, { force: true });
  const started = performance.now();
  const child = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 });
  const wall = performance.now() - started;
  if (child.status !== 0) throw new Error(`${args.join(' ')} ended with ${child.status ?? child.signal ?? 'nothing'}: ${child.stderr.toString().slice(-2000)}`);
  const usage = JSON.parse(child.output[3]!.toString()) as NodeJS.ResourceUsage;
  return { wall, cpu: (usage.userCPUTime + usage.systemCPUTime) / 1000, peak: usage.maxRSS / 1024 };
}

/** Costs of commands by name, one round after the other. */
export function inTurn(commands: Readonly<Record<string, Command>>, target: string, rounds: number): Readonly<Record<string, readonly Cost[]>> {
  const costs = Object.fromEntries(Object.keys(commands).map((name): [string, Cost[]] => [name, []]));
  for (let round = 0; round < rounds; round++) for (const [name, command] of Object.entries(commands)) costs[name]!.push(measure(command, target));
  return costs;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const medianOf = (costs: readonly Cost[], what: keyof Cost): number => median(costs.map((cost) => cost[what]));

export function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new Table({ head: [...head], colAligns: head.map((_, i) => (i < 1 ? 'left' : 'right')), style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

export const machine = (): string => `Node ${process.version}, ${thisMachine()}`;
