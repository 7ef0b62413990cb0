/** Which scale of a yaml a weights file is of, where neither says it. */
import { prepare, type NetworkOptions, type Prepared } from '../compile.js';
import { Problem, type Source } from '../errors.js';
import { recordNetwork } from '../record.js';
import { library } from '../../ops/index.js';
import type { OpenedInput, OpenedWeights } from './inputs.js';

/** Scales that are tried: yamls have five. */
const MOST_SCALES = 16;

/**
 * Prepares the network. Where nothing says which scale it has, the first that the weights fit is taken. Throws what
 * `prepare` throws.
 */
export async function prepareFitting({ source, weights }: OpenedInput, options: NetworkOptions): Promise<Prepared> {
  const warnings: Problem[] = [];
  const first = await prepare(source, { ...options, warn: (warning) => warnings.push(warning) }, library);
  const { guessed, scales = [], scale } = first.network;
  if (weights && guessed && !fits(first, weights)) {
    for (const other of scales.filter((name) => name !== scale).slice(0, MOST_SCALES)) {
      const said: Problem[] = [];
      const attempt = await fitted(source, { ...options, scale: other, warn: (warning) => said.push(warning) }, weights);
      if (!attempt) continue;
      options.warn?.(new Problem('bad-scale', `no scale is given: ${other} is taken, which ${weights.checkpoint.name} fits`, { help: `--scale ${other} says the same.` }));
      for (const warning of said) options.warn?.(warning);
      return attempt;
    }
  }
  for (const warning of warnings) options.warn?.(warning);
  return first;
}

/**
 * What to do about weights that do not fit: the scale or the number of classes that they are of, where that is so; else the
 * error's own advice.
 */
export async function advised(error: unknown, { source, weights }: OpenedInput, options: NetworkOptions, { network }: Prepared): Promise<unknown> {
  if (!(error instanceof Problem) || error.code !== 'bad-weights' || !weights) return error;
  const { nc } = weights.checkpoint.model;
  const advice = (help: string): Problem => new Problem(error.code, error.message, { place: error.place, help, cause: error });
  const fitsWith = async (change: Pick<NetworkOptions, 'nc' | 'scale'>): Promise<boolean> => (await fitted(source, { ...options, ...change, warn: () => undefined }, weights)) !== undefined;
  if (nc !== undefined && nc !== network.nc && (await fitsWith({ nc }))) return advice(`The weights are of a model with nc ${nc}: ${options.nc === undefined ? 'add' : 'give'} --nc ${nc}.`);
  for (const scale of (network.scales ?? []).slice(0, MOST_SCALES)) {
    if (scale !== network.scale && (await fitsWith({ scale }))) return advice(`The weights are of scale ${scale}: add --scale ${scale}.`);
  }
  return error;
}

/** The network that these options make, where the weights fit it. */
async function fitted(source: Source, options: NetworkOptions, weights: OpenedWeights): Promise<Prepared | undefined> {
  try {
    const prepared = await prepare(source, options, library);
    return fits(prepared, weights) ? prepared : undefined;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

function fits({ network, imgsz: [height, width] }: Prepared, weights: OpenedWeights): boolean {
  try {
    const source = weights.source();
    recordNetwork(network, { batch: 1, height, width }, { weights: source });
    source.finish();
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
