#!/usr/bin/env node
/**
 * What dist/cli/main.js is after the build: runs the bundle of the command line through V8's code cache, where the
 * build has left one for this version of Node. V8 refuses a cache that does not fit, and the bundle runs without.
 */
// Imports would make wrappers of these modules with all their names, which loads what nobody asks for.
const { readFileSync, writeFileSync } = process.getBuiltinModule('node:fs');
const { createRequire } = process.getBuiltinModule('node:module');
const { join } = process.getBuiltinModule('node:path');
const { Script } = process.getBuiltinModule('node:vm');

const bundle = join(import.meta.dirname, 'yolonnx.cjs');
const cache = `${bundle}.${process.version}.${process.arch}.cache`;

function readCache(): Buffer | undefined {
  try {
    return readFileSync(cache);
  } catch {
    return undefined;
  }
}

const cachedData = readCache();
// esbuild writes ASCII, which latin1 reads fastest.
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${readFileSync(bundle, 'latin1')}\n})`, {
  filename: bundle,
  ...(cachedData ? { cachedData } : {}),
});
type Run = (exports: object, require: NodeJS.Require, module: object, file: string, folder: string) => void;
(script.runInThisContext() as Run)({}, createRequire(bundle), {}, bundle, import.meta.dirname);

// The build runs a command with this set: a cache made afterwards holds the functions that were compiled on the way.
if (process.env.YOLONNX_WRITE_CODE_CACHE === '1') process.on('exit', () => writeFileSync(cache, script.createCachedData()));
