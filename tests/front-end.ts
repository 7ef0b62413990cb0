/** The front end and the whole compiler up to the graph, for tests: what they say is text, as a user would read it. */
import { readFileSync } from 'node:fs';
import { networkGraph, prepare, type NetworkOptions } from '../compiler/compile.js';
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

/** Everything that compiling a file says, without writing it. A first line `# options: --scale n --imgsz 100` gives options. */
export async function compiled(file: string): Promise<string> {
  const source = sourceOf(file);
  return collected(async (warn) => {
    const options = { imgsz: [128, 128] as const, ...optionsIn(source.text), warn };
    networkGraph(await prepare(source, options, library), options);
  });
}

/** Everything that the front end says about a text. */
export async function said(source: Source, options: ParseOptions = optionsIn(source.text)): Promise<string> {
  return collected(async (warn) => {
    await bindNetwork(source, { ...options, warn });
  });
}

/** Warnings, then the error. */
async function collected(work: (warn: (warning: Problem) => void) => Promise<void>): Promise<string> {
  const lines: string[] = [];
  try {
    await work((warning) => lines.push(formatProblem(warning, 'warning')));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    lines.push(formatProblem(error));
  }
  return lines.map((line) => `${line}\n`).join('');
}

function optionsIn(text: string): NetworkOptions {
  const words = /^# options: (.*)/.exec(text)?.[1]?.split(/\s+/) ?? [];
  const valueOf = (option: string): string | undefined => (words.includes(option) ? words[words.indexOf(option) + 1] : undefined);
  const number = (option: string): number | undefined => (valueOf(option) === undefined ? undefined : Number(valueOf(option)));
  const [scaleName, nc, size, opset, batch] = [valueOf('--scale'), number('--nc'), number('--imgsz'), number('--opset'), number('--batch')];
  return {
    ...(scaleName === undefined ? {} : { scale: scaleName }),
    ...(nc === undefined ? {} : { nc }),
    ...(size === undefined ? {} : { imgsz: [size, size] }),
    ...(opset === undefined ? {} : { opset }),
    ...(batch === undefined ? {} : { batch }),
  };
}
