/** The options that fit a weights file to a model. */
import type { Options } from 'yargs';
import { Problem } from '../compiler/errors.js';

export interface WeightsOptions {
  readonly weights?: string;
  readonly alias?: readonly string[];
  readonly keyMap?: readonly string[];
}

const group = 'Weights:';

export const weightsOptions = {
  weights: { type: 'string', describe: 'checkpoint (.pt) or .safetensors; default: those of a model that is one, else seeded weights', group },
  alias: { type: 'string', array: true, nargs: 1, describe: 'take rows of MyName for Name: MyName=Name; repeats', group },
  'key-map': { type: 'string', array: true, nargs: 1, describe: "rename tensors of the file: 'old.*=new.*' (an empty new side leaves them out); repeats", group },
} as const satisfies Record<string, Options>;

/** What of these options was given, as the API takes it. Throws Problem('bad-option'). */
export function weightsFrom({ weights, alias = [], keyMap = [] }: WeightsOptions): { readonly weights?: string; readonly keyMap?: readonly string[]; readonly aliases?: Readonly<Record<string, string>> } {
  const aliases = alias.map((text): [string, string] => {
    const [name = '', module = '', ...rest] = text.split('=').map((part) => part.trim());
    if (name === '' || module === '' || rest.length > 0) throw new Problem('bad-option', `--alias takes MyName=Name, got '${text}'`, { help: 'For example --alias MyEMA=EMA: rows of MyEMA are compiled as EMA.' });
    return [name, module];
  });
  const twice = aliases.find(([name], i) => aliases.findIndex(([other]) => other === name) !== i);
  if (twice) throw new Problem('bad-option', `--alias gives ${twice[0]} two meanings`);
  return {
    ...(weights === undefined ? {} : { weights }),
    ...(keyMap.length === 0 ? {} : { keyMap }),
    ...(aliases.length === 0 ? {} : { aliases: Object.fromEntries(aliases) }),
  };
}
