/** How far an output may be from its golden: by what the numbers mean and by the arithmetic that made them. */
import type { Golden, GoldenTensor, ModelGolden } from './golden.js';

/**
 * What computed the result. `gpu-float32`: CUDA without TF32, WebGPU. TF32 keeps 10 bits of each factor's fraction, as
 * float16 does, and sums products in float32.
 */
export type Arithmetic = 'float32' | 'gpu-float32' | 'cuda-tf32' | 'float16';

/** `features`: a module's output. `coefficients`: mask coefficients, prototypes, angles. `class`: an index, exact. */
export type Meaning = 'pixels' | 'probability' | 'features' | 'coefficients' | 'class';

/**
 * Absolute for pixels and probabilities, relative to max(1, max|wanted|) for the others. What the goldens of this project
 * need of them is measured by `npm run bench -- arithmetic` (fixtures/reports/arithmetic.json):
 *
 * float32: PyTorch's float32 is within 1e-4 px and 1e-6 of its float64, ONNX Runtime on the CPU within 5.2e-4 px, 1.7e-6
 * and 9.2e-6: a tenth of its bounds.
 * gpu-float32: the same arithmetic in another order. onnxruntime's WebGPU kernels, another implementation of all
 * operators, need 0.14 of float32's bounds; cuDNN has Winograd convolutions among its choices, and drivers have looser
 * exp and division, so ten times those bounds.
 * cuda-tf32, float16: about 1e-3 of relative difference per layer (microsoft/onnxruntime#19288). TF32, computed on the
 * CPU, needs 0.26 px but for one model, 2.9e-3 and 4.9e-3; float16 0.71 px, 2.2e-3 and 3.7e-3. Such bounds find gross mistakes
 * only: leaving out an attention layer changes scores by 2e-3.
 */
const BOUNDS = {
  pixels: { 'float32': 2e-3, 'gpu-float32': 2e-2, 'cuda-tf32': 1, 'float16': 2 },
  probability: { 'float32': 5e-6, 'gpu-float32': 5e-5, 'cuda-tf32': 1e-2, 'float16': 1e-2 },
  features: { 'float32': 1e-5, 'gpu-float32': 1e-4, 'cuda-tf32': 1e-2, 'float16': 1e-2 },
  coefficients: { 'float32': 5e-5, 'gpu-float32': 5e-4, 'cuda-tf32': 1e-2, 'float16': 1e-2 },
} as const satisfies Record<Exclude<Meaning, 'class'>, Record<Arithmetic, number>>;

/**
 * No bound is below this many times PyTorch's own float32 error. TF32 rounds factors to 2^-11 where float32 rounds to
 * 2^-24, so that a model which amplifies rounding (m_v5n_relu: 1.4 px) shows 2^13 times the error.
 */
const ERROR_FACTOR: Readonly<Record<Arithmetic, number>> = { 'float32': 20, 'gpu-float32': 20, 'cuda-tf32': 2 ** 13, 'float16': 20 };

/** The user's own bound, in place of the golden's: atol + rtol * max|wanted|. */
export interface Tolerance {
  readonly atol?: number | undefined;
  readonly rtol?: number | undefined;
}

/** Numbers of an output that share a bound. */
export interface Part {
  /** `pred[boxes]`; the output's own name when it is not divided. */
  readonly name: string;
  readonly meaning: Meaning;
  /** PyTorch's own float32 error there. */
  readonly f32Error: number;
}

/** Which part each number belongs to: by its index along one axis. */
export interface Division {
  /** -1 when the output is not divided. */
  readonly axis: number;
  readonly parts: readonly Part[];
  /** For each index along the axis, the index of its part. */
  readonly partOf: readonly number[];
}

export interface Bounds {
  readonly division: Division;
  readonly arithmetic: Arithmetic;
  readonly tolerance: Tolerance;
}

export function boundOf(part: Part, largest: number, arithmetic: Arithmetic, { atol, rtol }: Tolerance): number {
  if (atol !== undefined || rtol !== undefined) return (atol ?? 0) + (rtol ?? 0) * largest;
  if (part.meaning === 'class') return 0;
  const scale = part.meaning === 'features' || part.meaning === 'coefficients' ? Math.max(1, largest) : 1;
  return Math.max(BOUNDS[part.meaning][arithmetic] * scale, ERROR_FACTOR[arithmetic] * part.f32Error);
}

/** How an output of a golden divides into parts with bounds of their own. */
export function divide(golden: Golden, output: GoldenTensor): Division {
  if (golden.kind === 'module') return whole(output, 'features', golden.f32ErrorByOutput.get(output.name) ?? golden.f32Error);
  if (output.name === 'pred' && golden.valuesAxis !== undefined) return dividePredictions(golden, golden.valuesAxis, output);
  return whole(output, output.name === 'pred' ? 'probability' : 'coefficients', golden.f32ErrorByOutput.get(output.name) ?? 0);
}

function whole({ name }: GoldenTensor, meaning: Meaning, f32Error: number): Division {
  return { axis: -1, parts: [{ name, meaning, f32Error }], partOf: [0] };
}

function dividePredictions(golden: ModelGolden, axis: number, { name, shape }: GoldenTensor): Division {
  const meanings = meaningsOf(golden, shape[axis]!);
  const kinds = [...new Set(meanings)];
  const errors = golden.f32ErrorByOutput;
  // The file states one error for all but the boxes; where keypoints are among them it is theirs, in pixels, unless scores have their own.
  const stated = errors.get(`${name}[rest]`) ?? 0;
  const inPixels = meanings.includes('pixels', 4);
  const rest = inPixels ? (errors.get(`${name}[scores]`) ?? 0) : stated;
  const boxes = Math.max(errors.get(`${name}[boxes]`) ?? golden.f32Error, inPixels ? stated : 0);
  const label = { pixels: 'boxes', probability: 'scores', coefficients: 'coefficients', features: 'features', class: 'classes' } as const;
  const parts = kinds.map((meaning) => ({ name: `${name}[${label[meaning]}]`, meaning, f32Error: meaning === 'pixels' ? boxes : rest }));
  return { axis, parts, partOf: meanings.map((meaning) => kinds.indexOf(meaning)) };
}

/** What each of a box's values means: 4 of the box, objectness and classes, then the head's own. */
function meaningsOf(golden: ModelGolden, values: number): Meaning[] {
  const own = ownValues(golden);
  const scores = Math.max(0, values - 4 - own.length);
  const middle: Meaning[] = golden.ordered && scores === 2 ? ['probability', 'class'] : new Array<Meaning>(scores).fill('probability');
  return [...new Array<Meaning>(4).fill('pixels'), ...middle, ...own].slice(0, values);
}

function ownValues({ head, outputs, keypoints }: ModelGolden): Meaning[] {
  const prototypes = outputs.find(({ name }) => name === 'proto')?.shape[1] ?? 0;
  if (head.includes('OBB')) return ['coefficients'];
  if (head.includes('Pose') && keypoints) {
    const one: Meaning[] = ['pixels', 'pixels', 'probability'];
    return Array.from({ length: Math.min(4096, keypoints[0] * keypoints[1]) }, (_, i) => one[i % keypoints[1]]!);
  }
  return new Array<Meaning>(Math.min(4096, prototypes)).fill('coefficients');
}
