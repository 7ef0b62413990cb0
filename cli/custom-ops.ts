/** The options that say how custom operators are written. */
import type { Options } from 'yargs';
import { Problem } from '../compiler/errors.js';
import type { CustomOps } from '../compiler/index.js';

export interface CustomOpsOptions {
  readonly customOps: CustomOps['form'];
  readonly customDomain: string;
  readonly customName?: readonly string[];
}

const group = 'Custom operators (Covpool, Sqrtm, DeformableSample):';

export const customOptions = {
  'custom-ops': {
    type: 'string',
    choices: ['inline', 'function', 'opaque'],
    default: 'inline',
    describe: 'standard operators, model-local functions, or opaque nodes for a runtime’s own kernels',
    group,
  },
  'custom-domain': { type: 'string', default: 'yolonnx', describe: 'domain of functions and opaque nodes, such as mmdeploy', group },
  'custom-name': { type: 'string', array: true, nargs: 1, describe: 'another name of an opaque node, such as Sqrtm=MatrixSqrt; repeats', group },
} as const satisfies Record<string, Options>;

/** Throws Problem('bad-option') for what is not Operator=Name. */
export function customOpsFrom({ customOps, customDomain, customName = [] }: CustomOpsOptions): CustomOps {
  const names = customName.map((text): [string, string] => {
    const [operator = '', name = '', ...rest] = text.split('=').map((part) => part.trim());
    if (operator === '' || name === '' || rest.length > 0) throw new Problem('bad-option', `--custom-name takes Operator=Name, got '${text}'`, { help: 'For example --custom-name Sqrtm=MatrixSqrt.' });
    return [operator, name];
  });
  const twice = names.find(([operator], i) => names.findIndex(([other]) => other === operator) !== i);
  if (twice) throw new Problem('bad-option', `--custom-name gives ${twice[0]} two names`);
  return { form: customOps, domain: customDomain, names: Object.fromEntries(names) };
}
