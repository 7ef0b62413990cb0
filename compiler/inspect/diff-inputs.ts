/** Inputs that two models can both be run on: numbers from a seed, in shapes that both take. */
import { Problem } from '../errors.js';
import { LARGEST, type Feeds, type Tensor } from '../runner.js';
import { halfTable, toHalf } from '../weights/float16.js';
import { seededInput } from '../weights/seeded.js';
import { elementsOf, type FileModel, type FilePort } from './model.js';

/** Why the two cannot be fed the same. */
export interface Unfit {
  readonly reason: string;
}

/** Shapes by order of the inputs. `given`: what the user says. Throws Problem('bad-option', 'bad-model'). */
export function inputShapes(a: FileModel, b: FileModel, given: readonly (readonly number[])[]): readonly (readonly number[])[] | Unfit {
  if (a.inputs.length !== b.inputs.length) return { reason: `a has ${counted(a.inputs)}, b ${counted(b.inputs)}` };
  const apart = a.inputs.findIndex((port, i) => !compatible(port, b.inputs[i]!));
  if (apart >= 0) return { reason: `a takes ${portText(a.inputs[apart]!)}, b ${portText(b.inputs[apart]!)}` };
  if (given.length > a.inputs.length) throw new Problem('bad-option', `--input is given ${given.length} times, the models have ${counted(a.inputs)}`);
  const shapes = a.inputs.map((port, i) => {
    for (const each of [port, b.inputs[i]!]) checkType(each);
    const merged = merge(port.shape, b.inputs[i]!.shape);
    const wanted = given[i];
    if (wanted && !fits(wanted, merged)) throw new Problem('bad-option', `--input ${wanted.join('x')} does not fit ${portText({ ...port, shape: merged })}`);
    return wanted ?? filled(merged, port.name);
  });
  checkSize(shapes);
  return shapes;
}

/** Before memory is taken for them. */
function checkSize(shapes: readonly (readonly number[])[]): void {
  const bytes = shapes.reduce((sum, shape) => sum + 4 * elementsOf(shape), 0);
  if (bytes <= LARGEST) return;
  throw new Problem('bad-option', `inputs of ${shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ')} take ${(bytes / 2 ** 30).toPrecision(3)} GiB, more than the ${LARGEST / 2 ** 30} GiB that can be made`, { help: 'Give smaller shapes with --input, or compare the structure alone: --no-run.' });
}

/** The same numbers for both, from 0 to 1; rounded to float16 where one side reads that. */
export function madeFeeds(a: FileModel, b: FileModel, shapes: readonly (readonly number[])[], seed = 0): { a: Feeds; b: Feeds } {
  const tensors = shapes.map((shape, i): Tensor => {
    const data = new Float32Array(elementsOf(shape));
    seededInput(`x${i}`, seed, 'image')(data, 0);
    const half = [a, b].some(({ inputs }) => inputs[i]!.dtype === 'float16');
    return { data: half ? data.map((value) => halfTable()[toHalf(value)]!) : data, shape };
  });
  const under = ({ inputs }: FileModel): Feeds => new Map(inputs.map(({ name }, i) => [name, tensors[i]!]));
  return { a: under(a), b: under(b) };
}

const counted = (ports: readonly FilePort[]): string => (ports.length === 1 ? '1 input' : `${ports.length} inputs (${ports.map(({ name }) => name).join(', ')})`);

const portText = ({ name, dtype, shape }: FilePort): string => `${name} as ${dtype} [${shape.join(', ')}]`;

/** A shape that a file does not tell is an empty one. */
const compatible = (a: FilePort, b: FilePort): boolean => a.shape.length === 0 || b.shape.length === 0 || fits(a.shape, b.shape);

const fits = (a: readonly (number | string)[], b: readonly (number | string)[]): boolean => b.length === 0 || (a.length === b.length && a.every((size, i) => typeof size === 'string' || typeof b[i] === 'string' || size === b[i]));

function merge(a: FilePort['shape'], b: FilePort['shape']): FilePort['shape'] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  return a.map((size, i) => (typeof size === 'number' ? size : b[i]!));
}

function checkType({ name, dtype }: FilePort): void {
  if (dtype === 'float32' || dtype === 'float16') return;
  throw new Problem('bad-model', `input ${name} is ${dtype}: only inputs of float32 and float16 can be made`, { help: 'Compare the structure alone: --no-run.' });
}

const IMAGE = 640;
/** Of feature maps, which have more channels. */
const MAP = 32;
const MOST_IMAGE_CHANNELS = 4;

function filled(shape: FilePort['shape'], name: string): number[] {
  const [, channels] = shape;
  const image = typeof channels === 'number' ? channels <= MOST_IMAGE_CHANNELS : true;
  const usual = [1, 3, image ? IMAGE : MAP, image ? IMAGE : MAP];
  if (shape.length === 0 || (shape.length !== 4 && shape.slice(1).some((size) => typeof size === 'string'))) throw new Problem('bad-option', `the sizes of input ${name} are open: [${shape.join(', ')}]`, { help: 'Give its shape: --input 1x3x640x640, once for each input.' });
  return shape.map((size, i) => (typeof size === 'number' ? size : usual[i]!));
}
