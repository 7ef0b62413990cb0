/** Which execution providers can really run here, found out by running a small model on each. */
import { execFile } from 'node:child_process';
import { cudaFailureHelp } from './cuda-failures.js';
import { addedFolders, DRIVER_LIBRARY, driverHelp, findLibraries, installHelp, isNvidia, withLibraryFolders, type CudaLibrary } from './cuda-libraries.js';
import { lastWords } from './last-words.js';
import { findOnnxruntime, REPAIR, runtimeEnvironment, type Installation } from './onnxruntime.js';
import { PROBE_MODEL } from './probe-model.js';
import { profileFolder } from './profile.js';
import { cudaSupported, CUDA_LIBRARY, installedProvider, type InstalledProvider } from './provider-library.js';
import { shortMessage } from './short-message.js';

export const probed = ['cpu', 'cuda', 'webgpu'] as const;
export type ProbedProvider = (typeof probed)[number];

export interface ProviderState {
  readonly provider: ProbedProvider;
  /** It loaded and ran nodes of the probe. */
  readonly usable: boolean;
  /** Shared libraries that were not found. */
  readonly missing: readonly string[];
  /** Why it is not usable, and what to do about it. */
  readonly reason?: string;
  readonly help?: string;
}

/** Runs in a process of its own: native code may crash, and says why a library does not load on stderr alone. */
const PROBE_SCRIPT = `
const [entry, provider, prefix, model] = process.argv.slice(1);
(async () => {
  let ort;
  try {
    ort = require(entry);
  } catch (error) {
    return { unloaded: String(error.message) };
  }
  ort.env.logLevel = 'warning';
  const session = await ort.InferenceSession.create(new Uint8Array(Buffer.from(model, 'base64')), { executionProviders: [provider], enableProfiling: true, profileFilePrefix: prefix });
  const { y } = await session.run({ x: new ort.Tensor('float32', [1, 2, 3, 4], [1, 1, 2, 2]) });
  session.endProfiling();
  const close = [28, 40, 60, 88].every((wanted, i) => Math.abs(y.data[i] - wanted) < 0.5);
  return close ? {} : { error: 'it computes wrong numbers: ' + y.data.join(', ') };
})().catch((error) => ({ error: String(error.message) })).then((result) => process.stdout.write('\\n' + JSON.stringify(result) + '\\n'));
`;

const TIME_LIMIT_S = 90;

const names = { cpu: 'CPUExecutionProvider', cuda: 'CUDAExecutionProvider', webgpu: 'WebGpuExecutionProvider' } as const;
const states = new Map<ProbedProvider, Promise<ProviderState>>();

/** Whether a provider can run here; found out once per process. Never throws. */
export function probeProvider(provider: ProbedProvider): Promise<ProviderState> {
  let state = states.get(provider);
  if (!state) states.set(provider, (state = probe(provider)));
  return state;
}

async function probe(provider: ProbedProvider): Promise<ProviderState> {
  const installation = findOnnxruntime();
  if (!installation) return { provider, usable: false, missing: [], reason: 'onnxruntime-node is not installed', help: 'npm install onnxruntime-node' };
  return provider === 'cuda' ? probeCuda(installation) : probeOther(provider, installation);
}

async function probeOther(provider: 'cpu' | 'webgpu', installation: Installation): Promise<ProviderState> {
  const { nodes, unloaded, error, said } = await runProbe(provider, installation, runtimeEnvironment());
  if (unloaded !== undefined) return damaged(provider, unloaded);
  if (error === undefined && nodes[names[provider]]) return { provider, usable: true, missing: [] };
  const missing = librariesIn(said);
  const vulkan = missing.some((name) => name.startsWith('libvulkan'));
  const gpu = vulkan ? "Install a Vulkan loader (libvulkan1) and the GPU's Vulkan driver." : 'WebGPU needs a GPU with a driver for Vulkan, Metal or Direct3D 12, or software in its place, such as the SwiftShader that comes with Chromium (VK_ICD_FILENAMES=<its folder>/vk_swiftshader_icd.json).';
  const help = provider === 'cpu' ? REPAIR : gpu;
  return { provider, usable: false, missing, reason: reasonOf(error, nodes, said, missing), help };
}

/** The state of a provider where onnxruntime-node itself does not load. */
function damaged(provider: ProbedProvider, unloaded: string): ProviderState {
  const [line] = unloaded.split('\n');
  return { provider, usable: false, missing: librariesIn(unloaded), reason: `onnxruntime-node does not load: ${shortMessage(line!)}`, help: REPAIR };
}

/** Whether an installation can run on CUDA. A provider that is damaged or of another version is not even loaded. */
export async function probeCuda(installation: Installation): Promise<ProviderState> {
  const installed = installedProvider(installation);
  const unfit = unfitProvider(installed, installation);
  if (unfit) return unfit;
  const { cuda } = installed.library!;
  const libraries = findLibraries(installed.library!, installed.folder);
  const { nodes, unloaded, error, said } = await runProbe('cuda', installation, withLibraryFolders(runtimeEnvironment(), addedFolders(libraries)));
  if (unloaded !== undefined) return damaged('cuda', unloaded);
  if (error === undefined && nodes[names.cuda]) return { provider: 'cuda', usable: true, missing: [] };
  const missing = [...new Set([...missingOf(libraries), ...librariesIn(said)])];
  const told = `${error}\n${said}`;
  const help = [];
  if (missing.length > 0) help.push(missingHelp(missing, libraries, cuda));
  if (missing.length === 0 || cudaFailure(told) !== undefined) help.push(cudaFailureHelp(told, cuda));
  return { provider: 'cuda', usable: false, missing, reason: reasonOf(error, nodes, said, missing), help: help.join(' ') };
}

/** The state of CUDA where its provider is not installed, or not to be used. */
function unfitProvider({ missing, fault }: InstalledProvider, installation: Installation): ProviderState | undefined {
  const unusable = { provider: 'cuda', usable: false, missing } as const;
  const { version } = installation;
  const commands = `Run: yolonnx doctor --install-cuda (for CUDA 12), or yolonnx doctor --install-cuda --from pypi (for CUDA 13).`;
  if (!cudaSupported()) return { ...unusable, missing: [], reason: 'onnxruntime-node has CUDA for Linux on x64 only', help: `This is ${process.platform} on ${process.arch}: --provider cpu runs here, webgpu where a GPU has a driver for it.` };
  if (fault) return { ...unusable, reason: fault.message, help: `${commands} That replaces it with the one of ${version}.` };
  if (missing.length === 0) return undefined;
  const half = missing.length === 1 ? `the installation is half there: ${missing[0]!} is missing` : `${CUDA_LIBRARY} is missing: npm installs onnxruntime-node without its CUDA libraries`;
  return { ...unusable, reason: half, help: commands };
}

/** What CUDA cannot do without and is not found. */
export const missingOf = (libraries: readonly CudaLibrary[]): string[] => libraries.filter(({ use, folder }) => use !== 'optional' && folder === null).map(({ name }) => name);

function missingHelp(missing: readonly string[], found: readonly CudaLibrary[], cuda: number): string {
  const libraries = missing.filter((name) => name !== DRIVER_LIBRARY);
  const nvidia = libraries.filter(isNvidia);
  const others = libraries.filter((name) => !isNvidia(name));
  // cuDNN does without NVRTC, but not as well.
  const compiler = found.filter(({ name, folder }) => folder === null && name.startsWith('libnvrtc')).map(({ name }) => name);
  return [
    ...(libraries.length < missing.length ? [`Driver: ${driverHelp(cuda)}.`] : []),
    ...(nvidia.length > 0 ? [`Libraries: ${installHelp([...nvidia, ...compiler], cuda)}; a folder of your own goes into LD_LIBRARY_PATH.`] : []),
    ...(others.length > 0 ? [`${others.join(', ')}: install the system's package.`] : []),
  ].join(' ');
}

interface Probed {
  readonly nodes: Readonly<Record<string, number>>;
  readonly error?: string;
  /** Why onnxruntime-node itself does not load. */
  readonly unloaded?: string;
  /** What the native code said on stderr. */
  readonly said: string;
}

function runProbe(provider: ProbedProvider, { entry }: Installation, environment: NodeJS.ProcessEnv): Promise<Probed> {
  const profile = profileFolder();
  const options = { env: environment, timeout: TIME_LIMIT_S * 1000, killSignal: 'SIGKILL', maxBuffer: 16 * 2 ** 20 } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', PROBE_SCRIPT, entry, provider, profile.prefix, PROBE_MODEL], options, (failure, stdout, said) => {
      try {
        // Nothing on stdout: the process ended before it could answer.
        const answer = JSON.parse(stdout.trim().split('\n').at(-1)! || '{}') as { error?: string; unloaded?: string };
        if (answer.unloaded !== undefined) resolve({ nodes: {}, unloaded: answer.unloaded, said });
        else if (answer.error !== undefined) resolve({ nodes: {}, error: answer.error, said });
        else if (failure?.killed) resolve({ nodes: {}, error: `it did not answer within ${TIME_LIMIT_S} seconds`, said });
        else if (failure) resolve({ nodes: {}, error: crashed(failure.signal ?? `exit code ${failure.code}`, said), said });
        else resolve({ nodes: profile.count(), said });
      } catch (error) {
        resolve({ nodes: {}, error: `its answer cannot be read (${String(error)})`, said });
      } finally {
        profile.remove();
      }
    });
  });
}

/**
 * `libcublasLt.so.13: cannot open shared object file`; cuDNN says of its parts `Unable to load any of {libcudnn_graph.so.9.1.0,
 * libcudnn_graph.so.9, libcudnn_graph.so}`. A name without a version is the last that was tried.
 */
function librariesIn(said: string): string[] {
  const absent = [...said.matchAll(/(?<![/\w])(lib[\w.+-]+?\.so[\w.]*): cannot open shared object file/g)].map((match) => match[1]!);
  const parts = [...said.matchAll(/Unable to load any of \{[^}]*?(lib\w+\.so\.\d+)[,}]/g)].map((match) => match[1]!);
  return [...absent.filter((name) => !/^libcudnn\.so$/.test(name)), ...parts];
}

const cudaFailure = (said: string): string | undefined => /CUDA failure \d+: [^;\n]+|CUDNN failure \d+: [^;\n]+/.exec(said)?.[0].trim();

function crashed(how: string, said: string): string {
  const words = lastWords(said);
  return `it crashes (${how})${words === '' ? '' : `; its last words: ${words}`}`;
}

/** Why Dawn, onnxruntime's WebGPU, does not take a GPU that is there: `Vulkan shaderUniform*ArrayDynamicIndexing required`. */
function refusedAdapters(said: string): string[] {
  return [...new Set([...said.matchAll(/^Warning: (.+?)\.?\n - While initializing adapter/gm)].map((match) => match[1]!))];
}

function reasonOf(error: string | undefined, nodes: Readonly<Record<string, number>>, said: string, missing: readonly string[]): string {
  const cuda = cudaFailure(`${error}\n${said}`);
  if (missing.length) return [`${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`, ...(cuda === undefined ? [] : [cuda])].join('; ');
  if (error === undefined) return `it loads, but every node ran on ${Object.keys(nodes).join(', ')}`;
  // What a library that does not load lacks is on stderr alone.
  const load = /with error: (.+)/.exec(said)?.[1]?.replace(/^\S*\/(?=lib)/, '');
  return cuda ?? [shortMessage(load ?? error), ...refusedAdapters(said)].join('; ');
}
