/** The text of a model's graph after a pass. */
import { networkGraph, prepare, type NetworkOptions } from '../compile.js';
import { Problem, nearest } from '../errors.js';
import type { Graph } from '../ir/graph.js';
import { print } from '../ir/print.js';
import { graphPasses } from '../../passes/index.js';
import { library } from '../../ops/index.js';
import { readModel } from './model-file.js';

export interface ShowOptions extends Omit<NetworkOptions, 'warn'> {
  readonly model: string;
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
  const { source, scale } = readModel(options.model, options.scale);
  const request = { ...options, ...(scale === undefined ? {} : { scale }), ...(options.onWarning ? { warn: options.onWarning } : {}) };
  const prepared = await prepare(source, request, library);
  let graph: Graph | undefined;
  const { recorded } = networkGraph(prepared, {
    ...request,
    onPass: ({ pass, after: result }) => {
      if (pass.name === after) graph = result;
    },
  });
  return print(graph ?? recorded.graph, { whole: options.whole ?? false });
}
