/** Targets by name or file. */
import { Problem, nearest } from '../errors.js';
import { checkTarget, readTarget, type Target } from '../target.js';
import { targetTexts } from '../../passes/targets/index.js';
import { readText } from './files.js';

/** The targets that come with the compiler. */
export const listTargets = (): readonly Target[] => [...targetTexts].map(([name, text]) => readTarget(text(), name));

/** A target by name, as a file or as an object. */
export const targetNamed = (target: string | Target | undefined): { readonly target?: Target } =>
  target === undefined ? {} : { target: typeof target === 'string' ? findTarget(target) : checkTarget(target, 'the target') };

/** A target by its name, or a file of the same form (`./board.json`). Throws Problem('bad-target') or Problem('unreadable'). */
export function findTarget(name: string): Target {
  const known = targetTexts.get(name);
  if (known) return readTarget(known(), name);
  if (/[/\\]|\.json$/.test(name)) return readTarget(readText(name), name);
  const near = nearest(name, targetTexts.keys()).map((candidate) => `Did you mean ${candidate}? `);
  throw new Problem('bad-target', `there is no target ${name}`, { help: `${near.join('')}Targets: ${[...targetTexts.keys()].join(', ')}, or a file of your own (./board.json).` });
}
