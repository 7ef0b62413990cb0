/**
 * The yaml of a trained model that has lost it: rows by its layers' classes and what they read, arguments as each
 * module's `recover` tells them from tensors and attributes.
 */
import { Problem } from './errors.js';
import type { Literal } from './ir/network.js';
import type { ModuleLibrary } from './library.js';
import type { AnyModule, TrainedLayer } from './module.js';
import { giveYaml, type Checkpoint } from './weights/checkpoint.js';
import { className, type ModuleFacts } from './weights/source.js';
import { yamlText } from './weights/yaml-text.js';
import { adapt, dialectOf, namesOf, resolve, type Dialect } from './yaml/dialects.js';

/** Undefined for weights without a model object. Throws Problem('bad-weights') naming the layer that cannot be told. */
export async function recoverYaml(checkpoint: Checkpoint, library: ModuleLibrary): Promise<string | undefined> {
  const layers = layersOf(checkpoint);
  if (layers.length === 0) return undefined;
  const family = layers.some(({ path }) => path.startsWith('ultralytics.')) ? 'ultralytics' : 'yolov5';
  const dialect = dialectOf({ family });
  const rows: Literal[] = [];
  for (const [index] of layers.entries()) rows.push(await rowOf(checkpoint, index, dialect, library));
  const { nc, anchors, kptShape, regMax } = checkpoint.model;
  const [, channels = 3] = checkpoint.tensors.get('model.0.conv.weight')?.shape ?? [];
  return yamlText(checkpoint.name, {
    ...(nc === undefined ? {} : { nc }),
    ch: channels,
    ...(family === 'yolov5' ? { depth_multiple: 1, width_multiple: 1, anchors: anchors ?? 3 } : {}),
    ...(kptShape ? { kpt_shape: kptShape } : {}),
    ...(regMax === undefined ? {} : { reg_max: regMax }),
    backbone: rows,
    head: [],
  });
}

function layersOf({ modules }: Checkpoint): ModuleFacts[] {
  const layers: ModuleFacts[] = [];
  for (let facts = modules.get('model.0'); facts; facts = modules.get(`model.${layers.length}`)) layers.push(facts);
  return layers;
}

async function rowOf(checkpoint: Checkpoint, index: number, dialect: Dialect, library: ModuleLibrary): Promise<Literal> {
  const path = `model.${index}`;
  const facts = checkpoint.modules.get(path)!;
  // Copies of a module stand in a Sequential.
  const stacked = className(facts) === 'Sequential';
  const [one, copies] = stacked ? [`${path}.0`, count(checkpoint, path)] : [path, 1];
  const kind = className(checkpoint.modules.get(one) ?? facts);
  const name = namesOf(dialect, library.names).find((candidate) => candidate === kind || candidate === `nn.${kind}`);
  const lost = (why: string): Problem =>
    new Problem('bad-weights', `${checkpoint.name} has no yaml, and of layer ${index}, ${facts.path}, ${why}`, { help: giveYaml(checkpoint.name) });
  if (name === undefined) throw lost('the module is not known');
  const alias = resolve(dialect, name);
  const definition = await library.load(alias.file);
  const from = facts.attribute('f');
  const row = definition.recover?.(trained(checkpoint, one));
  if (!row || !isFrom(from)) throw lost('the row cannot be told from tensors and attributes');
  return [from, row.n ?? copies, name, ordered(row.args, definition, adapt(definition, alias, { keys: {} }))];
}

const isFrom = (value: unknown): value is Literal => typeof value === 'number' || (Array.isArray(value) && value.every((item) => typeof item === 'number'));

/** The arguments in the family's order, without those that it has no place for. */
function ordered(args: readonly Literal[], { args: own }: AnyModule, { args: adapted }: AnyModule): Literal[] {
  const named = new Map(Object.keys(own).map((name, i) => [name, args[i]]));
  const listed = Object.entries(adapted).filter(([, { kind }]) => kind !== 'preset').map(([name]) => named.get(name));
  const end = listed.findIndex((value) => value === undefined);
  return (end < 0 ? listed : listed.slice(0, end)) as Literal[];
}

function trained({ name, tensors, modules }: Checkpoint, path: string): TrainedLayer {
  const join = (inner: string): string => (inner === '' ? path : `${path}.${inner}`);
  return {
    shape(key) {
      const tensor = tensors.get(join(key));
      if (!tensor) throw new Problem('bad-weights', `${name} has no tensor ${join(key)}`);
      return tensor.shape;
    },
    stated: (inner, attribute) => (modules.get(join(inner))?.attribute(attribute) ?? null) as Literal,
    count: (inner) => count({ modules }, join(inner)),
  };
}

function count({ modules }: Pick<Checkpoint, 'modules'>, path: string): number {
  let n = 0;
  while (modules.has(`${path}.${n}`)) n++;
  return n;
}
