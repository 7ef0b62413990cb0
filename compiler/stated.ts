/**
 * What a pickled model states of its layers, held against what its yaml makes of them. Tensors alone cannot tell a
 * stride of 1 from one of 2, nor ReLU from SiLU.
 */
import { Problem, quoted } from './errors.js';
import { showLiteral } from './module.js';
import type { AttrsOf, OpName } from './onnx/operators/index.js';
import { className, type ModuleFacts, type WeightSource } from './weights/source.js';

type Stated = readonly [attribute: string, stated: unknown, recorded: readonly number[]];

/** Throws Problem('bad-weights') where the module of a pickled model computes something else than what is recorded under its path. */
export function checkAgainst<K extends OpName>(weights: WeightSource, path: string, op: K, attrs: AttrsOf<K>): void {
  const facts = weights.module?.(path);
  if (!facts) return;
  for (const [attribute, stated, recorded] of comparisons(facts, op, attrs as Readonly<Record<string, unknown>>)) {
    const values = pairOf(stated, recorded.length);
    if (!values || values.every((value, i) => value === recorded[i])) continue;
    throw new Problem('bad-weights', `${path} has ${attribute} ${showLiteral(values)} in ${facts.file}, the yaml makes it ${showLiteral(recorded)}`, { help: 'Give the yaml that the weights were trained with.' });
  }
}

function comparisons(facts: ModuleFacts, op: OpName, attrs: Readonly<Record<string, unknown>>): readonly Stated[] {
  const half = (pads: unknown): readonly number[] => (pads as readonly number[]).slice(0, (pads as readonly number[]).length / 2);
  const kind = className(facts);
  if (op === 'Conv' && kind === 'Conv2d') {
    const mode = facts.attribute('padding_mode');
    if (typeof mode === 'string' && mode !== 'zeros') throw new Problem('bad-weights', `a convolution in ${facts.file} pads with '${quoted(mode)}', which is not available`);
    return [
      ['stride', facts.attribute('stride'), attrs.strides as readonly number[]],
      ['padding', facts.attribute('padding'), half(attrs.pads)],
      ['dilation', facts.attribute('dilation'), attrs.dilations as readonly number[]],
      ['groups', facts.attribute('groups'), [attrs.group as number]],
    ];
  }
  if (op === 'MaxPool' && kind === 'MaxPool2d') {
    return [
      ['kernel_size', facts.attribute('kernel_size'), attrs.kernel as readonly number[]],
      ['stride', facts.attribute('stride'), attrs.strides as readonly number[]],
      ['padding', facts.attribute('padding'), half(attrs.pads)],
    ];
  }
  return [];
}

/** `stride=2` means [2, 2]; undefined for anything but numbers ('same'). */
function pairOf(stated: unknown, length: number): readonly number[] | undefined {
  const values = typeof stated === 'number' ? Array.from({ length }, () => stated) : stated;
  return Array.isArray(values) && values.length === length && values.every((value) => typeof value === 'number') ? values : undefined;
}

/** PyTorch's attribute that is the activation's number. */
const NUMBERS: Readonly<Record<string, string>> = { LeakyReLU: 'negative_slope', ELU: 'alpha' };

/**
 * The activation that a pickled model has, such as `nn.LeakyReLU(0.1)`; undefined where nothing is stated.
 */
export function statedActivation(weights: WeightSource, path: string): string | undefined {
  const facts = weights.module?.(path);
  if (!facts) return undefined;
  const kind = className(facts);
  const number = facts.attribute(NUMBERS[kind] ?? '');
  const approximate = kind === 'GELU' ? facts.attribute('approximate') : 'none';
  if (typeof approximate === 'string' && approximate !== 'none') throw new Problem('bad-weights', `a GELU in ${facts.file} is approximated ('${approximate}'), which is not available`);
  if (!facts.path.startsWith('torch.nn.')) {
    throw new Problem('bad-weights', `${facts.file} has the activation ${facts.path}, which is not PyTorch's`, { help: 'Known are the activations of torch.nn. If it computes what one of these does, save the model with that one.' });
  }
  return `nn.${kind}(${typeof number === 'number' ? number : ''})`;
}
