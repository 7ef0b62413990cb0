/**
 * The modules of this folder. A file's name is its registration: nothing else lists it. The bundle of the command
 * line (cli/bundle.js) puts a generated list in the place of this file.
 */
import { readdirSync } from 'node:fs';
import { libraryOf, type Loader } from '../compiler/library.js';

const folders = ['blocks', 'attention', 'structure', 'heads', 'custom'];

/** Every PascalCase file of the folders. */
function findModules(): ReadonlyMap<string, Loader> {
  const found = new Map<string, Loader>();
  for (const folder of folders) {
    for (const file of entries(new URL(`./${folder}/`, import.meta.url))) {
      const name = /^([A-Z]\w*)\.js$/.exec(file)?.[1];
      if (name !== undefined) found.set(name, () => import(`./${folder}/${file}`) as ReturnType<Loader>);
    }
  }
  return found;
}

function entries(folder: URL): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // a folder that has no modules yet
  }
}

export const library = libraryOf(findModules());
