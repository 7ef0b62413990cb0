/** What `yolonnx doctor` tells: which execution providers run here, and for CUDA all that it needs. */
import { printable } from '../errors.js';
import { DRIVER_LIBRARY, driverHelp, findLibraries, installHelp, isNvidia, leastDriver, systemSearch, type CudaLibrary, type Search } from './cuda-libraries.js';
import { findDriver, type NvidiaDriver } from './nvidia-driver.js';
import { findOnnxruntime, tf32Allowed, type Installation } from './onnxruntime.js';
import { cudaSupported, installedProvider } from './provider-library.js';
import { probed, probeProvider, type ProviderState } from './providers.js';

/** What `doctor --json` prints. */
export interface DoctorReport {
  readonly node: string;
  readonly platform: string;
  /** Its version; null when it is not installed. */
  readonly onnxruntime: string | null;
  readonly providers: readonly ProviderState[];
  readonly cuda: CudaReport;
}

export interface CudaReport {
  /** Whether onnxruntime-node has CUDA for this platform. */
  readonly supported: boolean;
  readonly driver: NvidiaDriver | null;
  /** onnxruntime's CUDA provider; null when none is installed. */
  readonly provider: {
    /** The onnxruntime that it belongs to, and the CUDA that it links; null where the file does not say so. */
    readonly version: string | null;
    readonly cuda: number | null;
    /** Why it cannot be used. */
    readonly fault: string | null;
  } | null;
  readonly libraries: readonly CheckedLibrary[];
  /** Where no provider is installed: which CUDA this machine has libraries of, to choose one by. */
  readonly available?: readonly { readonly cuda: number; readonly found: readonly string[]; readonly missing: readonly string[] }[];
  /** Whether NVIDIA's libraries may compute in TF32. */
  readonly tf32: boolean;
}

export interface CheckedLibrary extends CudaLibrary {
  /** How to get it, where it is missing. */
  readonly help?: string;
}

export async function doctorReport(): Promise<DoctorReport> {
  const installation = findOnnxruntime();
  const [cuda, ...providers] = await Promise.all([cudaReport(installation), ...probed.map(probeProvider)]);
  return { node: process.versions.node, platform: `${process.platform} ${process.arch}`, onnxruntime: installation?.version ?? null, providers, cuda };
}

/** What an installation needs for CUDA, and what of it is there. Never throws. */
export async function cudaReport(installation: Installation | undefined, search: Search = systemSearch()): Promise<CudaReport> {
  const tf32 = tf32Allowed();
  if (!cudaSupported()) return { supported: false, driver: null, provider: null, libraries: [], tf32 };
  const installed = installation && installedProvider(installation);
  const cuda = installed?.library?.cuda;
  const libraries = findLibraries(installed?.library ?? { needed: [DRIVER_LIBRARY], cuda: 0 }, installed?.folder ?? '.', search);
  const driver = await findDriver(libraries.find(({ name }) => name === DRIVER_LIBRARY)?.folder ?? null, search.env, search.root);
  const there = installed && (installed.library ?? installed.fault);
  return {
    supported: true,
    driver,
    provider: there ? { version: installed.library?.version ?? null, cuda: cuda ?? null, fault: installed.fault?.message ?? halfFault(installed.missing) } : null,
    libraries: cuda === undefined ? libraries.filter(({ name }) => name === DRIVER_LIBRARY) : libraries.map((library) => checked(library, cuda)),
    ...(there ? {} : { available: MAJORS.map((major) => availableOf(major, installed?.folder ?? '.', search)) }),
    tf32,
  };
}

/** What providers of onnxruntime are built for today. */
const MAJORS = [12, 13] as const;

function availableOf(cuda: number, folder: string, search: Search): NonNullable<CudaReport['available']>[number] {
  const needed = ['libcublasLt', 'libcublas', 'libcudart'].map((name) => `${name}.so.${cuda}`);
  const libraries = findLibraries({ cuda, needed: [...needed, 'libcurand.so.10'] }, folder, search).filter(({ name, use }) => name !== DRIVER_LIBRARY && use !== 'optional');
  const names = (there: boolean): string[] => libraries.filter((library) => (library.folder !== null) === there).map(({ name }) => name);
  return { cuda, found: names(true), missing: names(false) };
}

const halfFault = (missing: readonly string[]): string | null => (missing.length === 0 ? null : `${missing.join(', ')} is missing`);

function checked(library: CudaLibrary, cuda: number): CheckedLibrary {
  if (library.folder !== null) return library;
  if (library.name === DRIVER_LIBRARY) return { ...library, help: driverHelp(cuda) };
  return { ...library, help: isNvidia(library.name) ? installHelp([library.name], cuda) : "install the system's package" };
}

/** The report as text, for a terminal. */
export function doctorText({ node, platform, onnxruntime, providers, cuda }: DoctorReport): string {
  return printable([`Node ${node} on ${platform}, onnxruntime-node ${onnxruntime ?? 'not installed'}`, ...providers.flatMap(providerLines), 'CUDA', ...cudaLines(cuda, onnxruntime)].join('\n'));
}

function providerLines({ provider, usable, missing, reason, help }: ProviderState): string[] {
  const label = provider.padEnd(7);
  if (usable) return [`  ${label} usable`];
  return [
    `  ${label} not usable: ${reason ?? 'unknown reason'}`,
    ...(missing.length && !missing.every((name) => reason?.includes(name)) ? [`          missing: ${missing.join(', ')}`] : []),
    ...(help === undefined ? [] : [`          ${help}`]),
  ];
}

function cudaLines({ supported, driver, provider, libraries, available = [], tf32 }: CudaReport, onnxruntime: string | null): string[] {
  if (!supported || driver === null) return ['  onnxruntime-node has CUDA for Linux on x64 only; elsewhere models run on the CPU, or with webgpu'];
  const rows: (readonly [label: string, line: string])[] = [
    ['driver', driverLine(driver, libraries, provider?.cuda ?? undefined)],
    ['GPU', gpuLine(driver)],
    ['provider', provider ? providerLine(provider, onnxruntime) : 'not installed: yolonnx doctor --install-cuda (for CUDA 12), yolonnx doctor --install-cuda --from pypi (for CUDA 13)'],
    ...available.map(({ cuda, found, missing }) => [`CUDA ${cuda}`, found.length === 0 ? 'none of its libraries are here' : `${found.join(', ')} here${missing.length === 0 ? ', all that its provider needs' : `; not here: ${missing.join(', ')}`}`] as const),
    ...libraries.filter(shown).map((library, i, all) => [library.name, libraryLine(library, all.findIndex(({ folder }) => folder === library.folder) === i)] as const),
    ['TF32', tf32 ? 'on (NVIDIA_TF32_OVERRIDE is set, and not to 0): results are compared within its bounds only' : 'off (yolonnx sets NVIDIA_TF32_OVERRIDE=0 unless it is set)'],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, line]) => `  ${label.padEnd(width)}  ${line}`);
}

/** The driver's library has a line of its own; what every system has is only told where it is missing. */
const shown = ({ name, folder }: CudaLibrary): boolean => name !== DRIVER_LIBRARY && (isNvidia(name) || folder === null);

function driverLine({ version, libraryVersion }: NvidiaDriver, libraries: readonly CheckedLibrary[], cuda: number | undefined): string {
  const library = libraries.find(({ name }) => name === DRIVER_LIBRARY);
  const where = library?.folder == null ? 'libcuda.so.1 is missing' : `libcuda.so.1 ${place(library)}`;
  if (version === null) return library?.folder == null ? `not found, ${where}: ${driverHelp(cuda)}` : `${where}, but its kernel module is not loaded (no /proc/driver/nvidia)`;
  if (libraryVersion !== null && libraryVersion !== version) return `${version}, but libcuda.so.1 is of ${libraryVersion}: restart the machine after an update of the driver`;
  const least = cuda === undefined ? undefined : leastDriver(cuda);
  if (least !== undefined && Number.parseInt(version) < least) return `${version} is too old for CUDA ${cuda!}, which needs ${least} or later: update it${cuda! > 12 ? ', or take the libraries for CUDA 12 (yolonnx doctor --install-cuda)' : ''}`;
  if (library?.folder == null) return `${version}, but ${where}: in a container, start it with GPU access (docker run --gpus all, NVIDIA_DRIVER_CAPABILITIES=compute,utility)`;
  return `${version}, ${where}`;
}

function gpuLine({ gpus, devices, container, visible }: NvidiaDriver): string {
  const hidden = visible === null ? '' : ` (CUDA_VISIBLE_DEVICES=${visible})`;
  if (devices.length === 0) {
    const help = container ? 'this container may have been started without GPU access' : 'there is no NVIDIA GPU, or its driver is not loaded';
    return `none seen: no device file such as /dev/nvidia0; ${help}`;
  }
  if (gpus.length === 0) return `${devices.join(', ')} there, but the driver names no GPU: check with nvidia-smi${hidden}`;
  return `${gpus.map(({ name, computeCapability }) => (computeCapability === null ? name : `${name} (compute capability ${computeCapability})`)).join(', ')}${hidden}`;
}

function providerLine({ version, cuda, fault }: NonNullable<CudaReport['provider']>, onnxruntime: string | null): string {
  if (fault !== null) return `not usable: ${fault}`;
  return `of onnxruntime ${version ?? 'an unknown version'}${version === onnxruntime ? '' : ` (onnxruntime-node is ${onnxruntime ?? 'missing'})`}, for CUDA ${cuda ?? '?'}`;
}

function libraryLine(library: CheckedLibrary, first: boolean): string {
  return library.folder === null ? `missing${purposeOf(library)}: ${library.help ?? ''}` : place(library, first);
}

function purposeOf({ name, use }: CudaLibrary): string {
  if (use === 'linked') return '';
  if (use === 'loaded') return name.startsWith('libcudnn') ? ' (convolutions need it)' : '';
  return name.startsWith('libnvrtc') ? ' (optional: cuDNN compiles some kernels with it)' : ' (optional: the models here do without)';
}

/** What a folder off the loader's path means is told once for each. */
function place({ folder, onLoaderPath }: CudaLibrary, first = true): string {
  if (folder === null) return 'missing';
  if (onLoaderPath) return `found in ${folder}`;
  return first ? `found in ${folder} (not on the loader's path: yolonnx adds it; your own programs need LD_LIBRARY_PATH=${folder})` : `found in ${folder} (not on the loader's path)`;
}
