/** The libraries of NVIDIA that the installed CUDA provider needs: which, where they are, and how to get the others. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findOnnxruntime, type Installation } from './onnxruntime.js';
import { cudaSupported, installedLinks, type ProviderLinks } from './provider-library.js';

export interface CudaLibrary {
  /** As the loader looks for it: `libcublas.so.13`. */
  readonly name: string;
  /** `linked`: the provider does not load without it; `loaded`: it loads, but cannot run without; `optional`: the models of YOLO do not. */
  readonly use: 'linked' | 'loaded' | 'optional';
  /** The folder it is in; null where it is not found. */
  readonly folder: string | null;
  /** Whether the loader finds it there by itself. */
  readonly onLoaderPath: boolean;
}

/** Where to look. */
export interface Search {
  readonly env: NodeJS.ProcessEnv;
  /** What stands before absolute paths; empty but in tests. */
  readonly root: string;
  readonly home: string;
  /** What `ldconfig -p` prints. */
  readonly cache: () => string;
}

export const systemSearch = (): Search => ({ env: process.env, root: '', home: homedir(), cache: loaderCache });

/** The driver's own library. */
export const DRIVER_LIBRARY = 'libcuda.so.1';

/** cuDNN's major version in all providers that open it themselves. */
const CUDNN = 9;
/** cuFFT counts its own versions. */
const CUFFT: Readonly<Record<number, number>> = { 12: 11, 13: 12 };

/**
 * What a provider needs. That of onnxruntime 1.23 links all of it but the driver, which CUDA's runtime opens. That of 1.30
 * links the driver, and opens cuDNN when the first convolution asks for it: `libcudnn.so.9`, then `libcudnn.so`
 * (onnxruntime/core/providers/cuda/cudnn_loader.cc; in the library the name stands in the code, not among the constants,
 * so that it cannot be read from there). In the same way it opens cuFFT, of the major that belongs to its CUDA, for FFT
 * nodes (cufft_loader.cc), and cuDNN opens NVRTC for kernels that it compiles.
 */
export function neededLibraries({ needed, cuda }: ProviderLinks): Pick<CudaLibrary, 'name' | 'use'>[] {
  const linked = needed.filter((name) => !name.startsWith('ld-linux'));
  const links = (library: string): boolean => linked.some((name) => name.startsWith(`${library}.so`));
  const fft = CUFFT[cuda];
  return [
    ...linked.map((name) => ({ name, use: 'linked' }) as const),
    ...(links('libcuda') ? [] : [{ name: DRIVER_LIBRARY, use: 'loaded' } as const]),
    ...(links('libcudnn') ? [] : [{ name: `libcudnn.so.${CUDNN}`, use: 'loaded' } as const]),
    ...(links('libnvrtc') ? [] : [{ name: `libnvrtc.so.${cuda}`, use: 'optional' } as const]),
    ...(links('libcufft') || fft === undefined ? [] : [{ name: `libcufft.so.${fft}`, use: 'optional' } as const]),
  ];
}

/** NVIDIA's: the others come with every system that Node runs on. */
export const isNvidia = (name: string): boolean => /^lib(cu|nv)/.test(name);

/** Finds what a provider needs, first where the loader looks, then elsewhere. `beside` is the provider's own folder. */
export function findLibraries(provider: ProviderLinks, beside: string, search: Search = systemSearch()): CudaLibrary[] {
  const onPath = loaderPath(search);
  let others: readonly string[] | undefined;
  return neededLibraries(provider).map(({ name, use }) => {
    const found = onPath(name);
    if (found !== undefined) return { name, use, folder: found, onLoaderPath: true };
    others ??= otherFolders(beside, search);
    const folders = name === DRIVER_LIBRARY ? driverFolders(search) : others;
    return { name, use, folder: folders.find((folder) => isFile(join(folder, name))) ?? null, onLoaderPath: false };
  });
}

/**
 * Folders outside the loader's own path that have what the installed CUDA provider needs: a process that is to run on
 * CUDA is started with them in LD_LIBRARY_PATH. Empty where no provider is installed. Never throws.
 */
export function libraryFolders(installation: Installation | undefined = findOnnxruntime(), search: Search = systemSearch()): readonly string[] {
  if (!installation || !cudaSupported()) return [];
  const links = installedLinks(installation);
  return links ? addedFolders(findLibraries(links, installation.libraries, search)) : [];
}

export function addedFolders(libraries: readonly CudaLibrary[]): string[] {
  return [...new Set(libraries.flatMap(({ folder, onLoaderPath }) => (folder === null || onLoaderPath ? [] : [folder])))];
}

/** An environment whose LD_LIBRARY_PATH has these folders too, behind its own. */
export function withLibraryFolders(env: NodeJS.ProcessEnv, folders: readonly string[]): NodeJS.ProcessEnv {
  if (folders.length === 0) return env;
  return { ...env, LD_LIBRARY_PATH: [...(env.LD_LIBRARY_PATH ? [env.LD_LIBRARY_PATH] : []), ...folders].join(delimiter) };
}

/** The loader's own order: LD_LIBRARY_PATH, its cache, its standard folders. */
function loaderPath({ env, root, cache }: Search): (name: string) => string | undefined {
  // An empty entry is the working folder.
  const named = env.LD_LIBRARY_PATH ? env.LD_LIBRARY_PATH.split(/[:;]/).map((folder) => folder || '.') : [];
  const standard = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'].map((folder) => root + folder);
  let cached: ReadonlyMap<string, string> | undefined;
  return (name) => {
    const has = (folder: string): boolean => isFile(join(folder, name));
    const first = named.find(has);
    if (first !== undefined) return first;
    cached ??= cachedFolders(cache());
    const listed = cached.get(name);
    return listed !== undefined && has(root + listed) ? root + listed : standard.find(has);
  };
}

/** `	libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1` */
function cachedFolders(text: string): Map<string, string> {
  const folders = new Map<string, string>();
  for (const [, name, folder] of text.matchAll(/^\s+(\S+) \([^)]*x86-64[^)]*\) => (\/.*)\/[^/\n]+$/gm)) if (!folders.has(name!)) folders.set(name!, folder!);
  return folders;
}

function loaderCache(): string {
  for (const command of ['/sbin/ldconfig', '/usr/sbin/ldconfig', 'ldconfig']) {
    try {
      return execFileSync(command, ['-p'], { encoding: 'utf8', timeout: 10_000, maxBuffer: 16 * 2 ** 20, stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      // The next one; without any the standard folders are left.
    }
  }
  return '';
}

/** Where the driver's own library is put outside the loader's path: WSL, Kubernetes on Google's machines, NixOS. */
const driverFolders = ({ root }: Search): string[] => ['/usr/lib/wsl/lib', '/usr/local/nvidia/lib64', '/run/opengl-driver/lib'].map((folder) => root + folder);

/** Toolkits, the provider's own folder, and NVIDIA's wheels in Python's folders; the environment's own come first. */
function otherFolders(beside: string, { env, root, home }: Search): string[] {
  const toolkits = [
    ...given(env.CUDA_HOME, env.CUDA_PATH),
    `${root}/usr/local/cuda`,
    ...matching(`${root}/usr/local`, /^cuda-\d+/).sort(newestFirst),
    `${root}/opt/cuda`,
  ];
  const pythons = [...given(env.VIRTUAL_ENV, env.CONDA_PREFIX), `${home}/.local`, `${root}/usr/local`].flatMap((prefix) => matching(join(prefix, 'lib'), /^python3/));
  return [
    ...toolkits.flatMap((folder) => ['lib64', 'lib', 'targets/x86_64-linux/lib'].map((part) => join(folder, part))),
    beside,
    ...pythons.flatMap((python) => ['site-packages', 'dist-packages'].flatMap((packages) => matching(join(python, packages, 'nvidia'), /./))).map((wheel) => join(wheel, 'lib')),
    // conda's own packages of CUDA.
    ...given(env.CONDA_PREFIX).map((prefix) => join(prefix, 'lib')),
  ];
}

const given = (...folders: readonly (string | undefined)[]): string[] => folders.filter((folder) => folder !== undefined && folder !== '') as string[];

function matching(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

const newestFirst = (a: string, b: string): number => b.localeCompare(a, 'en', { numeric: true });

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The least driver for a CUDA version, whatever its minor version (NVIDIA, "CUDA Compatibility", table 1). */
export const leastDriver = (cuda: number): number | undefined => ({ 11: 450, 12: 525, 13: 580 })[cuda];

/** Packages for Debian and Ubuntu have the minor version in their names; any of the major version will do. */
const minor: Readonly<Record<number, string>> = { 11: '11-8', 12: '12-9', 13: '13-0' };

/** The package on PyPI, and the one in NVIDIA's repository for Debian and Ubuntu, that have a library. */
function packagesOf(name: string, cuda: number): { readonly pip: string; readonly apt: string } | undefined {
  const [, library, major] = /^lib(\w+)\.so\.(\d+)/.exec(name) ?? [];
  const parts: Readonly<Record<string, readonly [pip: string, apt: string]>> = {
    cublas: ['nvidia-cublas', 'libcublas'],
    cublasLt: ['nvidia-cublas', 'libcublas'],
    cudart: ['nvidia-cuda-runtime', 'cuda-cudart'],
    curand: ['nvidia-curand', 'libcurand'],
    cufft: ['nvidia-cufft', 'libcufft'],
    nvrtc: ['nvidia-cuda-nvrtc', 'cuda-nvrtc'],
    nvJitLink: ['nvidia-nvjitlink', 'libnvjitlink'],
  };
  if (library === undefined || major === undefined) return undefined;
  if (library.startsWith('cudnn')) return { pip: `nvidia-cudnn-cu${cuda}==${major}.*`, apt: `libcudnn${major}-cuda-${cuda}` };
  const part = parts[library];
  // From CUDA 13 on the packages on PyPI have no suffix.
  return part && { pip: cuda < 13 ? `${part[0]}-cu${cuda}` : `${part[0]}==${major}.*`, apt: `${part[1]}-${minor[cuda] ?? `${cuda}-0`}` };
}

/** One command for all that is missing. */
export function installHelp(names: readonly string[], cuda: number): string {
  const packages = names.flatMap((name) => packagesOf(name, cuda) ?? []);
  const unique = (kind: 'pip' | 'apt'): string => [...new Set(packages.map((one) => one[kind]))].map((one) => (one.includes('*') ? `'${one}'` : one)).join(' ');
  if (packages.length === 0) return 'install it, and name its folder in LD_LIBRARY_PATH';
  return `pip install ${unique('pip')}, or apt install ${unique('apt')} from NVIDIA's repository`;
}

export function driverHelp(cuda: number | undefined): string {
  const least = cuda === undefined ? undefined : leastDriver(cuda);
  const which = least === undefined ? '525 or later for CUDA 12, 580 or later for CUDA 13' : `${least} or later for CUDA ${cuda!}`;
  return `install the NVIDIA driver (${which}), or start the container with GPU access (docker run --gpus all, with the NVIDIA Container Toolkit)`;
}
