/**
 * The targets of this folder, as texts. A file's name is its registration: nothing else lists it. The bundle of the
 * command line (cli/bundle.js) puts the texts themselves in the place of this file.
 */
import { readFileSync, readdirSync } from 'node:fs';

const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.json')).sort();

/** JSON by name. */
export const targetTexts: ReadonlyMap<string, () => string> = new Map(files.map((file) => [file.slice(0, -'.json'.length), () => readFileSync(new URL(file, import.meta.url), 'utf8')]));
