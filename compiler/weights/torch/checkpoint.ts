/** The object in a PyTorch file → Checkpoint. What trainers of YOLOv5 (v6, v7) and Ultralytics (8.x) write, and what users save themselves. */
import { Problem, quoted } from '../../errors.js';
import type { ByteSource } from '../../io.js';
import { prefixOf, withoutPrefix, type Checkpoint, type ModelFacts, type Plain } from '../checkpoint.js';
import { Dict, Inert, field } from '../pickle/values.js';
import type { ModuleFacts } from '../source.js';
import type { StoredTensor } from '../state-dict.js';
import { MAX_KEY, isModule, modulesOf, unwrapped, type Modules } from './modules.js';
import { plain, textField } from './plain.js';
import { readTorchLegacy, readTorchZip, type Archive, type TorchFile } from './read.js';
import { Tensor, stored } from './tensors.js';
import { yamlText } from '../yaml-text.js';

/** Where models and state_dicts stand in what trainers save; the averaged weights (`ema`) are those that are used. */
const KEYS = ['ema', 'ema_state_dict', 'state_dict_ema', 'model', 'state_dict', 'model_state_dict', 'net', 'network', 'weights', 'params', 'module'];
/** What else is worth listing. */
const INFO = ['date', 'epoch', 'best_fitness', 'updates', 'version', 'license', 'docs', 'git', 'train_metrics', 'train_args', 'opt'];

/** The zip form, unpacked by the caller. Throws Problem('bad-weights'). */
export const checkpointOfZip = (name: string, archive: Archive): Checkpoint => checkpointOf(name, readTorchZip(name, archive));

/** The legacy form. Throws Problem('bad-weights'). */
export const checkpointOfLegacy = (source: ByteSource): Checkpoint => checkpointOf(source.name, readTorchLegacy(source));

/** Throws Problem('bad-weights') where the file holds no weights. */
function checkpointOf(name: string, { root, container, classes }: TorchFile): Checkpoint {
  const fail = (what: string, help = 'Give the checkpoint that the trainer wrote (best.pt), or a state_dict.'): never => {
    throw new Problem('bad-weights', `${name} holds no weights that can be used: ${what}`, { help });
  };
  const found = contents(root);
  const first = found[0] ?? fail(whatItIs(root));
  // Averaged weights may be a state_dict beside the model object, which then tells the rest.
  const described = found.map(({ value }) => value).find(isModule);
  const object = described && modulesOf(described, fail);
  const tensors = object && first.value === described ? object.tensors : tensorsOf(first.value as Dict);
  if (tensors.size === 0) fail('its model has no tensors');
  if ([...tensors.keys()].some((key) => key.length > MAX_KEY)) fail('the name of a tensor is too long');
  const named = object ? inModel(object) : new Map<string, Inert>();
  return {
    name,
    container,
    holds: `${isModule(first.value) ? 'model object' : 'state_dict'}${first.key === undefined ? '' : ` under ${first.key}`}`,
    tensors: withoutPrefix(new Map([...tensors].map(([key, tensor]): [string, StoredTensor] => [key, stored(tensor)])), prefixOf(tensors.keys())),
    modules: new Map([...named].map(([path, module]) => [path, factsOf(name, module)])),
    model: modelFacts(name, object && modelObject(object.modules), named, root),
    info: infoOf(root),
    classes,
  };
}

/** Modules by the path that their tensors have in the model; what wraps the model is left out. */
function inModel({ tensors, modules }: Modules): ReadonlyMap<string, Inert> {
  const prefix = prefixOf(tensors.keys());
  return new Map([...modules].flatMap(([path, module]) => (`${path}.`.startsWith(prefix) && path.length > prefix.length ? [[path.slice(prefix.length), module] as const] : [])));
}

interface Found {
  readonly key?: string;
  readonly value: Inert | Dict;
}

/** Everything with weights in what was saved, the preferred first. */
function contents(root: unknown, depth = 0, seen = new Set<unknown>()): Found[] {
  const value = unwrapped(root);
  if (seen.has(value)) return [];
  seen.add(value);
  if (isModule(value) || isStateDict(value)) return [{ value }];
  if (!(value instanceof Dict) || depth > 1) return [];
  return KEYS.flatMap((key) => contents(value.get(key), depth + 1, seen).map(({ key: inner, value: found }): Found => ({ key: inner === undefined ? key : `${key}.${inner}`, value: found })));
}

function isStateDict(value: unknown): value is Dict {
  return value instanceof Dict && tensorsOf(value).size > value.size / 2;
}

function tensorsOf(dict: Dict): Map<string, Tensor> {
  return new Map([...dict].filter((entry): entry is [string, Tensor] => typeof entry[0] === 'string' && entry[1] instanceof Tensor));
}

/** For the message about a file without weights. */
function whatItIs(root: unknown): string {
  if (root instanceof Dict) {
    const keys = [...root].map(([key]) => key).filter((key) => typeof key === 'string');
    return keys.length === 0 ? 'it is an empty dict' : `it is a dict of ${keys.slice(0, 8).map(quoted).join(', ')}`;
  }
  if (root instanceof Inert) return `it is an object of ${root.path === undefined ? 'an unknown class' : quoted(root.path)}`;
  if (root instanceof Tensor) return 'it is one tensor';
  return `it is ${Array.isArray(root) ? 'a list' : root === null ? 'None' : `a ${typeof root}`}`;
}

/** The module that knows its yaml; else the outermost. */
function modelObject(modules: ReadonlyMap<string, Inert>): Inert | undefined {
  const all = [...modules.values()];
  return all.find((module) => field(module, 'yaml') instanceof Dict) ?? all[0];
}

/** Larger tensors are no attributes. */
const MAX_NUMBERS = 4096;

function factsOf(file: string, module: Inert): ModuleFacts {
  return { file, path: quoted(module.path ?? 'an unknown class'), attribute: (name) => valueOf(field(module, name)) };
}

const valueOf = (value: unknown): unknown => (value instanceof Tensor ? numbersOf(value) : plain(value));

function numbersOf(tensor: Tensor): number[] | undefined {
  const { read } = stored(tensor);
  if (!read || tensor.size > MAX_NUMBERS) return undefined;
  const values = new Float32Array(tensor.size);
  read(values, 0);
  return [...values];
}

function modelFacts(file: string, model: Inert | undefined, modules: ReadonlyMap<string, Inert>, root: unknown): ModelFacts {
  const head = lastLayer(modules);
  const pickled = field(model, 'yaml') ?? field(root, 'yaml') ?? undefined;
  const yaml = plain(pickled);
  const rows = typeof yaml === 'object' && yaml !== null && !Array.isArray(yaml) ? (yaml as Readonly<Record<string, Plain>>) : undefined;
  const stride = numberList(field(model, 'stride')) ?? numberList(field(head, 'stride'));
  const facts: { -readonly [K in keyof ModelFacts]: ModelFacts[K] | undefined } = {
    class: model?.path,
    task: textField(model, 'task') ?? textField(field(root, 'train_args'), 'task') ?? TASKS.get(head?.path?.replace(/^.*\./, '') ?? ''),
    scale: scaleIn(rows),
    names: namesOf(field(model, 'names') ?? field(root, 'names')),
    nc: count(field(head, 'nc')) ?? count(field(model, 'nc')),
    stride,
    kptShape: numberList(field(head, 'kpt_shape')),
    regMax: count(field(head, 'reg_max')),
    anchors: anchorsOf(field(field(head, '_buffers'), 'anchors'), stride),
  };
  if (pickled !== undefined && !rows) facts.oddYaml = true;
  if (rows) {
    const corrections = correctionsOf(rows, facts);
    const called = textField(model, 'yaml_file');
    facts.yaml = { text: yamlText(file, { ...(called === undefined ? {} : { yaml_file: called }), ...rows, ...corrections }) };
    facts.remarks = Object.entries(corrections).map(([key, value]) => `the yaml in ${file} has ${key} ${short(rows[key])}, the trained head ${short(value)}: the head is believed`);
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

/** By the class of the head: YOLOv5 does not say it otherwise. */
const TASKS: ReadonlyMap<string, string> = new Map([['Detect', 'detect'], ['Segment', 'segment'], ['Pose', 'pose'], ['OBB', 'obb'], ['Classify', 'classify']]);

/** Ultralytics writes a letter also where the yaml has multiples and no scales. */
function scaleIn(rows: Readonly<Record<string, Plain>> | undefined): string | undefined {
  const scales = rows?.scales;
  const some = typeof scales === 'object' && scales !== null && Object.keys(scales).length > 0;
  return some && typeof rows?.scale === 'string' && rows.scale !== '' ? rows.scale : undefined;
}

/** What the head knows better than the yaml that it was once made from. */
function correctionsOf(yaml: Readonly<Record<string, Plain>>, { nc, regMax, kptShape, anchors }: { readonly [K in keyof ModelFacts]: ModelFacts[K] | undefined }): Record<string, Plain> {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const shapeOf = (value: unknown): unknown => (Array.isArray(value) ? value.map((level) => (Array.isArray(level) ? level.length : (level as unknown))) : value);
  const corrections: [string, Plain][] = [];
  if (nc !== undefined && yaml.nc !== nc) corrections.push(['nc', nc]);
  if (regMax !== undefined && (yaml.reg_max ?? 16) !== regMax) corrections.push(['reg_max', regMax]);
  if (kptShape && !same(yaml.kpt_shape, kptShape)) corrections.push(['kpt_shape', kptShape]);
  // Other sizes are in the buffer anyway: only their number makes the graph.
  if (anchors && Array.isArray(yaml.anchors) && !same(shapeOf(yaml.anchors), shapeOf(anchors))) corrections.push(['anchors', anchors]);
  return Object.fromEntries(corrections);
}

const short = (value: Plain | undefined): string => (value === undefined ? 'left out' : JSON.stringify(value).slice(0, 60));

function lastLayer(modules: ReadonlyMap<string, Inert>): Inert | undefined {
  // An inner Sequential that was saved alone has no `model.`.
  const layers = [...modules.keys()].filter((path) => /^(model\.)?\d+$/.test(path));
  return modules.get(layers.sort((a, b) => Number(a.replace('model.', '')) - Number(b.replace('model.', ''))).at(-1) ?? '');
}

const count = (value: unknown): number | undefined => (typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined);

function numberList(value: unknown): number[] | undefined {
  const list = valueOf(value);
  return Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'number') ? list : undefined;
}

/** A list, or a dict by class number. */
function namesOf(value: unknown): string[] | undefined {
  const list = value instanceof Dict ? [...value].sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => name) : value;
  if (!Array.isArray(list) || list.length === 0) return undefined;
  return list.every((name) => typeof name === 'string' || typeof name === 'number') ? list.map(String) : undefined;
}

/** YOLOv5's buffer [levels, anchors, 2] counts in strides. */
function anchorsOf(value: unknown, stride: readonly number[] | undefined): number[][] | undefined {
  if (!stride || !(value instanceof Tensor) || value.shape.length !== 3 || value.shape[2] !== 2 || value.shape[0] !== stride.length) return undefined;
  const numbers = numbersOf(value);
  if (!numbers || numbers.length === 0) return undefined;
  const perLevel = numbers.length / stride.length;
  return stride.map((pixels, level) => numbers.slice(level * perLevel, (level + 1) * perLevel).map((size) => size * pixels));
}

function infoOf(root: unknown): Record<string, Plain> {
  if (!(root instanceof Dict)) return {};
  const entries = INFO.map((key) => [key, plain(root.get(key))] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, Plain] => entry[1] !== undefined && entry[1] !== null));
}
