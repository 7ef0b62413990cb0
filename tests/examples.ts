/** Every module of the library with its own example, as a yaml of some family spells it. */
import { moduleGraph, prepare, type ModuleOptions, type NetworkOptions, type Prepared } from '../compiler/compile.js';
import type { Graph } from '../compiler/ir/graph.js';
import type { Family } from '../compiler/ir/network.js';
import type { AnyModule } from '../compiler/module.js';
import { dialectOf, namesOf, resolve } from '../compiler/yaml/dialects.js';
import { library } from '../ops/index.js';
import { seededInput } from '../compiler/weights/seeded.js';
import { sourceOf } from './front-end.js';
import { sizeOf, type Numbers } from './graphs.js';

/** [batch, channels, height, width]; of operators any shape. */
export type MapSize = readonly number[];

export interface Example extends ModuleOptions {
  /** The module's file, which is not always the yaml's name. */
  readonly file: string;
  readonly family: Family;
  readonly inputs: readonly MapSize[];
  readonly definition: AnyModule;
}

const families: readonly Family[] = ['yolov5', 'ultralytics'];

async function exampleOf(file: string): Promise<Example> {
  for (const family of families) {
    const dialect = dialectOf({ family });
    const module = namesOf(dialect, library.names).find((name) => resolve(dialect, name).file === file);
    if (module === undefined) continue;
    const definition = await library.load(file);
    const { inputs, args, n = 1 } = definition.example;
    return { file, family, module, definition, args, repeats: n, inputs };
  }
  throw new Error(`no yaml can name the module ${file}`);
}

/** One after the other: Jest's module loader does not take several imports at once. */
async function loadExamples(): Promise<Example[]> {
  const loaded: Example[] = [];
  for (const file of library.names) loaded.push(await exampleOf(file));
  return loaded;
}

export const examples: readonly Example[] = await loadExamples();

/** Numbers that a module can be run on: in [-1, 1), and for what takes positive definite matrices, such. */
export function numbersFor({ file }: Example, shapes: readonly (readonly number[])[], seed: number): Numbers[] {
  return shapes.map((shape, i) => {
    const data = new Float32Array(sizeOf(shape));
    seededInput(`x${i}`, seed, 'map')(data, 0);
    return { shape, data: file === 'Sqrtm' ? positiveDefinite(data, shape.at(-1)!) : data };
  });
}

/** A Aᵀ / n + I for every matrix A [n, n]. */
function positiveDefinite(data: Float32Array, n: number): Float32Array {
  return data.map((_, at) => {
    const [matrix, row, column] = [Math.floor(at / (n * n)) * n * n, Math.floor(at / n) % n, at % n];
    let sum = 0;
    for (let k = 0; k < n; k++) sum += data[matrix + row * n + k]! * data[matrix + column * n + k]!;
    return sum / n + (row === column ? 1 : 0);
  });
}

/** The example's graph as recorded, before any pass, and after all that were asked for. */
export async function exampleGraphs(example: ModuleOptions): Promise<{ recorded: Graph; lowered: Graph }> {
  const { recorded, graph } = await moduleGraph(example, library);
  return { recorded: recorded.graph, lowered: graph };
}

export const prepareModel = (name: string, options: NetworkOptions = {}): Promise<Prepared> => prepare(sourceOf(`fixtures/models/${name}.yaml`), options, library);
