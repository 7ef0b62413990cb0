import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Problem } from '../compiler/errors.js';
import { cudaFailureHelp } from '../compiler/node/cuda-failures.js';
import { findLibraries, installHelp, libraryFolders, neededLibraries, withLibraryFolders, type Search } from '../compiler/node/cuda-libraries.js';
import { cudaReport, doctorText } from '../compiler/node/doctor.js';
import { readElf } from '../compiler/node/elf.js';
import { installCuda } from '../compiler/node/install-cuda.js';
import { findDriver, readSmi } from '../compiler/node/nvidia-driver.js';
import type { Installation } from '../compiler/node/onnxruntime.js';
import { readProviderLibrary } from '../compiler/node/provider-library.js';
import { probeCuda } from '../compiler/node/providers.js';
import { runIn } from './command-line.js';
import { elfOf } from './made-elf.js';
import { memorySource, problemOf, problemOfAsync } from './made-files.js';
import { zipOf } from './made-zip.js';

const top = mkdtempSync(join(tmpdir(), 'yolonnx-doctor-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** CUDA is for Linux on x64. */
const onLinux = process.platform === 'linux' && process.arch === 'x64' ? describe : describe.skip;

const SHARED = 'libonnxruntime_providers_shared.so';
const CUDA = 'libonnxruntime_providers_cuda.so';
/** As the wheel of onnxruntime-gpu 1.30.0 and that of 1.23.2 link. */
const needed13 = ['libcublasLt.so.13', 'libcublas.so.13', 'libcurand.so.10', 'libcudart.so.13', 'libcuda.so.1', 'libc.so.6', 'ld-linux-x86-64.so.2'];
const needed12 = ['libcublasLt.so.12', 'libcublas.so.12', 'libcurand.so.10', 'libcufft.so.11', 'libcudart.so.12', 'libcudnn.so.9', 'libc.so.6'];
const provider = (version = '1.30.0', needed = needed13): Buffer => elfOf({ needed, constants: ['Invalid device ID: ', version, 'cudaSetDevice(id)'] });
const shared = elfOf({ needed: ['libc.so.6'], soname: SHARED });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(top, 'case-'));
});

function write(path: string, content: string | Uint8Array = ''): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** An installation of onnxruntime-node 1.30.0 in the test's own folder, with these files among its libraries. */
function installation(files: Readonly<Record<string, Uint8Array | string>> = {}, entry = ''): Installation {
  const libraries = 'ort/bin/napi-v6/linux/x64';
  write(`${libraries}/libonnxruntime.so.1`);
  for (const [name, content] of Object.entries(files)) write(`${libraries}/${name}`, content);
  return { version: '1.30.0', entry: write('ort/dist/index.js', entry), libraries: join(folder, libraries) };
}

const installed = ({ libraries }: Installation): string[] => readdirSync(libraries).filter((name) => name !== 'libonnxruntime.so.1').sort();

function search(more: Partial<Search> = {}): Search {
  return { env: {}, root: folder, home: join(folder, 'home'), cache: () => '', ...more };
}

describe('shared libraries', () => {
  test('what they link, and where their constants are', () => {
    const bytes = elfOf({ needed: needed13, constants: ['1.30.0'] });
    const { needed, constants } = readElf(memorySource(bytes));
    expect(needed).toEqual(needed13);
    expect(bytes.toString('latin1', constants!.at, constants!.at + constants!.length)).toBe('\x001.30.0\0');
    expect(readElf(memorySource(elfOf({ sections: false })))).toEqual({ needed: [], constants: undefined });
  });

  const changed = (at: number, ...values: readonly number[]): Buffer => {
    const bytes = elfOf({ needed: ['libc.so.6'] });
    Buffer.from(values).copy(bytes, at);
    return bytes;
  };

  test.each<[string, Uint8Array, RegExp]>([
    ['an empty file', Buffer.alloc(0), /it is empty/],
    ['a text', Buffer.from('404: Not Found\n'), /it is a text file/],
    ['a pointer of Git LFS', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:ab\n'), /pointer of Git LFS/],
    ['a library of Windows', Buffer.from('MZ\x90\0'), /library of Windows/],
    ['a wheel', Buffer.from('PK\x03\x04'), /it is a zip file/],
    ['anything', Buffer.from([1, 2, 3]), /does not begin like one/],
    ['four bytes', elfOf().subarray(0, 4), /cut off in its header/],
    ['arm64', changed(18, 183, 0), /it is for arm64/],
    ['32 bits', changed(4, 1), /32-bit or big-endian/],
    ['an object file', changed(16, 1), /object file or a program/],
    ['no program headers', changed(56, 0, 0), /program headers are damaged/],
    ['program headers outside the file', changed(32, 0xff, 0xff, 0xff), /tables are damaged or cut off/],
    ['a cut file', elfOf({ needed: needed13 }).subarray(0, 300), /it is cut off: it has 300 bytes, and its segments reach to byte \d+/],
    ['no dynamic section', changed(64 + 56, 4), /links nothing dynamically/],
    ['strings outside the segments', changed(176 + 16 + 8, 0, 0, 0, 7), /dynamic section is damaged/],
    ['a name outside the strings', changed(176 + 8, 200), /a name in its dynamic section is damaged/],
  ])('%s is refused', (_, bytes, message) => {
    const problem = problemOf(() => readElf(memorySource(bytes, 'lib.so')));
    expect(problem.code).toBe('unreadable');
    expect(problem.message).toMatch(/^lib\.so is no shared library for Linux on x64: /);
    expect(problem.message).toMatch(message);
    expect(problem.help).toBeTruthy();
  });

  test('no damage does more than that', () => {
    const whole = elfOf({ needed: needed13, constants: ['1.30.0'] });
    for (let at = 0; at < whole.length; at++) {
      for (const bytes of [whole.subarray(0, at), Buffer.concat([whole.subarray(0, at), Buffer.from([0xff]), whole.subarray(at + 1)])]) {
        try {
          readElf(memorySource(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }
    }
  });

  test('the provider’s version and CUDA', () => {
    expect(readProviderLibrary(memorySource(provider()), '1.30.0')).toEqual({ version: '1.30.0', cuda: 13, needed: needed13 });
    expect(readProviderLibrary(memorySource(provider('1.23.2', needed12)), '1.30.0')).toMatchObject({ version: '1.23.2', cuda: 12 });
    expect(readProviderLibrary(memorySource(elfOf({ needed: needed13, constants: ['x'] })), '1.30.0').version).toBeUndefined();
    expect(readProviderLibrary(memorySource(elfOf({ needed: needed13, constants: ['1.30.0'], sections: false })), '1.30.0').version).toBe('1.30.0');
    expect(problemOf(() => readProviderLibrary(memorySource(shared, 'a.so'), '1.30.0')).message).toBe('a.so is no CUDA provider of onnxruntime: it does not link CUDA');
  });
});

describe('NVIDIA’s libraries', () => {
  const places = (names: readonly string[], how: Search): Record<string, string | null> =>
    Object.fromEntries(findLibraries({ needed: names, cuda: 13 }, join(folder, 'beside'), how).filter(({ use }) => use === 'linked').map(({ name, folder: where, onLoaderPath }) => [name, where && `${where.replace(folder, '')}${onLoaderPath ? '' : ' +'}`]));

  test('which a provider needs', () => {
    const names = (...arguments_: Parameters<typeof neededLibraries>): string[] => neededLibraries(...arguments_).map(({ name, use }) => `${name} ${use}`);
    expect(names({ needed: needed13, cuda: 13 })).toEqual([...needed13.slice(0, -1).map((name) => `${name} linked`), 'libcudnn.so.9 loaded', 'libnvrtc.so.13 optional', 'libcufft.so.12 optional']);
    expect(names({ needed: needed12, cuda: 12 })).toEqual([...needed12.map((name) => `${name} linked`), 'libcuda.so.1 loaded', 'libnvrtc.so.12 optional']);
  });

  test('where the loader finds them', () => {
    write('own/libcublas.so.13');
    write('opt/lib/libcudart.so.13');
    write('opt/lib32/libcurand.so.10');
    write('usr/lib64/libcufft.so.12');
    mkdirSync(join(folder, 'own/libcurand.so.10'));
    const cache = (): string => '2 libs found\n\tlibcurand.so.10 (libc6) => /opt/lib32/libcurand.so.10\n\tlibcudart.so.13 (libc6,x86-64, OS ABI: Linux 3.2.0) => /opt/lib/libcudart.so.13\n\tlibcublasLt.so.13 (libc6,x86-64) => /gone/libcublasLt.so.13\n';
    expect(places(['libcublas.so.13', 'libcudart.so.13', 'libcurand.so.10', 'libcufft.so.12', 'libcublasLt.so.13'], search({ env: { LD_LIBRARY_PATH: `${folder}/none:${folder}/own` }, cache }))).toEqual({
      'libcublas.so.13': '/own',
      'libcudart.so.13': '/opt/lib',
      'libcurand.so.10': null,
      'libcufft.so.12': '/usr/lib64',
      'libcublasLt.so.13': null,
    });
  });

  test('where else they are looked for, and in which order', () => {
    const names = ['libcublas.so.13', 'libcudart.so.13', 'libcurand.so.10', 'libcufft.so.12', 'libcudnn.so.9', 'libnvrtc.so.13', 'libcublasLt.so.13', 'libcuda.so.1'];
    for (const path of ['home13/lib64/libcublas.so.13', 'usr/local/cuda/lib64/libcublas.so.13', 'usr/local/cuda-13.9/lib64/libcudart.so.13', 'usr/local/cuda-13.10/targets/x86_64-linux/lib/libcudart.so.13', 'beside/libcurand.so.10']) write(path);
    for (const path of ['venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9', 'venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcufft.so.12', 'home/.local/lib/python3.9/site-packages/nvidia/cu13/lib/libnvrtc.so.13', 'conda/lib/libcublasLt.so.13']) write(path);
    // A toolkit's stub is no driver.
    for (const path of ['usr/local/cuda/lib64/libcuda.so.1', 'usr/lib/wsl/lib/libcuda.so.1']) write(path);
    const env = { CUDA_HOME: join(folder, 'home13'), VIRTUAL_ENV: join(folder, 'venv'), CONDA_PREFIX: join(folder, 'conda') };
    expect(places(names, search({ env }))).toEqual({
      'libcublas.so.13': '/home13/lib64 +',
      'libcudart.so.13': '/usr/local/cuda-13.10/targets/x86_64-linux/lib +',
      'libcurand.so.10': '/beside +',
      'libcufft.so.12': '/venv/lib/python3.12/site-packages/nvidia/cu13/lib +',
      'libcudnn.so.9': '/venv/lib/python3.12/site-packages/nvidia/cudnn/lib +',
      'libnvrtc.so.13': '/home/.local/lib/python3.9/site-packages/nvidia/cu13/lib +',
      'libcublasLt.so.13': '/conda/lib +',
      'libcuda.so.1': '/usr/lib/wsl/lib +',
    });
  });

  test('folders for LD_LIBRARY_PATH', () => {
    expect(withLibraryFolders({ A: '1' }, [])).toEqual({ A: '1' });
    expect(withLibraryFolders({ A: '1' }, ['/a', '/b'])).toEqual({ A: '1', LD_LIBRARY_PATH: '/a:/b' });
    expect(withLibraryFolders({ LD_LIBRARY_PATH: '/x' }, ['/a'])).toEqual({ LD_LIBRARY_PATH: '/x:/a' });
    expect(libraryFolders()).toEqual(expect.any(Array));
    expect(libraryFolders(installation(), search())).toEqual([]);
    expect(libraryFolders(installation({ [CUDA]: 'no library' }), search())).toEqual([]);
    expect(libraryFolders({ version: '1', entry: '', libraries: '/nowhere' }, search())).toEqual([]);
  });

  test('packages by the CUDA version', () => {
    expect(installHelp(['libcublas.so.13', 'libcublasLt.so.13', 'libcudnn.so.9'], 13)).toBe("pip install 'nvidia-cublas==13.*' 'nvidia-cudnn-cu13==9.*', or apt install libcublas-13-0 libcudnn9-cuda-13 from NVIDIA's repository");
    expect(installHelp(['libcurand.so.10', 'libcudnn.so.9', 'libcudart.so.12'], 12)).toBe("pip install nvidia-curand-cu12 'nvidia-cudnn-cu12==9.*' nvidia-cuda-runtime-cu12, or apt install libcurand-12-9 libcudnn9-cuda-12 cuda-cudart-12-9 from NVIDIA's repository");
    expect(installHelp(['libnvidia-ml.so.1'], 13)).toBe('install it, and name its folder in LD_LIBRARY_PATH');
  });

  test('CUDA’s numbers', () => {
    const said = '/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ;';
    expect(cudaFailureHelp(said, 13)).toMatch(/older than CUDA 13 needs: update it \(580 or later\), or take the libraries for CUDA 12/);
    expect(cudaFailureHelp(said, 12)).toBe('The NVIDIA driver is older than CUDA 12 needs: update it (525 or later).');
    for (const [number, help] of [[2, /memory/], [34, /stub/], [46, /process/], [100, /--gpus all/], [209, /too old/], [802, /Fabric/], [803, /restart/], [804, /compat/], [999, /nvidia-smi/]] as const) expect(cudaFailureHelp(`CUDA failure ${number}: x`, 13)).toMatch(help);
    expect(cudaFailureHelp('no number', 13)).toMatch(/nvidia-smi/);
  });
});

describe('the driver', () => {
  const noSmi = { PATH: '/nowhere' };

  test('by nvidia-smi', () => {
    expect(readSmi('580.65.06, 9.0, NVIDIA H200\n580.65.06, 8.6, NVIDIA RTX A4000\n')).toEqual({ version: '580.65.06', gpus: [{ name: 'NVIDIA H200', computeCapability: '9.0' }, { name: 'NVIDIA RTX A4000', computeCapability: '8.6' }] });
    expect(readSmi('470.1, [N/A], Quadro\n')?.gpus).toEqual([{ name: 'Quadro', computeCapability: null }]);
    expect(readSmi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")).toBeUndefined();
  });

  test.each([
    ['NVIDIA’s own', 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12', '535.183.01'],
    ['open', 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs@x)\n', '580.65.06'],
  ])('by its kernel module (%s)', async (_, text, version) => {
    write('proc/driver/nvidia/version', text);
    write('proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: \t\t NVIDIA H200\nIRQ: 1\n');
    for (const name of ['nvidia0', 'nvidia-uvm', 'nvidiactl', 'null']) write(`dev/${name}`);
    write('.dockerenv');
    expect(await findDriver(null, { ...noSmi, CUDA_VISIBLE_DEVICES: '1' }, folder)).toEqual({ version, libraryVersion: null, gpus: [{ name: 'NVIDIA H200', computeCapability: null }], devices: ['/dev/nvidia0'], container: true, visible: '1' });
  });

  test('none', async () => {
    expect(await findDriver(folder, noSmi, folder)).toEqual({ version: null, libraryVersion: null, gpus: [], devices: [], container: false, visible: null });
  });
});

onLinux('CUDA of an installation', () => {
  /** onnxruntime-node as far as the probe asks: it says what the real one said. */
  const failing = (said: string, message = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library'): string =>
    `module.exports = { env: {}, Tensor: class {}, InferenceSession: { async create() { process.stderr.write(${JSON.stringify(said)}); throw new Error(${JSON.stringify(message)}); } } };`;
  const unloaded = (what: string): string => `2026-11-22 [E:onnxruntime:onnxruntime-node, provider_bridge_ort.cc:2146 Create] /onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:1988 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library /x/${CUDA} with error: ${what}\n`;
  /** Links nothing that a machine could have. */
  const needs = (...names: readonly string[]): Record<string, Uint8Array> => ({ [SHARED]: shared, [CUDA]: provider('1.30.0', ['libcudart.so.77', ...names]) });

  test('not installed, or half', async () => {
    expect(await probeCuda(installation())).toMatchObject({ provider: 'cuda', usable: false, missing: [SHARED, CUDA], reason: expect.stringMatching(/^libonnxruntime_providers_cuda\.so is missing: npm installs/), help: expect.stringMatching(/yolonnx doctor --install-cuda --from pypi/) });
    expect(await probeCuda(installation({ [SHARED]: shared }))).toMatchObject({ missing: [CUDA], reason: `the installation is half there: ${CUDA} is missing` });
    rmSync(join(folder, 'ort'), { recursive: true });
    expect(await probeCuda(installation({ [CUDA]: provider() }))).toMatchObject({ missing: [SHARED], reason: `the installation is half there: ${SHARED} is missing` });
  });

  test('of another version, or damaged: it is not even loaded', async () => {
    const other = await probeCuda(installation({ [SHARED]: shared, [CUDA]: provider('1.29.0') }, 'throw new Error("loaded")'));
    expect(other).toMatchObject({ usable: false, reason: `${CUDA} is of onnxruntime 1.29.0, and onnxruntime-node is 1.30.0: they do not fit together`, help: expect.stringMatching(/--install-cuda.*replaces it with the one of 1\.30\.0/) });
    const text = await probeCuda(installation({ [SHARED]: shared, [CUDA]: 'Not Found' }));
    expect(text.reason).toBe(`${CUDA} is no shared library for Linux on x64: it is a text file`);
    const cut = await probeCuda(installation({ [SHARED]: shared, [CUDA]: provider().subarray(0, 500) }));
    expect(cut.reason).toMatch(/it is cut off/);
    const empty = await probeCuda(installation({ [SHARED]: '', [CUDA]: provider() }));
    expect(empty).toMatchObject({ reason: `${SHARED} is no shared library for Linux on x64: it is empty`, help: expect.stringMatching(/--install-cuda/) });
    const another = await probeCuda(installation({ [SHARED]: elfOf({ needed: ['libc.so.6'], soname: 'libother.so' }), [CUDA]: provider() }));
    expect(another.reason).toBe(`${SHARED} is not what its name says: it is libother.so`);
  });

  test('onnxruntime-node itself does not load', async () => {
    const missing = await probeCuda(installation(needs(), 'require("./nowhere.node");'));
    expect(missing).toMatchObject({ missing: [], reason: expect.stringMatching(/^onnxruntime-node does not load: Cannot find module '\.\/nowhere\.node'$/), help: expect.stringMatching(/remove its folder/) });
    const library = await probeCuda(installation(needs(), 'throw new Error("libonnxruntime.so.1: cannot open shared object file: No such file or directory");'));
    expect(library).toMatchObject({ missing: ['libonnxruntime.so.1'], reason: expect.stringMatching(/does not load: libonnxruntime\.so\.1: cannot open/), help: expect.stringMatching(/remove its folder/) });
  });

  test('all that is missing, not only what the loader names', async () => {
    const state = await probeCuda(installation(needs('libcublas.so.77', 'libcuda.so.1'), failing(unloaded('libcudart.so.77: cannot open shared object file: No such file or directory'))));
    expect(state.usable).toBe(false);
    expect(state.missing).toEqual(expect.arrayContaining(['libcudart.so.77', 'libcublas.so.77']));
    expect(state.missing).not.toContain('libc.so.6');
    expect(new Set(state.missing).size).toBe(state.missing.length);
    expect(state.reason).toMatch(/libcudart\.so\.77, libcublas\.so\.77.* are missing/);
    expect(state.help).toMatch(/nvidia-cuda-runtime==77\.\*' 'nvidia-cublas==77\.\*/);
  });

  test('what the native code says of other libraries', async () => {
    const parts = 'Unable to load any of {libcudnn_graph.so.9.1.0, libcudnn_graph.so.9.1, libcudnn_graph.so.9, libcudnn_graph.so}\n';
    expect((await probeCuda(installation(needs(), failing(parts)))).missing).toContain('libcudnn_graph.so.9');
    const cudnn = 'dlopen failed for libcudnn.so: libcudnn.so: cannot open shared object file: No such file or directory';
    expect((await probeCuda(installation(needs(), failing(cudnn)))).missing).not.toContain('libcudnn.so');
    const both = await probeCuda(installation(needs(), failing('', 'CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm')));
    expect(both.reason).toMatch(/^libcudart\.so\.77.* missing; CUDA failure 100: no CUDA-capable device is detected$/);
    expect(both.help).toMatch(/nvidia-cuda-runtime.* No GPU is seen/);
  });

  test('a failure of CUDA, an unknown failure, a crash', async () => {
    // Everything that it links is there: in the made wheel of the environment.
    for (const name of ['libcudart.so.77', 'libcudnn.so.9']) write(`venv/lib/python3.12/site-packages/nvidia/cu/lib/${name}`);
    write('driver/libcuda.so.1');
    const before = { VIRTUAL_ENV: process.env.VIRTUAL_ENV, LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH };
    Object.assign(process.env, { VIRTUAL_ENV: join(folder, 'venv'), LD_LIBRARY_PATH: join(folder, 'driver') });
    try {
      const cuda = 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; expr=cudaSetDevice(info_.device_id);';
      expect(await probeCuda(installation(needs(), failing('', cuda)))).toMatchObject({ missing: [], reason: 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version', help: expect.stringMatching(/older than CUDA 77 needs/) });
      expect((await probeCuda(installation(needs(), failing(unloaded(`/x/${CUDA}: invalid ELF header`))))).reason).toBe(`${CUDA}: invalid ELF header`);
      expect((await probeCuda(installation(needs(), failing('', 'something new')))).reason).toBe('something new');
      expect((await probeCuda(installation(needs(), 'process.kill(process.pid, "SIGBUS");'))).reason).toBe('it crashes (SIGBUS)');
      const words = 'require("node:fs").writeSync(2, "NVRM: GPU has fallen off the bus\\n"); process.kill(process.pid, "SIGABRT");';
      expect((await probeCuda(installation(needs(), words))).reason).toBe('it crashes (SIGABRT); its last words: NVRM: GPU has fallen off the bus');
      // The probe's own process has the folder in its path.
      const spoken = await probeCuda(installation(needs(), failing('', 'x').replace('throw', 'throw new Error(process.env.LD_LIBRARY_PATH);')));
      expect(spoken.reason).toBe(`${folder}/driver:${folder}/venv/lib/python3.12/site-packages/nvidia/cu/lib`);
    } finally {
      for (const name of ['VIRTUAL_ENV', 'LD_LIBRARY_PATH'] as const) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
    }
  });

  test('the report', async () => {
    write('venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublas.so.13');
    write('venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13');
    write('usr/lib64/libcudart.so.13');
    const how = search({ env: { PATH: '/nowhere', VIRTUAL_ENV: join(folder, 'venv') } });
    const cuda = await cudaReport(installation({ [SHARED]: shared, [CUDA]: provider() }), how);
    expect(cuda).toMatchObject({ supported: true, provider: { version: '1.30.0', cuda: 13, fault: null }, driver: { version: null, gpus: [] } });
    const text = doctorText({ node: '20', platform: 'linux x64', onnxruntime: '1.30.0', providers: [{ provider: 'cpu', usable: true, missing: [] }], cuda }).replaceAll(folder, '');
    const wheel = '/venv/lib/python3.12/site-packages/nvidia/cu13/lib';
    expect(text).toContain('driver             not found, libcuda.so.1 is missing: install the NVIDIA driver (580 or later for CUDA 13)');
    expect(text).toContain('GPU                none seen: no device file');
    expect(text).toContain('provider           of onnxruntime 1.30.0, for CUDA 13\n');
    expect(text).toContain(`libcublasLt.so.13  found in ${wheel} (not on the loader's path: yolonnx adds it; your own programs need LD_LIBRARY_PATH=${wheel})\n`);
    expect(text).toContain(`libcublas.so.13    found in ${wheel} (not on the loader's path)\n`);
    expect(text).toContain('libcudart.so.13    found in /usr/lib64\n');
    expect(text).toContain("libcurand.so.10    missing: pip install 'nvidia-curand==10.*'");
    expect(text).toContain('libcudnn.so.9      missing (convolutions need it): ');
    expect(text).toMatch(/TF32 +(on|off) \(/);
  });

  test('the report of driver and provider at fault', async () => {
    const lines = async (files: Record<string, Uint8Array>): Promise<string> => {
      const cuda = await cudaReport(installation(files), search({ env: { PATH: '/nowhere' } }));
      return doctorText({ node: '20', platform: 'linux x64', onnxruntime: '1.30.0', providers: [], cuda });
    };
    expect(await lines({})).toMatch(/provider {2}not installed: yolonnx doctor --install-cuda/);
    // What is here of each CUDA, to choose a provider by.
    write('usr/lib64/libcublas.so.12');
    write('usr/lib64/libcudart.so.12');
    expect(await lines({})).toMatch(/CUDA 12 +libcublas\.so\.12, libcudart\.so\.12 here; not here: libcublasLt\.so\.12, libcurand\.so\.10, libcudnn\.so\.9\n +CUDA 13 +none of its libraries are here/);
    expect(await lines({ [SHARED]: shared, [CUDA]: provider('1.29.0') })).toMatch(/provider +not usable: .* is of onnxruntime 1\.29\.0/);
    write('proc/driver/nvidia/version', 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May\n');
    write('usr/lib64/libcuda.so.1');
    write('dev/nvidia0');
    expect(await lines({ [SHARED]: shared, [CUDA]: provider() })).toMatch(/driver +535\.183\.01 is too old for CUDA 13, which needs 580 or later: update it, or take the libraries for CUDA 12/);
    expect(await lines({ [SHARED]: shared, [CUDA]: provider('1.30.0', needed12) })).toMatch(/driver +535\.183\.01, libcuda\.so\.1 found in /);
  });

  test('--json has it all', () => {
    const { code, out, err } = runIn('.', ['doctor', '--json']);
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({ onnxruntime: expect.any(String), cuda: { supported: true, driver: { gpus: expect.any(Array), devices: expect.any(Array) }, libraries: expect.any(Array), tf32: expect.any(Boolean) } });
  });
});

onLinux('installing', () => {
  const wheel = (version = '1.30.0', files: Readonly<Record<string, Uint8Array>> = { [SHARED]: shared, [CUDA]: provider(version) }): Uint8Array =>
    zipOf([
      ...Object.entries(files).map(([name, bytes]) => ({ name: `onnxruntime/capi/${name}`, bytes, deflated: true })),
      { name: `onnxruntime_gpu-${version}.dist-info/METADATA`, bytes: Buffer.from(`Metadata-Version: 2.4\nName: onnxruntime-gpu\nVersion: ${version}\n\nText\n`) },
    ]);
  const package_ = (version: string): Uint8Array =>
    zipOf([
      { name: 'Microsoft.ML.OnnxRuntime.Gpu.Linux.nuspec', bytes: Buffer.from(`<package><metadata><id>x</id><version>${version}</version></metadata></package>`) },
      ...[SHARED, CUDA].map((name) => ({ name: `runtimes/linux-x64/native/${name}`, bytes: name === CUDA ? provider(version, needed12) : shared, deflated: true })),
    ]);

  const both = [CUDA, SHARED].sort();

  test('from a folder, a library, a wheel, a NuGet package; what is there is replaced', async () => {
    write('site-packages/onnxruntime/capi/' + SHARED, shared);
    const library = write('site-packages/onnxruntime/capi/' + CUDA, provider());
    const sources = [join(folder, 'site-packages'), dirname(library), library, write('a.whl', wheel()), write('a.nupkg', package_('1.30.0'))];
    const ort = installation({ [CUDA]: 'old' });
    for (const [i, from] of sources.entries()) {
      expect(await installCuda(ort, { from })).toEqual({ version: '1.30.0', cuda: i === 4 ? 12 : 13, folder: ort.libraries });
      expect(installed(ort)).toEqual(both);
      expect(readFileSync(join(ort.libraries, CUDA)).equals(provider('1.30.0', i === 4 ? needed12 : needed13))).toBe(true);
      expect(readFileSync(join(ort.libraries, SHARED)).equals(shared)).toBe(true);
    }
  });

  test('what does not fit is refused, and leaves nothing behind', async () => {
    const cases: readonly (readonly [from: string, message: RegExp, help?: RegExp])[] = [
      [join(folder, 'nowhere.whl'), /there is no such file/],
      [write('text.whl', 'text'), /damaged zip file/],
      [write('cut.whl', wheel().subarray(0, 200)), /damaged zip file/],
      [write('old.whl', wheel('1.29.0')), /old\.whl is of onnxruntime 1\.29\.0, and onnxruntime-node is 1\.30\.0/, /onnxruntime-gpu==1\.30\.0.*npm install onnxruntime-node@1\.29\.0/],
      [write('old.nupkg', package_('1.29.0')), /is of onnxruntime 1\.29\.0/],
      // Its name and metadata say one thing, its library another.
      [write('liar.whl', wheel('1.30.0', { [SHARED]: shared, [CUDA]: provider('1.28.0') })), /libonnxruntime_providers_cuda\.so in .*liar\.whl is of onnxruntime 1\.28\.0/],
      [write('cpu.whl', wheel('1.30.0', { [SHARED]: shared })), /has no libonnxruntime_providers_cuda\.so/, /onnxruntime-gpu for linux x86_64/],
      [write('arm.whl', wheel('1.30.0', { [SHARED]: shared, [CUDA]: Buffer.from(provider()).fill(183, 18, 19) })), /it is for arm64/],
      [write('zip.whl', zipOf([{ name: 'a', bytes: shared }])), /neither a Python wheel nor a NuGet package/],
      [write('sum.whl', zipOf([{ name: 'x.dist-info/METADATA', bytes: Buffer.from('Version: 1.30.0\n'), central: { crc: 1 } }])), /checksum/],
      [write('a.tgz', 'x'), /is an archive/, /Unpack it first/],
      [dirname(write('half/' + CUDA, provider())), /there is no libonnxruntime_providers_shared\.so in /],
      [dirname(write('empty/README', '')), /there is no libonnxruntime_providers_shared\.so in /],
      [dirname(write('other/' + CUDA, (write('other/' + SHARED, shared), provider('1.29.0')))), /is of onnxruntime 1\.29\.0/],
      [dirname(write('plain/' + CUDA, (write('plain/' + SHARED, shared), elfOf({ needed: needed13 })))), /is of onnxruntime an unknown version/],
      [dirname(write('texts/' + CUDA, (write('texts/' + SHARED, 'x'), provider()))), /providers_shared\.so is no shared library/],
      [dirname(write('swapped/' + CUDA, (write('swapped/' + SHARED, elfOf({ soname: 'libother.so' })), provider()))), /providers_shared\.so is not what its name says: it is libother\.so/],
    ];
    for (const had of [{}, { [SHARED]: 'old', [CUDA]: 'old' }]) {
      const ort = installation(had);
      for (const [from, message, help] of cases) {
        const problem = await problemOfAsync(installCuda(ort, { from }));
        expect(problem.message).toMatch(message);
        expect(problem.help ?? '').toMatch(help ?? /./);
        expect(problem.exitCode).toBe(2);
        expect(installed(ort)).toEqual(Object.keys(had).sort());
        for (const name of installed(ort)) expect(readFileSync(join(ort.libraries, name), 'utf8')).toBe('old');
      }
    }
  });

  test('an installation that is not there, or has a folder in the way', async () => {
    const from = write('a.whl', wheel());
    expect(await problemOfAsync(installCuda(undefined, { from }))).toMatchObject({ code: 'missing-provider', help: 'npm install onnxruntime-node' });
    expect(await problemOfAsync(installCuda({ version: '1.30.0', entry: '', libraries: join(folder, 'nowhere') }, { from }))).toMatchObject({ code: 'missing-provider', message: expect.stringMatching(/there is no folder/), help: expect.stringMatching(/run npm install/) });
    const ort = installation({ [SHARED]: 'old', [`${CUDA}/file`]: '' });
    expect(await problemOfAsync(installCuda(ort, { from }))).toMatchObject({ code: 'missing-provider', message: expect.stringMatching(/it is a folder/), help: 'Remove the folder, and run the command again.' });
    expect(installed(ort)).toEqual(both);
    expect(readFileSync(join(ort.libraries, SHARED), 'utf8')).toBe('old');
  });

  describe('by onnxruntime-node’s installer', () => {
    const script = (text: string): Installation => {
      const ort = installation();
      write('ort/script/install.js', text);
      write('helper/index.js', 'module.exports = "helped";');
      return ort;
    };

    test('what it fetched', async () => {
      write('fetched/' + SHARED, shared);
      write('fetched/' + CUDA, provider('1.30.0', needed12));
      const ort = script(`
        const { join } = require('node:path');
        console.log('Downloading', require('helper'), process.env.ONNXRUNTIME_NODE_INSTALL, process.env.GLOBAL_AGENT_HTTPS_PROXY);
        require('node:fs').cpSync(${JSON.stringify(join(folder, 'fetched'))}, join(__dirname, '../bin/napi-v6/linux/x64'), { recursive: true });`);
      const said: string[] = [];
      expect(await installCuda(ort, { env: { ...process.env, HTTPS_PROXY: 'http://proxy:1' }, say: (line) => said.push(line) })).toMatchObject({ cuda: 12 });
      expect(said).toEqual(['Downloading helped true http://proxy:1']);
      expect(installed(ort)).toEqual(both);
    });

    test.each<[string, string, RegExp, RegExp]>([
      ['no network', `throw new Error('getaddrinfo ENOTFOUND api.nuget.org')`, /^onnxruntime-node's installer failed: getaddrinfo ENOTFOUND api\.nuget\.org$/, /--from pypi/],
      ['an end', 'process.exit(7)', /installer failed: it ended with exit code 7$/, /node .*install\.js/],
      ['nothing fetched', '', /it ended without an error, but fetched nothing$/, /api\.nuget\.org/],
    ])('%s', async (_, text, message, help) => {
      const ort = script(text);
      const problem = await problemOfAsync(installCuda(ort));
      expect(problem.message).toMatch(message);
      expect(problem.help ?? '').toMatch(help);
      expect(installed(ort)).toEqual([]);
      expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`yolonnx-cuda-${process.pid}-`))).toEqual([]);
    });
  });

  describe('from a package index', () => {
    const name = 'onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl';
    const sha256 = createHash('sha256').update(wheel()).digest('hex');
    const json = (files: readonly object[]): string => JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'onnxruntime-gpu', files });
    const others = ['onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_34_x86_64.whl', 'onnxruntime_gpu-1.30.0-cp312-cp312-win_amd64.whl', 'onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_17_aarch64.whl', 'onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_17_x86_64.whl', 'onnxruntime_gpu-1.30.0.tar.gz'].map((filename) => ({ filename, url: `/files/${filename}`, hashes: { sha256 } }));

    async function serve<T>(answer: RequestListener, use: (origin: string, server: Server) => Promise<T>): Promise<T> {
      const server = createServer(answer);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, server);
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    }

    type Page = readonly [type: string, text: string | Uint8Array];
    const pages = (all: Readonly<Record<string, Page>>): RequestListener => (request, response) => {
      const page = all[request.url!];
      if (!page) return void response.writeHead(404).end('no');
      response.writeHead(200, { 'content-type': page[0], 'content-length': Buffer.byteLength(page[1]) }).end(page[1]);
    };
    const simple = '/simple/onnxruntime-gpu/';
    const fromIndex = (ort: Installation, origin: string, more: Parameters<typeof installCuda>[1] = {}): ReturnType<typeof installCuda> => installCuda(ort, { from: 'pypi', env: { PIP_INDEX_URL: `${origin}/simple/` }, ...more });

    test('JSON: the wheel of the version, of the least glibc, with progress', async () => {
      const ort = installation();
      const seen: string[] = [];
      let last: readonly number[] = [];
      const index = json([...others, { filename: name, url: '../../files/it.whl', hashes: { sha256 } }]);
      const result = await serve(pages({ [simple]: ['application/vnd.pypi.simple.v1+json', index], '/files/it.whl': ['x/y', wheel()] }), (origin) =>
        fromIndex(ort, origin, { say: (line) => seen.push(line), onProgress: (...progress) => (last = progress) }),
      );
      expect(result).toMatchObject({ version: '1.30.0', cuda: 13 });
      expect(installed(ort)).toEqual(both);
      expect(seen).toEqual([expect.stringMatching(`^${name} from 127.0.0.1`)]);
      expect(last).toEqual([wheel().length, wheel().length]);
    });

    test('HTML, redirects, UV_DEFAULT_INDEX with a user and password, sent to that server alone', async () => {
      const ort = installation();
      const html = `<!DOCTYPE html><html><body><h1>Links</h1>\n<a href="/f/${others[2]!.filename}#sha256=${sha256}">${others[2]!.filename}</a>\n<a data-requires-python="&gt;=3.11" href='../../f/a.whl?x=1&amp;y=2#sha256=${sha256}'>${name}</a></body></html>`;
      const authorized: (string | undefined)[] = [];
      await serve(pages({ '/b.whl': ['x/y', wheel()] }), (elsewhere) =>
        serve(
          (request, response) => {
            authorized.push(request.headers.authorization);
            if (request.url === '/root/simple/onnxruntime-gpu/') response.writeHead(301, { location: '/moved/simple/onnxruntime-gpu/' }).end();
            else if (request.url === '/f/a.whl?x=1&y=2') response.writeHead(302, { location: `${elsewhere}/b.whl` }).end();
            else pages({ '/moved/simple/onnxruntime-gpu/': ['text/html; charset=utf-8', html.replaceAll('../../', '/')] })(request, response);
          },
          (origin) => installCuda(ort, { from: 'pypi', env: { UV_DEFAULT_INDEX: `mine=${origin.replace('http://', 'http://me:p%40ss@')}/root/simple` } }),
        ),
      );
      expect(installed(ort)).toEqual(both);
      expect(authorized).toEqual(Array<string>(3).fill(`Basic ${Buffer.from('me:p@ss').toString('base64')}`));
    });

    const withFile = (more: object = {}, body: Uint8Array = wheel()): RequestListener => pages({ [simple]: ['application/json', json([{ filename: name, url: '/it.whl', hashes: { sha256 }, ...more }])], '/it.whl': ['x/y', body] });

    test.each<[string, RequestListener, RegExp, RegExp]>([
      ['a page that is not there', pages({}), /^http:\/\/127\.0\.0\.1:\d+\/simple\/onnxruntime-gpu\/ answers with HTTP 404/, /PIP_INDEX_URL/],
      ['a user that is asked for', (_, response) => void response.writeHead(401).end(), /HTTP 401/, /user and password/],
      ['a server’s fault', (_, response) => void response.writeHead(503).end(), /HTTP 503/, /Try again/],
      ['a circle', (request, response) => void response.writeHead(302, { location: request.url }).end(), /redirects in a circle/, /address/],
      ['a strange redirect', (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(), /redirects to an address that is not taken/, /http/],
      ['JSON that is no index', pages({ [simple]: ['application/json', '{"message": "hi"}'] }), /no page of a package index/, /address/],
      ['HTML without links', pages({ [simple]: ['text/html', 'hello'] }), /has no onnxruntime-gpu 1\.30\.0 for Linux on x64; it has none at all/, /address/],
      ['no HTTP', (request) => void request.socket.end('220 mail\r\n\r\n'), /answers, but not as a server of HTTP does \(HPE_/, /address/],
      ['other versions and platforms', pages({ [simple]: ['application/json', json(others.slice(1))] }), /has no onnxruntime-gpu 1\.30\.0 .*; it has 1\.31\.1, 1\.30\.0$/, /onnxruntime-node's own version/],
      ['no sha256', withFile({ hashes: { md5: 'x' } }), /gives no sha256 of onnxruntime_gpu-1\.30\.0/, /--from/],
      ['a strange address', withFile({ url: 'ftp://x/y.whl' }), /address that is not taken/, /http/],
      ['a wheel that is not there', withFile({ url: '/gone.whl' }), /\/gone\.whl answers with HTTP 404/, /./],
      ['a wrong sha256', withFile({}, Buffer.concat([wheel(), Buffer.from('x')])), /is not what the index says: its sha256 is [0-9a-f]{64}, and should be [0-9a-f]{64}/, /Try again/],
      ['a connection that is reset', (request) => void request.socket.resetAndDestroy(), /^the connection to 127\.0\.0\.1:\d+ was lost \(ECONNRESET\)$/, /--from PATH/],
      [
        'a download that is reset',
        (request, response) => {
          if (request.url === simple) return withFile()(request, response);
          response.writeHead(200, { 'content-length': 100_000 });
          response.write('some', () => request.socket.resetAndDestroy());
        },
        /was lost \(ECONNRESET\)/,
        /--from PATH/,
      ],
      [
        'a download that ends early',
        (request, response) => {
          if (request.url === simple) return withFile()(request, response);
          response.writeHead(200, { 'content-length': 100_000 });
          response.write('some', () => request.socket.end());
        },
        /was lost/,
        /--from PATH/,
      ],
    ])('%s', async (_, answer, message, help) => {
      const ort = installation();
      const problem = await problemOfAsync(serve(answer, (origin) => fromIndex(ort, origin)));
      expect(problem).toMatchObject({ code: 'missing-provider', exitCode: 3 });
      expect(problem.message).toMatch(message);
      expect(problem.help ?? '').toMatch(help);
      expect(installed(ort)).toEqual([]);
    });

    test('a wheel that lies about its version', async () => {
      const body = wheel('1.29.0');
      const ort = installation();
      const problem = await problemOfAsync(serve(withFile({ hashes: { sha256: createHash('sha256').update(body).digest('hex') } }, body), (origin) => fromIndex(ort, origin)));
      expect(problem.message).toBe(`${name} is of onnxruntime 1.29.0, and onnxruntime-node is 1.30.0: they do not fit together`);
      expect(installed(ort)).toEqual([]);
    });

    test('no server, no name, no address', async () => {
      const ort = installation();
      const closed = await serve(pages({}), (origin) => Promise.resolve(origin));
      expect((await problemOfAsync(fromIndex(ort, closed))).message).toMatch(/^127\.0\.0\.1:\d+ is not reached: ECONNREFUSED$/);
      for (const PIP_INDEX_URL of ['file:///opt/simple', 'nonsense']) {
        expect(await problemOfAsync(installCuda(ort, { from: 'pypi', env: { PIP_INDEX_URL } }))).toMatchObject({ code: 'bad-option', message: 'PIP_INDEX_URL names no package index on http or https' });
      }
    });

    test('a proxy is asked for https, not where NO_PROXY excepts, and its refusal is told', async () => {
      const ort = installation();
      const asked: string[] = [];
      const problem = await serve(
        () => undefined,
        (origin, server) => {
          server.on('connect', (request, socket) => {
            asked.push(`${request.url!} ${request.headers['proxy-authorization'] ?? ''}`);
            socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
          });
          return problemOfAsync(installCuda(ort, { from: 'pypi', env: { PIP_INDEX_URL: 'https://index.invalid/simple', HTTPS_PROXY: origin.replace('http://', 'http://a:b@') } }));
        },
      );
      expect(asked).toEqual([`index.invalid:443 Basic ${Buffer.from('a:b').toString('base64')}`]);
      expect(problem.message).toMatch(/^the proxy 127\.0\.0\.1:\d+ refuses index\.invalid: HTTP 407/);
      const direct = await problemOfAsync(installCuda(ort, { from: 'pypi', env: { PIP_INDEX_URL: 'https://127.0.0.1:1/simple', HTTPS_PROXY: 'http://127.0.0.1:2', NO_PROXY: 'x,127.0.0.1' } }));
      expect(direct.message).toMatch(/^127\.0\.0\.1:1 is not reached/);
    });
  });

  test('the command line', () => {
    expect(runIn('.', ['doctor', '--from', 'pypi'])).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^error\[bad-option\]: --from is where --install-cuda/) });
    expect(runIn('.', ['doctor', '--install-cuda', '--from', 'nowhere.whl'])).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^error\[unreadable\]: cannot read nowhere\.whl: there is no such file\n/) });
    expect(runIn('.', ['doctor', '--install-cuda', '--from'])).toMatchObject({ code: 2 });
  });
});
