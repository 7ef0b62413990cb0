/** Which passes run: by default, as a target wants them, as the user says; and what they say against a graph. */
import { graphPasses } from '../passes/index.js';
import type { Pass } from '../passes/pass.js';
import type { GraphOptions } from './compile.js';
import { Problem, nearest } from './errors.js';

type Choice = Pick<GraphOptions, 'passes' | 'target'>;

/**
 * Names alone: these and the required ones. With + or −: what the target wants, with and without them.
 * Throws Problem('bad-option').
 */
export function chosenPasses({ passes: names, target }: Choice): readonly Pass[] {
  const signed = names?.filter((name) => /^[+-]/.test(name)) ?? [];
  if (signed.length > 0 && signed.length < names!.length) throw new Problem('bad-option', `passes are listed, or added and taken away with + and -, not both: ${names!.join(', ')}`);
  const given = new Set(names?.map((name) => name.replace(/^[+-]/, '')));
  for (const name of given) checkPassName(name);
  return graphPasses.filter(({ name, required = false, optional = false }) => {
    if (required) return true;
    if (names && signed.length === 0) return given.has(name);
    return signed.includes(`+${name}`) || ((target?.rewrites[name] ?? !optional) && !signed.includes(`-${name}`));
  });
}

/** Throws Problem('bad-target' or 'bad-option') for what a pass says against the graph. */
export function refuse(pass: Pass, refusal: string | undefined, options: Choice): void {
  if (refusal !== undefined) throw new Problem(options.target?.rewrites[pass.name] ? 'bad-target' : 'bad-option', `${wanted(pass, options)} ${refusal}`, { help: `--passes=-${pass.name} leaves the outputs as the head gives them.` });
}

/** Goldens hold the outputs of PyTorch's models. Throws Problem('bad-option') where a pass gives others. */
export function checkComparable(options: Choice): void {
  const pass = chosenPasses(options).find(({ ownOutputs = false }) => ownOutputs);
  if (!pass) return;
  throw new Problem('bad-option', `${wanted(pass, options)} changes the outputs: they cannot be compared with those of PyTorch, which goldens hold`, { help: `Verify with --passes=-${pass.name}, then compile without --verify.` });
}

const wanted = ({ name }: Pass, { target }: Choice): string => (target?.rewrites[name] ? `the target ${target.name} wants the pass ${name}, which` : `the pass ${name}`);

function checkPassName(name: string): void {
  const known = graphPasses.map((pass) => pass.name);
  if (known.includes(name)) return;
  const near = nearest(name, known);
  throw new Problem('bad-option', `there is no pass ${name}`, { help: `${near.length > 0 ? `Did you mean ${near[0]}? ` : ''}Passes: ${known.join(', ')}.` });
}
