/** Activations by PyTorch's spelling, such as `nn.LeakyReLU(0.1)`: what `act` arguments and the yaml key `activation` name. */
import type { Builder } from './builder.js';
import { Problem, nearest } from './errors.js';
import type { Shape } from './ir/extent.js';
import type { Value } from './ir/graph.js';

/** How many numbers an activation takes; the others take none. */
const arity: Readonly<Record<string, number>> = { LeakyReLU: 1, ELU: 1 };

const DEFAULTS: Readonly<Record<string, number>> = { LeakyReLU: 0.01, ELU: 1 };

type Activation = <S extends Shape>(g: Builder, x: Value<S>, args: readonly number[], module: string) => Value<S>;

const table: Readonly<Record<string, Activation>> = {
  SiLU: (g, x, _, module) => g.mul(x, g.sigmoid(x, module)),
  ReLU: (g, x, _, module) => g.relu(x, module),
  ReLU6: (g, x, _, module) => g.clip(x, 0, 6, module),
  LeakyReLU: (g, x, [slope = 0.01], module) => g.leakyRelu(x, slope, module),
  ELU: (g, x, [alpha = 1], module) => g.elu(x, alpha, module),
  Sigmoid: (g, x, _, module) => g.sigmoid(x, module),
  Tanh: (g, x, _, module) => g.tanh(x, module),
  Hardswish: (g, x, _, module) => g.unary('HardSwish', x, module),
  Hardsigmoid: (g, x, _, module) => g.hardSigmoid(x, 1 / 6, 0.5, module),
  Mish: (g, x, _, module) => g.unary('Mish', x, module),
  GELU: (g, x, _, module) => g.unary('Gelu', x, module),
  Identity: (g, x, _, module) => (g.declare(module), x),
};

export function activate<S extends Shape>(g: Builder, x: Value<S>, expression: string, module: string): Value<S> {
  const { activation, args } = findActivation(expression);
  return activation(g, x, args, module);
}

/** Throws Problem('bad-argument') for what is no activation. */
export function findActivation(expression: string): { readonly activation: Activation; readonly args: readonly number[] } {
  const { name, args } = parse(expression);
  const activation = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!activation) {
    const near = nearest(name, Object.keys(table));
    throw new Problem('bad-argument', `activation ${expression} is not known`, {
      help: `${near.length > 0 ? `Did you mean nn.${near[0]}()? ` : ''}Known: ${Object.keys(table).map((known) => `nn.${known}()`).join(', ')}.`,
    });
  }
  const most = arity[name] ?? 0;
  if (args.length > most) throw new Problem('bad-argument', `activation nn.${name} takes ${most === 0 ? 'no number' : 'at most one number'}, got ${args.length}`);
  return { activation, args };
}

/** Whether two spellings mean the same function. */
export function sameActivation(a: string, b: string): boolean {
  const [left, right] = [parse(a), parse(b)];
  const value = ({ name, args }: typeof left): number | undefined => args[0] ?? DEFAULTS[name];
  return left.name === right.name && value(left) === value(right);
}

/** `torch.nn.LeakyReLU(0.1, inplace=True)` → LeakyReLU, [0.1]. */
function parse(expression: string): { name: string; args: readonly number[] } {
  const match = /^(?:torch\.)?(?:nn\.)?([A-Za-z]\w*)(?:\(([^()]*)\))?$/.exec(expression.trim());
  if (!match) {
    throw new Problem('bad-argument', `'${expression}' is not an activation`, { help: "Write it as PyTorch does: 'nn.ReLU()', 'nn.LeakyReLU(0.1)'." });
  }
  const args = (match[2] ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '' && !text.startsWith('inplace'))
    .map((text) => Number(text.replace(/^\w+\s*=\s*/, '')));
  if (args.some((value) => !Number.isFinite(value))) throw new Problem('bad-argument', `'${expression}' has an argument that is not a number`);
  return { name: match[1]!, args };
}
