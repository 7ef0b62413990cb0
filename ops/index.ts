/** The modules of this folder. A file's name is its registration: nothing else lists it. */
import { readdirSync } from 'node:fs';
import { Problem, nearest } from '../compiler/errors.js';
import type { ModuleLibrary } from '../compiler/library.js';
import type { AnyModule } from '../compiler/module.js';

const folders = ['blocks', 'attention', 'structure', 'heads', 'custom'];

/** Every PascalCase file of the folders: name → path relative to this file. */
function findModules(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const folder of folders) {
    for (const file of entries(new URL(`./${folder}/`, import.meta.url))) {
      const name = /^([A-Z]\w*)\.js$/.exec(file)?.[1];
      if (name !== undefined) found.set(name, `./${folder}/${file}`);
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

let modules: ReadonlyMap<string, string> | undefined;

export const library: ModuleLibrary = {
  get names() {
    return [...(modules ??= findModules()).keys()];
  },
  async load(name) {
    modules ??= findModules();
    const path = modules.get(name);
    if (path === undefined) {
      const near = nearest(name, modules.keys());
      throw new Problem('unknown-module', `there is no module ${name}`, { help: `${near.length > 0 ? `Did you mean ${near[0]}? ` : ''}\`yolonnx modules\` lists all.` });
    }
    return ((await import(path)) as { readonly default: AnyModule }).default;
  },
};
