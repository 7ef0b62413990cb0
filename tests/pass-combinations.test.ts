/** Goldens hold whatever passes run: each small golden once, with one of these choices of passes and settings. */
import { describe, expect, test } from '@jest/globals';
import { readdirSync, statSync } from 'node:fs';
import { verify, type VerifyFilesOptions, type VerifyReport } from '../compiler/index.js';
import { graphPasses } from '../passes/index.js';

/** Files of whole models are no larger, so that all of this takes some seconds. */
const SMALL = 100 << 10;

const goldens = ['modules', 'models'].flatMap((folder) => readdirSync(`fixtures/goldens/${folder}`).sort().map((file) => `fixtures/goldens/${folder}/${file}`)).filter((file) => file.includes('/modules/') || statSync(file).size <= SMALL);

/** Those that may be left out, and whose outputs are what goldens hold. */
const optional = graphPasses.filter(({ required, ownOutputs }) => !required && !ownOutputs).map(({ name }) => name);

/** About half of the passes, always the same for a seed. */
function some(seed: number): readonly string[] {
  let state = seed;
  return optional.filter(() => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 31 === 1;
  });
}

const choices: readonly (readonly [string, Pick<VerifyFilesOptions, 'passes' | 'dynamic' | 'half' | 'opset' | 'customOps'>])[] = [
  ['all', { passes: optional }],
  ['all, open sizes', { passes: optional, dynamic: 'all' }],
  ['all, half precision', { passes: optional, half: 'compute' }],
  ['all, functions at the lowest opset', { passes: optional, opset: 11, customOps: { form: 'function' } }],
  ['the default and two more, open batch', { passes: ['+split-convs', '+winograd'], dynamic: 'batch' }],
  ['the default without some', { passes: ['-collapse-chains', '-fold-batch-norm', '+distribute-convs'] }],
  ['some', { passes: some(1) }],
  ['some others', { passes: some(5) }],
  ['some, open sizes', { passes: some(2), dynamic: 'all', opset: 13 }],
  ['some, open batch', { passes: some(3), dynamic: 'batch', opset: 22 }],
  ['some, half precision of inputs and outputs too', { passes: some(4), half: 'io', opset: 20 }],
  ['some, half precision and open sizes', { passes: some(7), half: 'compute', dynamic: 'all' }],
];

/** What may fail: a learnt table of fixed size does not take open ones, and 1e6 and 1e-6 are no numbers in float16. */
const refused = ({ cases }: VerifyReport, { dynamic, half }: (typeof choices)[number][1]): readonly string[] =>
  cases.filter(({ ok, error, case: name }) => !ok && !(dynamic === 'all' && error?.code === 'bad-shape' && name.startsWith('DAttention__fixed')) && !(half === 'io' && name.includes('__scale1e'))).map(({ case: name, error, outputs }) => `${name}: ${error?.message ?? outputs.map(({ maxAbs, bound }) => `${maxAbs} > ${bound}`).join(', ')}`);

describe.each(choices)('%s', (name, options) => {
  test('goldens', async () => {
    const index = choices.findIndex(([other]) => other === name);
    const chosen = goldens.filter((_, i) => i % choices.length === index);
    expect(chosen.length).toBeGreaterThan(20);
    const report = await verify({ goldens: chosen, provider: 'cpu', ...options });
    expect(report.cases.length).toBe(chosen.length);
    expect(refused(report, options)).toEqual([]);
  });
});

test('every pass is left out somewhere, where others run', () => {
  const lists = choices.flatMap(([, { passes = [] }]) => (passes.some((name) => /^[+-]/.test(name)) ? [] : [passes]));
  expect(optional.filter((name) => lists.every((passes) => passes.includes(name)))).toEqual([]);
});
