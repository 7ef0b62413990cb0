/** Which execution providers ran which nodes, in all cases of a verification. */
import type { Kernel, Provider, Ran } from './runner.js';

/** What really ran, by onnxruntime's profile. */
export interface ProviderReport {
  readonly requested: Provider;
  /** Execution providers that really ran nodes, the one with most nodes first. */
  readonly ran: readonly string[];
  /** How many nodes each ran, of all cases: the runtime's own, after its optimizer. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Copies between devices; absent when there were none. */
  readonly copies?: number;
  /** Whether CUDA may have used TF32; absent when CUDA ran nothing. */
  readonly tf32?: boolean;
  /** Nodes that ran elsewhere than on the provider asked for (`auto`: CUDA), by operator. */
  readonly fellBack?: readonly { readonly op: string; readonly provider: string; readonly nodes: number; readonly first: { readonly case: string; readonly node: string } }[];
  /** Whether that counts as a failure. */
  readonly required?: boolean;
}

/** What ran, of all cases. */
export class ProviderTally {
  private readonly nodes = new Map<string, number>();
  private readonly notes = new Set<string>();
  private readonly fellBack = new Map<string, NonNullable<ProviderReport['fellBack']>[number]>();
  private copies = 0;
  private tf32: boolean | undefined;

  /** Gives notes that are new. */
  add(name: string, ran: Ran): readonly string[] {
    for (const [provider, count] of Object.entries(ran.nodes)) this.nodes.set(provider, (this.nodes.get(provider) ?? 0) + count);
    if (ran.tf32 !== undefined) this.tf32 = ran.tf32 || this.tf32 === true;
    this.copies += ran.copies;
    for (const kernel of ran.fellBack) this.addFallBack(name, kernel);
    const fresh = ran.notes.filter((note) => !this.notes.has(note));
    for (const note of fresh) this.notes.add(note);
    return fresh;
  }

  private addFallBack(name: string, { op, provider, name: node }: Kernel): void {
    const known = this.fellBack.get(`${provider} ${op}`);
    this.fellBack.set(`${provider} ${op}`, known ? { ...known, nodes: known.nodes + 1 } : { op, provider, nodes: 1, first: { case: name, node } });
  }

  report(requested: Provider, required: boolean): ProviderReport {
    const ran = [...this.nodes].sort(([, a], [, b]) => b - a);
    // Where `auto` found no CUDA there was nothing to fall back from, unless it had to be there.
    const unasked = requested === 'auto' && !required && !this.nodes.has('CUDAExecutionProvider');
    const fellBack = unasked ? [] : [...this.fellBack.values()].sort((a, b) => b.nodes - a.nodes);
    return {
      requested,
      ran: ran.map(([provider]) => provider),
      nodes: Object.fromEntries(ran),
      ...(this.copies > 0 ? { copies: this.copies } : {}),
      ...(this.tf32 === undefined ? {} : { tf32: this.tf32 }),
      ...(fellBack.length > 0 ? { fellBack } : {}),
      ...(required ? { required } : {}),
    };
  }
}

/** Whether nodes ran elsewhere although that was ruled out. */
export const missedProvider = ({ required = false, fellBack = [] }: ProviderReport): boolean => required && fellBack.length > 0;

const SHOWN = 8;

/** One line on what ran elsewhere than asked for; undefined where nothing did, or where `auto` took the CPU, of which a note says why. */
export function describeFallBacks({ requested, required = false, nodes, fellBack = [] }: ProviderReport): string | undefined {
  const wanted = requested === 'auto' ? 'cuda' : requested;
  const count = fellBack.reduce((sum, entry) => sum + entry.nodes, 0);
  const all = count === Object.values(nodes).reduce((sum, each) => sum + each, 0);
  if (count === 0 || (requested === 'auto' && all && !required)) return undefined;
  if (all) return `no node ran on ${wanted}`;
  const list = fellBack.slice(0, SHOWN).map(({ op, nodes: number, first }) => `${op} ${number} (first ${first.node})`);
  const more = fellBack.length > SHOWN ? `, and ${fellBack.length - SHOWN} operators more` : '';
  return `${count} ${count === 1 ? 'node' : 'nodes'} did not run on ${wanted}: ${list.join(', ')}${more}`;
}
