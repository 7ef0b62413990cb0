import type { AnyModule } from './module.js';

/** The modules a yaml may name, loaded when first used. The file's name is the registration (ops/index.ts). */
export interface ModuleLibrary {
  /** File names without extension: `Conv`, `SE`, `Upsample`. */
  readonly names: readonly string[];
  load(name: string): Promise<AnyModule>;
}
