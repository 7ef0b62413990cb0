/** The compiler up to inferred channels, for tests: what it says is text, as a user would read it. */
import { readFileSync } from 'node:fs';
import { Problem, formatProblem, type Source } from '../compiler/errors.js';
import type { BoundLayer, Network } from '../compiler/ir/network.js';
import { loadDefinitions, parseNetwork, type ParseOptions } from '../compiler/yaml/index.js';
import { library } from '../ops/index.js';
import { inferChannels } from '../passes/network/infer-channels.js';
import { scale } from '../passes/network/scale.js';

export async function bindNetwork(source: Source, options: ParseOptions = {}): Promise<Network<BoundLayer>> {
  const network = parseNetwork(source, options);
  return inferChannels(scale(network, await loadDefinitions(network, library)));
}

export const sourceOf = (file: string): Source => ({ file, text: readFileSync(file, 'utf8') });

/** Everything said about a file: its warnings, then its error. A first line `# options: --scale n` gives options. */
export async function frontEnd(file: string): Promise<string> {
  return said(sourceOf(file));
}

export async function said(source: Source, options: ParseOptions = optionsIn(source.text)): Promise<string> {
  const lines: string[] = [];
  try {
    await bindNetwork(source, { ...options, warn: (warning) => lines.push(formatProblem(warning, 'warning')) });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    lines.push(formatProblem(error));
  }
  return lines.map((line) => `${line}\n`).join('');
}

function optionsIn(text: string): ParseOptions {
  const words = /^# options: (.*)/.exec(text)?.[1]?.split(/\s+/) ?? [];
  const valueOf = (option: string): string | undefined => (words.includes(option) ? words[words.indexOf(option) + 1] : undefined);
  const [scaleName, nc] = [valueOf('--scale'), valueOf('--nc')];
  return { ...(scaleName === undefined ? {} : { scale: scaleName }), ...(nc === undefined ? {} : { nc: Number(nc) }) };
}
