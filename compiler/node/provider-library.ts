/** onnxruntime's CUDA provider: two libraries beside onnxruntime's own, which npm leaves out. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../errors.js';
import type { ByteSource } from '../io.js';
import { readElf, type Range } from './elf.js';
import { fileSource } from './files.js';
import type { Installation } from './onnxruntime.js';

/** onnxruntime loads the first, which serves all providers, and then the second. */
export const SHARED_LIBRARY = 'libonnxruntime_providers_shared.so';
export const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';

/** onnxruntime is published with its CUDA provider for this platform alone, as far as onnxruntime-node goes. */
export const cudaSupported = (): boolean => process.platform === 'linux' && process.arch === 'x64';

/** What a provider links. */
export interface ProviderLinks {
  /** CUDA's major version. */
  readonly cuda: number;
  readonly needed: readonly string[];
}

export interface ProviderLibrary extends ProviderLinks {
  /** Of the onnxruntime that it belongs to; undefined where it does not say so. */
  readonly version: string | undefined;
}

/** Reads a CUDA provider. Throws Problem('unreadable') for a file that is none. */
export function readProviderLibrary(source: ByteSource, expected: string): ProviderLibrary {
  const { cuda, needed, constants } = links(source);
  return { version: versionIn(source, constants ?? { at: 0, length: source.size }, expected), cuda, needed };
}

/** Holds that a file is the library that serves all providers. Throws Problem('unreadable'). */
export function checkSharedLibrary(source: ByteSource): void {
  const { soname } = readElf(source);
  if (soname !== undefined && soname !== SHARED_LIBRARY) throw new Problem('unreadable', `${source.name} is not what its name says: it is ${soname}`, { help: `Give the ${SHARED_LIBRARY} of onnxruntime-gpu.` });
}

/** What the installed provider links, read from a few kB; undefined where there is none, or it is damaged. */
export function installedLinks({ libraries }: Installation): ProviderLinks | undefined {
  try {
    return opened(join(libraries, CUDA_LIBRARY), links);
  } catch {
    return undefined;
  }
}

function links(source: ByteSource): ProviderLinks & { readonly constants: Range | undefined } {
  const { needed, constants } = readElf(source);
  const cuda = needed.map((name) => /^lib(?:cudart|cublas)\.so\.(\d+)$/.exec(name)?.[1]).find((major) => major !== undefined);
  if (cuda === undefined) throw new Problem('unreadable', `${source.name} is no CUDA provider of onnxruntime: it does not link CUDA`, { help: `Give the ${CUDA_LIBRARY} of onnxruntime-gpu.` });
  return { cuda: Number(cuda), needed, constants };
}

const CHUNK = 4 * 2 ** 20;
const OVERLAP = 32;

/**
 * A provider has its version among its constants, as a text of its own: each of 1.23.2, 1.29.0 and 1.30.0 once. Nothing
 * else tells it, and onnxruntime does not check: 1.30 loads the provider of 1.29 without a word, though nobody promises that
 * the two fit.
 */
function versionIn(source: ByteSource, range: Range, expected: string): string | undefined {
  // Most have the version that is wanted, and are searched for it faster than for any.
  const wanted = Buffer.from(`\0${expected}\0`);
  for (const chunk of chunksOf(source, range)) if (chunk.includes(wanted)) return expected;
  for (const chunk of chunksOf(source, range)) {
    const other = /\0(1\.\d{1,3}\.\d{1,3})\0/.exec(chunk.toString('latin1'))?.[1];
    if (other !== undefined) return other;
  }
  return undefined;
}

/** The bytes of a range, in pieces that overlap. */
function* chunksOf(source: ByteSource, { at, length }: Range): Generator<Buffer> {
  const buffer = Buffer.alloc(Math.min(CHUNK, length));
  for (let done = 0; done < length; done += CHUNK - OVERLAP) {
    const chunk = buffer.subarray(0, length - done);
    source.read(chunk, at + done);
    yield chunk;
  }
}

export interface InstalledProvider {
  readonly folder: string;
  /** The files that are not there. */
  readonly missing: readonly string[];
  readonly library: ProviderLibrary | undefined;
  /** Why the library that is there cannot be used, and what to do. */
  readonly fault: Problem | undefined;
}

/** What of the CUDA provider is installed. Never throws. */
export function installedProvider({ libraries: folder, version }: Installation): InstalledProvider {
  const missing = [SHARED_LIBRARY, CUDA_LIBRARY].filter((name) => !existsSync(join(folder, name)));
  if (missing.includes(CUDA_LIBRARY)) return { folder, missing, library: undefined, fault: undefined };
  try {
    const library = opened(join(folder, CUDA_LIBRARY), (source) => readProviderLibrary({ ...source, name: CUDA_LIBRARY }, version));
    if (missing.length === 0) opened(join(folder, SHARED_LIBRARY), (source) => checkSharedLibrary({ ...source, name: SHARED_LIBRARY }));
    return { folder, missing, library, fault: versionFault(library, version) };
  } catch (error) {
    return { folder, missing, library: undefined, fault: error instanceof Problem ? error : new Problem('unreadable', String(error), { cause: error }) };
  }
}

function versionFault({ version }: ProviderLibrary, expected: string): Problem | undefined {
  if (version === undefined || version === expected) return undefined;
  return new Problem('unreadable', `${CUDA_LIBRARY} is of onnxruntime ${version}, and onnxruntime-node is ${expected}: they do not fit together`);
}

export function opened<T>(path: string, step: (source: ByteSource) => T): T {
  const source = fileSource(path);
  try {
    return step(source);
  } finally {
    source.close();
  }
}
