/** Which execution providers can really run here, found out by running a small model on each. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cudaInstallCommand, cudaLibrary, findOnnxruntime, type Installation } from './onnxruntime.js';
import { profileFolder } from './profile.js';

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

/**
 * y = MatMul(c, c), c = Conv(x, w): float32 x, c, y [1, 1, 2, 2], w [1, 1, 1, 1] = 2; opset 17, IR 8. Conv and MatMul
 * because they are what makes CUDA load cuDNN and cuBLAS.
 */
export const PROBE_MODEL =
  'CAgSB3lvbG9ubng6eAoPCgF4CgF3EgFjIgRDb252ChEKAWMKAWMSAXkiBk1hdE11bBIFcHJvYmUqEQoEAQEBARABIgQAAABAQgF3WhsKAXgSFgoUCAESEAoCCAEKAggB' +
  'CgIIAgoCCAJiGwoBeRIWChQIARIQCgIIAQoCCAEKAggCCgIIAkIECgAQEQ==';

/** Runs in a process of its own: native code may crash, and says why a library does not load on stderr alone. */
const PROBE_SCRIPT = `
const [entry, provider, prefix, model] = process.argv.slice(1);
const ort = require(entry);
ort.env.logLevel = 'warning';
(async () => {
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
  if (provider === 'cuda' && !cudaLibrary(installation).there) return withoutLibrary(cudaLibrary(installation).name, installation);
  const { nodes, error, said } = await runProbe(provider, installation);
  if (error === undefined && nodes[names[provider]]) return { provider, usable: true, missing: [] };
  const missing = [...new Set([...librariesIn(said), ...(provider === 'cuda' ? await unresolved(installation) : [])])];
  const reason = error === undefined ? `it loads, but every node ran on ${Object.keys(nodes).join(', ')}` : reasonOf(error, said, missing);
  const help = helpFor(provider, missing, said, installation);
  return { provider, usable: false, missing, reason, ...(help === undefined ? {} : { help }) };
}

function withoutLibrary(name: string, installation: Installation): ProviderState {
  const supported = process.platform === 'linux' && process.arch === 'x64';
  return {
    provider: 'cuda',
    usable: false,
    missing: [name],
    reason: `${name} is missing: npm installs onnxruntime-node without its CUDA libraries`,
    help: supported ? `Run: ${cudaInstallCommand(installation)}` : `onnxruntime-node has CUDA for Linux on x64 only, this is ${process.platform} on ${process.arch}.`,
  };
}

interface Probed {
  readonly nodes: Readonly<Record<string, number>>;
  readonly error?: string;
  /** What the native code said on stderr. */
  readonly said: string;
}

function runProbe(provider: ProbedProvider, { entry }: Installation): Promise<Probed> {
  const profile = profileFolder();
  const env = { ...process.env, NVIDIA_TF32_OVERRIDE: process.env.NVIDIA_TF32_OVERRIDE ?? '0' };
  const options = { env, timeout: TIME_LIMIT_S * 1000, killSignal: 'SIGKILL', maxBuffer: 16 * 2 ** 20 } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', PROBE_SCRIPT, entry, provider, profile.prefix, PROBE_MODEL], options, (failure, stdout, said) => {
      try {
        // Nothing on stdout: the process ended before it could answer.
        const answer = JSON.parse(stdout.trim().split('\n').at(-1)! || '{}') as { error?: string };
        if (answer.error !== undefined) resolve({ nodes: {}, error: answer.error, said });
        else if (failure?.killed) resolve({ nodes: {}, error: `it did not answer within ${TIME_LIMIT_S} seconds`, said });
        else if (failure) resolve({ nodes: {}, error: `it ended the process (${failure.signal ?? `exit code ${failure.code}`})`, said });
        else resolve({ nodes: profile.count(), said });
      } catch (error) {
        resolve({ nodes: {}, error: `its answer cannot be read (${String(error)})`, said });
      } finally {
        profile.remove();
      }
    });
  });
}

/** `libcublasLt.so.13: cannot open shared object file` */
function librariesIn(said: string): string[] {
  return [...said.matchAll(/(lib[\w.+-]+?\.so[\w.]*): cannot open shared object file/g)].map((match) => match[1]!);
}

/** All that the CUDA library links to and the system does not have; the loader itself names the first one only. */
function unresolved(installation: Installation): Promise<string[]> {
  if (process.platform !== 'linux') return Promise.resolve([]);
  return new Promise((resolve) => {
    execFile('ldd', [cudaLibrary(installation).path], { timeout: 10_000 }, (_, stdout) => {
      const lacking = [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!);
      resolve(lacking.filter((name) => !existsSync(join(installation.libraries, name))));
    });
  });
}

function reasonOf(error: string, said: string, missing: readonly string[]): string {
  if (missing.length) return `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`;
  const cuda = /CUDA failure \d+: [^;\n]+|CUDNN failure \d+: [^;\n]+/.exec(`${error}\n${said}`)?.[0].trim();
  return cuda ?? shortMessage(error);
}

function helpFor(provider: ProbedProvider, missing: readonly string[], said: string, installation: Installation): string | undefined {
  const has = (pattern: RegExp): RegExpExecArray | null => pattern.exec(missing.join('\n'));
  if (provider === 'webgpu') return has(/libvulkan/) ? "Install a Vulkan loader (libvulkan1) and the GPU's Vulkan driver." : 'WebGPU needs a GPU with a driver for Vulkan, Metal or Direct3D 12.';
  if (provider === 'cpu') return 'npm rebuild onnxruntime-node repairs a damaged installation.';
  if (has(/libonnxruntime_/)) return `Run: ${cudaInstallCommand(installation)}`;
  if (has(/libcuda\.so/)) return 'Install the NVIDIA driver; in a container, start it with GPU access (docker run --gpus all).';
  const toolkit = has(/lib(?:cublas|cublasLt|cudart|nvrtc)\.so\.(\d+)/)?.[1];
  if (toolkit) return `Install the CUDA ${toolkit} runtime libraries (cuBLAS, cuRAND, cuFFT) and cuDNN 9, and name their folders in LD_LIBRARY_PATH.`;
  const cudnn = has(/libcudnn\w*\.so\.(\d+)/)?.[1];
  if (cudnn) return `Install cuDNN ${cudnn}, and name its folder in LD_LIBRARY_PATH.`;
  if (missing.length) return 'Install them, and name their folders in LD_LIBRARY_PATH.';
  if (said.includes('driver version is insufficient')) return 'The NVIDIA driver is older than the CUDA libraries: update it.';
  return 'Check with nvidia-smi that a GPU is there and free.';
}

/** An onnxruntime message without its own source positions: one line, at most 300 characters. */
export function shortMessage(message: string): string {
  const line = message
    .replace(/^\/\S+onnxruntime\S*:\d+ [\s\S]*? was false\. /, '')
    .replace(/\/onnxruntime_src\/\S+ /g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 300 ? `${line.slice(0, 297)}...` : line;
}
