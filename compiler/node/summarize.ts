/** `summarize`: the table Ultralytics users know, without compiling. */
import { gflopsOf, type NetworkOptions, type Prepared } from '../compile.js';
import type { Problem, Source } from '../errors.js';
import type { Shape } from '../ir/extent.js';
import { show } from '../ir/extent.js';
import type { Literal } from '../ir/network.js';
import { recordNetwork, type Recorded } from '../record.js';
import { countMacs } from '../stats.js';
import { DEFAULT_SEED, seededWeights } from '../weights/seeded.js';
import { prepareFitting } from './fit.js';
import { openInput, type InputOptions } from './inputs.js';
import { checkOptions } from './options.js';

export interface SummaryOptions extends Pick<NetworkOptions, 'scale' | 'imgsz' | 'nc' | 'aliases'>, Omit<InputOptions, 'model'> {
  /** A yaml or a checkpoint: a path, or a yaml's name and text. */
  readonly model: string | Source;
  readonly onWarning?: (warning: Problem) => void;
}

export interface Summary {
  readonly layers: readonly {
    readonly index: number;
    readonly from: number | readonly number[];
    readonly n: number;
    readonly params: number;
    readonly module: string;
    readonly args: readonly Literal[];
    /** Shape of the layer's output, of each where it has several. */
    readonly shape: readonly (number | string)[] | readonly (readonly (number | string)[])[];
  }[];
  readonly totals: {
    /** All modules, as `len(list(model.modules()))`. */
    readonly layers: number;
    readonly parameters: number;
    /** At the image size, to the decimal that the packages print. */
    readonly gflops: number;
    /**
     * What the graph really costs at the image size, where that is more than a tenth off: the packages measure a small
     * image and scale it, and with it costs that do not grow with the map (SOCA's matrix square root).
     */
    readonly gflopsCounted?: number;
  };
}

const plain = (shape: Shape): (number | string)[] => shape.map((extent) => (typeof extent === 'number' ? extent : show(extent)));

export async function summarize(options: SummaryOptions): Promise<Summary> {
  const prepared = await preparedOf(options);
  const [height, width] = prepared.imgsz;
  const recorded = recordNetwork(prepared.network, { batch: 1, height, width }, { weights: seededWeights(DEFAULT_SEED) });
  return {
    layers: prepared.network.layers.map((layer, i) => {
      const { params, shapes } = { params: recorded.layers[i]!.parameters, shapes: recorded.layers[i]!.shapes.map(plain) };
      const from = layer.fromList ? layer.from : layer.from[0]!;
      return { index: layer.index, from, n: layer.repeats, params, module: layer.module, args: layer.printed, shape: shapes.length === 1 ? shapes[0]! : shapes };
    }),
    totals: { layers: recorded.modules, parameters: recorded.parameters, ...operationsOf(prepared, recorded) },
  };
}

async function preparedOf(given: SummaryOptions): Promise<Prepared> {
  const { onWarning: warn, weights, ...options } = checkOptions(given);
  const input = await openInput({ ...options, ...(weights === undefined ? {} : { weights }) }, warn);
  try {
    return await prepareFitting(input, { ...options, ...input.settings, ...(warn ? { warn } : {}) });
  } finally {
    input.close();
  }
}

function operationsOf(prepared: Prepared, { graph }: Recorded): Pick<Summary['totals'], 'gflops' | 'gflopsCounted'> {
  const [printed, counted] = [gflopsOf(prepared), (2 * countMacs(graph).total) / 1e9].map((value) => Math.round(value * 10) / 10) as [number, number];
  return Math.abs(printed - counted) > 0.1 * counted ? { gflops: printed, gflopsCounted: counted } : { gflops: printed };
}
