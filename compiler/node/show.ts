/** The text of a model's graph after a pass. */
import { networkGraph, type NetworkOptions } from '../compile.js';
import { Problem, nearest } from '../errors.js';
import type { Graph } from '../ir/graph.js';
import { print } from '../ir/print.js';
import { graphPasses } from '../../passes/index.js';
import { forTarget, type Target } from '../target.js';
import { prepareFitting } from './fit.js';
import { openInput, type InputOptions } from './inputs.js';
import { targetNamed } from './targets.js';

export interface ShowOptions extends Omit<NetworkOptions, 'warn' | 'weights' | 'fallback' | 'target' | 'onStage'>, Omit<InputOptions, 'model'> {
  readonly model: string;
  readonly target?: string | Target;
  /** A pass, or `record`; default: the last pass. */
  readonly after?: string;
  readonly whole?: boolean;
  readonly onWarning?: (warning: Problem) => void;
}

export async function graphText(options: ShowOptions): Promise<string> {
  const names = ['record', ...graphPasses.map(({ name }) => name)];
  const { after = names.at(-1)! } = options;
  if (!names.includes(after)) {
    const near = nearest(after, names);
    throw new Problem('bad-option', `there is no pass ${after}`, { help: `${near.length > 0 ? `Did you mean ${near[0]}? ` : ''}Stages: ${names.join(', ')}.` });
  }
  const { onWarning: warn, weights: file, target, ...given } = options;
  const rest = forTarget({ ...given, ...targetNamed(target), ...(warn ? { warn } : {}) });
  const input = await openInput({ ...rest, ...(file === undefined ? {} : { weights: file }) }, warn);
  try {
    const request = { ...rest, ...input.settings, ...(warn ? { warn } : {}), ...(input.weights ? { weights: input.weights.source() } : {}) };
    let graph: Graph | undefined;
    const { recorded } = networkGraph(await prepareFitting(input, request), {
      ...request,
      onPass: ({ pass, after: result }) => {
        if (pass.name === after) graph = result;
      },
    });
    return print(graph ?? recorded.graph, { whole: options.whole ?? false });
  } finally {
    input.close();
  }
}
