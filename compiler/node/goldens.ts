/** Golden files by path or folder. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import { attempt } from './files.js';

/** Files as given, folders walked for .safetensors files in order of names. Throws Problem('unreadable' or 'bad-golden'). */
export function findGoldens(paths: readonly string[]): string[] {
  if (paths.length === 0) throw new Problem('bad-option', 'no golden is given', { help: 'Name files or folders with --golden.' });
  return paths.flatMap((path) => {
    if (!attempt('unreadable', path, () => statSync(path)).isDirectory()) return [path];
    const found = walk(path);
    if (found.length === 0) throw new Problem('bad-golden', `there is no .safetensors file in ${path}`);
    return found;
  });
}

/** Linked folders are not entered. */
function walk(folder: string): string[] {
  return attempt('unreadable', folder, () => readdirSync(folder, { withFileTypes: true }))
    .sort((a, b) => a.name.localeCompare(b.name, 'en'))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return walk(path);
      return entry.name.endsWith('.safetensors') ? [path] : [];
    });
}
