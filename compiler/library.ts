import { Problem, nearest } from './errors.js';
import type { AnyModule } from './module.js';

/** The modules a yaml may name, loaded when first used. The file's name is the registration (ops/index.ts). */
export interface ModuleLibrary {
  /** File names without extension: `Conv`, `SE`, `Upsample`. */
  readonly names: readonly string[];
  /** Throws Problem('unknown-module') with the nearest name. */
  load(name: string): Promise<AnyModule>;
}

/** What imports a module's file. */
export type Loader = () => Promise<{ readonly default: AnyModule }>;

export function libraryOf(loaders: ReadonlyMap<string, Loader>): ModuleLibrary {
  return {
    names: [...loaders.keys()],
    async load(name) {
      const loader = loaders.get(name);
      if (loader) return (await loader()).default;
      const near = nearest(name, loaders.keys()).map((candidate) => `Did you mean ${candidate}? `);
      throw new Problem('unknown-module', `there is no module ${name}`, { help: `${near.join('')}\`yolonnx modules\` lists all.` });
    },
  };
}
