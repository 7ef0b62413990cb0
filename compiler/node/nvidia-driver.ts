/** The NVIDIA driver and its GPUs, as far as they can be seen without loading anything. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

export interface Gpu {
  readonly name: string;
  /** As CUDA counts it, such as 8.6; null where only the kernel module was asked. */
  readonly computeCapability: string | null;
}

export interface NvidiaDriver {
  /** Of the kernel module, or as nvidia-smi says; null where none is loaded. */
  readonly version: string | null;
  /** Of libcuda.so.1; null where it is not found or its name does not tell. */
  readonly libraryVersion: string | null;
  readonly gpus: readonly Gpu[];
  /** Device files, such as /dev/nvidia0 or, in WSL, /dev/dxg. */
  readonly devices: readonly string[];
  readonly container: boolean;
  /** CUDA_VISIBLE_DEVICES, which may hide GPUs. */
  readonly visible: string | null;
}

/** What there is; `libcuda` is the folder of libcuda.so.1. Never throws. */
export async function findDriver(libcuda: string | null, env: NodeJS.ProcessEnv = process.env, root = ''): Promise<NvidiaDriver> {
  const smi = await askSmi(env, root);
  return {
    version: smi?.version ?? moduleVersion(root),
    libraryVersion: libcuda === null ? null : libraryVersion(libcuda),
    gpus: smi?.gpus ?? moduleGpus(root),
    devices: names(join(root, '/dev')).filter((name) => /^nvidia\d+$|^dxg$/.test(name)).map((name) => `/dev/${name}`),
    container: existsSync(`${root}/.dockerenv`) || existsSync(`${root}/run/.containerenv`) || env.KUBERNETES_SERVICE_HOST !== undefined,
    visible: env.CUDA_VISIBLE_DEVICES ?? null,
  };
}

function askSmi(env: NodeJS.ProcessEnv, root: string): Promise<{ version: string; gpus: Gpu[] } | undefined> {
  const wsl = `${root}/usr/lib/wsl/lib/nvidia-smi`;
  return new Promise((resolve) => {
    execFile(existsSync(wsl) ? wsl : 'nvidia-smi', ['--query-gpu=driver_version,compute_cap,name', '--format=csv,noheader'], { env, timeout: 15_000 }, (failure, stdout) => {
      resolve(failure ? undefined : readSmi(stdout));
    });
  });
}

/** `580.65.06, 9.0, NVIDIA H200`, a line for each GPU. */
export function readSmi(text: string): { version: string; gpus: Gpu[] } | undefined {
  const rows = [...text.matchAll(/^(\d+(?:\.\d+)+), ([^,]+), (.+)$/gm)];
  const version = rows[0]?.[1];
  if (version === undefined) return undefined;
  return { version, gpus: rows.map(([, , capability, name]) => ({ name: name!.trim(), computeCapability: /^\d+\.\d+$/.test(capability!) ? capability! : null })) };
}

/** `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (...)` */
function moduleVersion(root: string): string | null {
  return /Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)/.exec(text(`${root}/proc/driver/nvidia/version`))?.[1] ?? null;
}

/** In a container these are the host's, seen or not. */
function moduleGpus(root: string): Gpu[] {
  const folder = `${root}/proc/driver/nvidia/gpus`;
  return names(folder).flatMap((name) => {
    const model = /^Model:\s*(.+)$/m.exec(text(join(folder, name, 'information')))?.[1];
    return model === undefined ? [] : [{ name: model.trim(), computeCapability: null }];
  });
}

/** libcuda.so.1 is a link to libcuda.so.580.65.06. */
function libraryVersion(folder: string): string | null {
  try {
    return /libcuda\.so\.(\d+\.[\d.]+)$/.exec(realpathSync(join(folder, 'libcuda.so.1')))?.[1] ?? null;
  } catch {
    return null;
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
