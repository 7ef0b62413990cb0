/** onnxruntime-node, loaded when first needed: it is an optional dependency of 46 MB. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { Problem } from '../errors.js';

export type Ort = typeof import('onnxruntime-node');

const PACKAGE = 'onnxruntime-node';

/**
 * The command that fetches what the npm package leaves out, the CUDA libraries; Linux on x64 only. The package's own
 * script, run directly: `npm rebuild` passes it over without a word where `allowScripts` forbids it, and a `skip` in
 * .npmrc would stop it but for the variable.
 */
export function cudaInstallCommand({ entry }: Installation): string {
  const script = join(dirname(dirname(entry)), 'script', 'install.js');
  const short = relative(process.cwd(), script);
  return `ONNXRUNTIME_NODE_INSTALL=true node ${short.startsWith('..') ? script : short}`;
}

let loaded: Promise<Ort> | undefined;

/**
 * The environment of a process that loads onnxruntime-node. TF32 is switched off (NVIDIA_TF32_OVERRIDE=0) unless the
 * environment says otherwise: it cannot be set per session from Node, and CUDA's libraries read it when they load. So is
 * the telemetry that onnxruntime 1.30 has on by default (ORT_DISABLE_TELEMETRY=1): it leaves files in the temporary folder
 * (`.ses`, `mat-debug-<process>.log`), and its library names a collector of Microsoft's.
 */
export const runtimeEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  NVIDIA_TF32_OVERRIDE: process.env.NVIDIA_TF32_OVERRIDE ?? '0',
  ORT_DISABLE_TELEMETRY: process.env.ORT_DISABLE_TELEMETRY ?? '1',
});

/**
 * Loads onnxruntime-node into this process, once. What users run is loaded in a process of its own (runtime-process.ts).
 * Throws Problem('missing-provider') when the package is not there or does not load.
 */
export function loadOnnxruntime(): Promise<Ort> {
  return (loaded ??= Promise.resolve().then(load));
}

function load(): Ort {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  try {
    // It is CommonJS, and a script that comes from V8's code cache (cli/start.ts) cannot import.
    const ort = createRequire(import.meta.url)(PACKAGE) as Ort;
    // Its messages on stderr repeat what it throws; the probe in a process of its own reads them where they say more.
    ort.env.logLevel = 'fatal';
    return ort;
  } catch (error) {
    throw missingPackage(error);
  }
}

export function tf32Allowed(): boolean {
  return runtimeEnvironment().NVIDIA_TF32_OVERRIDE !== '0';
}

/** `npm rebuild` runs install steps again, and brings no file back. */
export const REPAIR = `${PACKAGE} supports Linux (glibc), macOS and Windows on x64 and arm64. Where its files are damaged: remove its folder from node_modules, and run npm install.`;

function missingPackage(cause: unknown): Problem {
  // A library of the package's own may be what is not found.
  const absent = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' && findOnnxruntime() === undefined;
  return absent
    ? new Problem('missing-provider', `${PACKAGE} is not installed, and verifying needs it`, { help: `npm install ${PACKAGE} (without a network for its CUDA files: ONNXRUNTIME_NODE_INSTALL=skip npm install ${PACKAGE})`, cause })
    : new Problem('missing-provider', `${PACKAGE} does not load: ${(cause as Error).message.split('\n')[0]}`, { help: REPAIR, cause });
}

export interface Installation {
  readonly version: string;
  /** What to `require` in another process. */
  readonly entry: string;
  /** Where its native libraries are. */
  readonly libraries: string;
}

/** Where onnxruntime-node is, without loading it; undefined when it is not installed. */
export function findOnnxruntime(): Installation | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(PACKAGE);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const abi = readdirSync(join(root, 'bin')).find((name) => name.startsWith('napi-')) ?? '';
    return { version, entry, libraries: join(root, 'bin', abi, process.platform, process.arch) };
  } catch {
    return undefined;
  }
}

/** The library of a provider that the npm package leaves out, where it should be. */
export function cudaLibrary({ libraries }: Installation): { readonly name: string; readonly path: string; readonly there: boolean } {
  const name = process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  const path = join(libraries, name);
  return { name, path, there: existsSync(path) };
}
