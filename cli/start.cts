#!/usr/bin/env node
/**
 * What dist/cli/main.js is after the build: runs the bundle of the command line through V8's code cache, where the
 * build has left one for this version of Node. V8 refuses a cache that does not fit, and the bundle runs without. It is
 * CommonJS: loading Node's loader of modules takes some 10 ms.
 */
import fs = require('node:fs');
import path = require('node:path');
import vm = require('node:vm');

const bundle = path.join(__dirname, 'yolonnx.cjs');
const cache = `${bundle}.${process.version}.${process.arch}.cache`;

function readCache(): Buffer | undefined {
  try {
    return fs.readFileSync(cache);
  } catch {
    return undefined;
  }
}

const cachedData = readCache();
// esbuild writes ASCII, which latin1 reads fastest.
const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(bundle, 'latin1')}\n})`, {
  filename: bundle,
  ...(cachedData ? { cachedData } : {}),
});
type Run = (exports: object, require: NodeJS.Require, module: object, file: string, folder: string) => void;
(script.runInThisContext() as Run)({}, require, {}, bundle, __dirname);

// The build runs a command with this set: a cache made afterwards holds the functions that were compiled on the way.
if (process.env.YOLONNX_WRITE_CODE_CACHE === '1') process.on('exit', () => fs.writeFileSync(cache, script.createCachedData()));
