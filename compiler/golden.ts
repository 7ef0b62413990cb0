/**
 * Goldens: reference results of PyTorch in a safetensors file (format `golden/1`). Tensors are `input.<name>`,
 * `output.<name>` and, with embedded weights, `param.<state_dict key>`; what they belong to stands in the metadata.
 */
import { Problem } from './errors.js';
import { Fields } from './golden-fields.js';
import type { ByteSource } from './io.js';
import type { Family, Literal } from './ir/network.js';
import { openSafetensors, safetensorsWeights, type SafetensorsFile } from './weights/safetensors.js';
import { seededWeights } from './weights/seeded.js';
import type { WeightSource } from './weights/source.js';

export interface GoldenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Reads the numbers from the file, anew each time. */
  readonly read: () => Float32Array;
}

interface GoldenBase {
  /** The golden's file, for messages. */
  readonly file: string;
  readonly case: string;
  readonly seed: number;
  readonly gain: number;
  readonly weights: GoldenWeights;
  /** In the order of the graph's inputs. */
  readonly inputs: readonly GoldenTensor[];
  /** In the order of the graph's outputs: `y` of a module, `pred` and `proto` of a model. */
  readonly outputs: readonly GoldenTensor[];
  /** Largest difference between PyTorch's own float32 and float64 results. */
  readonly f32Error: number;
  /** The same by output or part of one: `pred`, `pred[boxes]`, `pred[rest]`, `proto`. */
  readonly f32ErrorByOutput: ReadonlyMap<string, number>;
  /** Rows of the outputs are ordered by a top-k: they are compared as sets. */
  readonly ordered: boolean;
}

/** `checkpoint` names a file that lies beside the golden. */
export type GoldenWeights = { readonly from: 'seed' } | { readonly from: 'golden' } | { readonly from: 'checkpoint'; readonly file: string };

export interface ModuleGolden extends GoldenBase {
  readonly kind: 'module';
  /** The yaml's name of the module, or of a helper operation when `op`. */
  readonly module: string;
  readonly op: boolean;
  /** The yaml row's args, at width multiple 1. */
  readonly args: readonly Literal[];
  /** Repeat count that the module takes inside, already scaled by depth. */
  readonly n: number;
  /** Whose spelling the name and arguments are, where the golden says it. */
  readonly family: Family | undefined;
}

export interface ModelGolden extends GoldenBase {
  readonly kind: 'model' | 'checkpoint';
  readonly yaml: string;
  /** The yaml's file name; its stem may hold the scale. */
  readonly yamlFile: string;
  readonly scale: string | undefined;
  readonly family: Family;
  /** Class of the last layer: Detect, Segment, Pose, OBB … */
  readonly head: string;
  readonly imgsz: readonly [height: number, width: number];
  readonly batch: number;
  /** The axis of pred along which a box's values lie: 2 for [batch, boxes, values], 1 for [batch, values, boxes]; undefined without boxes. */
  readonly valuesAxis: 1 | 2 | undefined;
  /** Class names in order, where the golden has them (checkpoints). */
  readonly names: readonly string[] | undefined;
  /** Keypoints of a pose model and numbers for each (2, or 3 with visibility). */
  readonly keypoints: readonly [count: number, numbers: number] | undefined;
}

const families = ['yolov5', 'ultralytics'] as const satisfies readonly Family[];

export type Golden = ModuleGolden | ModelGolden;

/** Reads a golden's metadata; tensors are read when asked for. Throws Problem('bad-golden') naming file and key. */
export function parseGolden(source: ByteSource): Golden {
  const file = openSafetensors(source, 'bad-golden');
  const fields = new Fields(source.name, file.metadata);
  const format = fields.optional('format');
  if (format !== 'golden/1') {
    const help = 'A golden is a .safetensors file with reference inputs and outputs, written by make_golden.py.';
    throw new Problem('bad-golden', `${source.name} is not a golden: its metadata has ${format === undefined ? 'no format' : `format ${format.slice(0, 80)}`}, golden/1 is needed`, { help });
  }
  const kind = fields.word('kind', ['module', 'model', 'checkpoint']);
  const base = {
    file: source.name,
    case: fields.text('case'),
    // Operations without weights have `-`.
    seed: fields.optional('seed') === '-' ? 0 : fields.integer('seed', { fallback: 0 }),
    gain: fields.number('gain', { fallback: 5 }),
    weights: weightsOf(fields),
    inputs: tensorsOf(file, fields, 'input'),
    outputs: tensorsOf(file, fields, 'output'),
    f32Error: fields.number('f32_error', { fallback: 0 }),
    f32ErrorByOutput: fields.numbers('f32_error_by_output'),
    ordered: fields.flag('end2end') || fields.flag('order_sensitive'),
  };
  return kind === 'module' ? { ...base, kind, ...moduleFields(fields) } : { ...base, kind, ...modelFields(fields, base.outputs) };
}

/** The weights that a golden brings, or its seed makes. Those of a checkpoint are opened by its name. */
export function goldenWeights({ weights, seed, gain }: Golden, source: ByteSource): WeightSource {
  return weights.from === 'golden' ? safetensorsWeights(source, { prefix: 'param.' }) : seededWeights({ seed, gain });
}

function moduleFields(fields: Fields): Omit<ModuleGolden, keyof GoldenBase | 'kind'> {
  return {
    module: fields.text('module'),
    op: fields.flag('op'),
    args: fields.list('args') as readonly Literal[],
    n: fields.integer('n', { fallback: 1 }),
    family: fields.optional('family') ? fields.word('family', ['yolov5', 'ultralytics']) : undefined,
  };
}

function modelFields(fields: Fields, outputs: readonly GoldenTensor[]): Omit<ModelGolden, keyof GoldenBase | 'kind'> {
  const yaml = fields.text('yaml');
  return {
    yaml,
    yamlFile: fields.optional('yaml_file') ?? `${fields.text('case')}.yaml`,
    // An empty text where the yaml has no scales.
    scale: fields.optional('scale') === '' ? undefined : fields.optional('scale'),
    family: fields.word('family', families),
    head: fields.text('head'),
    imgsz: fields.pair('imgsz'),
    batch: fields.integer('batch', { fallback: 1 }),
    valuesAxis: valuesAxisOf(fields, outputs),
    names: fields.names('names'),
    keypoints: fields.optional('kpt_shape') === undefined ? keypointsOf(yaml) : fields.pair('kpt_shape'),
  };
}

function valuesAxisOf(fields: Fields, outputs: readonly GoldenTensor[]): 1 | 2 | undefined {
  if (fields.optional('boxes_axis') === undefined) return undefined;
  const axis = fields.word('boxes_axis', ['last', '1']) === 'last' ? 2 : 1;
  const shape = outputs.find(({ name }) => name === 'pred')?.shape;
  if (shape?.length !== 3 || shape[axis]! < 4) fields.fail('output.pred', 'must have three dimensions and at least 4 values for each box');
  return axis;
}

/** `kpt_shape: [17, 3]` of a pose yaml, or the list in the head's row. */
function keypointsOf(yaml: string): readonly [number, number] | undefined {
  const match = /(?:^kpt_shape:|\bPose,\s*\[[^,\]]+,)\s*\[\s*(\d{1,4})\s*,\s*([23])\s*\]/m.exec(yaml);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

function weightsOf(fields: Fields): GoldenWeights {
  const from = fields.word('weights', ['synthetic', 'embedded', 'checkpoint']);
  if (from === 'synthetic') return { from: 'seed' };
  if (from === 'embedded') return { from: 'golden' };
  const file = fields.text('checkpoint');
  if (/[/\\]/.test(file) || file.startsWith('..')) fields.fail('checkpoint', 'must name a file beside the golden, without a path');
  return { from: 'checkpoint', file };
}

/**
 * The golden's inputs or outputs. `input_shapes` and `output_shapes` list them as the forward call does, while
 * a safetensors header may have any order.
 */
function tensorsOf(file: SafetensorsFile, fields: Fields, side: 'input' | 'output'): GoldenTensor[] {
  const shapes = fields.shapes(`${side}_shapes`);
  const named = new Map([...file.tensors].filter(([key]) => key.startsWith(`${side}.`)).map(([key, tensor]) => [key.slice(side.length + 1), tensor]));
  for (const [name, shape] of shapes) {
    const tensor = named.get(name);
    if (!tensor) fields.fail(`${side}_shapes`, `names ${name}, but there is no tensor ${side}.${name}`);
    else if (tensor.shape.join() !== shape.join()) fields.fail(`${side}_shapes`, `says ${name} is [${shape.join(', ')}], the tensor is [${tensor.shape.join(', ')}]`);
  }
  if (named.size === 0) fields.fail(`${side}.*`, 'there is no such tensor');
  return inOrder([...named.keys()], [...shapes.keys()]).map((name) => {
    const { shape, dtype, size } = named.get(name)!;
    if (dtype !== 'F32') fields.fail(`${side}.${name}`, `must be F32, is ${dtype}`);
    if (size === 0) fields.fail(`${side}.${name}`, 'is empty');
    return { name, shape, read: () => finite(file.readTensor(`${side}.${name}`), fields, `${side}.${name}`) };
  });
}

/** Listed names first, as listed; then `pred` before `proto`, `x` before others, `x2` before `x10`. */
function inOrder(names: readonly string[], listed: readonly string[]): string[] {
  const first = [...listed, 'x', 'y', 'pred', 'proto'];
  const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);
  return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true }));
}

function finite(values: Float32Array, fields: Fields, key: string): Float32Array {
  if (!values.every(Number.isFinite)) fields.fail(key, 'holds NaN or infinite numbers, so nothing can be compared with it');
  return values;
}
