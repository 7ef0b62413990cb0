/**
 * `yolonnx doctor --install-cuda`: puts onnxruntime's CUDA provider beside onnxruntime-node's own library, from its own
 * installer, a package index, a package or a folder. Both libraries appear whole, or none.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Problem } from '../errors.js';
import type { ByteSink, ByteSource } from '../io.js';
import { atomicFile, attempt, temporaryBeside, type AtomicFile } from './files.js';
import { get, networkProblem } from './https-get.js';
import { runInstaller } from './onnxruntime-installer.js';
import { REPAIR, type Installation } from './onnxruntime.js';
import { byHand, findWheel } from './package-index.js';
import { openPackage, type Piece } from './packed-libraries.js';
import { checkSharedLibrary, cudaSupported, CUDA_LIBRARY, opened, readProviderLibrary, SHARED_LIBRARY } from './provider-library.js';

/** In this order: the one that tells whether CUDA is installed comes last. */
const LIBRARIES = [SHARED_LIBRARY, CUDA_LIBRARY];
/** What they take, roughly; the wheel takes as much again while it is unpacked. */
const ROOM = 300e6;
/** A download that goes on is no wheel: that of 1.30.0 has 247 MB. */
const MAX_WHEEL = 1e9;

export interface InstallOptions {
  /** `pypi`, or a path: a wheel, a NuGet package, a library or a folder; default: onnxruntime-node's own installer. */
  readonly from?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** One line, for stderr. */
  readonly say?: (line: string) => void;
  /** Bytes of a download. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Installed {
  /** Of onnxruntime, and the CUDA that the provider links. */
  readonly version: string;
  readonly cuda: number;
  readonly folder: string;
}

/** Installs the CUDA provider. Throws Problem: 'missing-provider' where the environment is at fault, else what the path is. */
export async function installCuda(installation: Installation | undefined, { from, env = process.env, say = () => undefined, onProgress = () => undefined }: InstallOptions = {}): Promise<Installed> {
  if (!installation) throw new Problem('missing-provider', 'onnxruntime-node is not installed: there is nothing to add CUDA to', { help: 'npm install onnxruntime-node' });
  if (!cudaSupported()) throw new Problem('missing-provider', 'onnxruntime-node has CUDA for Linux on x64 only', { help: `This is ${process.platform} on ${process.arch}.` });
  if (from !== undefined && from !== 'pypi') return fromPath(from, installation);
  checkFolder(installation.libraries, from === 'pypi' ? 2 * ROOM : ROOM);
  if (from === undefined) return runInstaller(installation, { env, say }, (folder) => fromPath(folder, installation));
  return fromIndex(installation, { env, say, onProgress });
}

async function fromIndex(installation: Installation, { env, say, onProgress }: Required<Omit<InstallOptions, 'from'>>): Promise<Installed> {
  const { filename, url, sha256 } = await findWheel(installation.version, env);
  say(`${filename} from ${url.host}`);
  const file = inEnvironment(() => atomicFile(join(installation.libraries, basename(filename))));
  try {
    const answer = await get(url, '*/*', env);
    const hash = createHash('sha256');
    for await (const bytes of answer.body) {
      if (file.size + bytes.length > MAX_WHEEL) throw networkProblem(`${filename} from ${answer.url.host} is longer than a wheel can be (${megabytes(MAX_WHEEL)} MB)`, 'Check the address of the package index.');
      inEnvironment(() => file.write(bytes));
      hash.update(bytes);
      if (answer.length !== undefined) onProgress(file.size, answer.length);
    }
    inEnvironment(() => file.flush());
    const found = hash.digest('hex');
    if (found !== sha256) {
      throw new Problem('missing-provider', `${filename} is not what the index says: its sha256 is ${found}, and should be ${sha256}`, { help: `Try again; a proxy may change what passes. Or: ${byHand(installation.version)}.` });
    }
    return await fromPackage(file.temporary, installation, filename);
  } finally {
    file.abort();
  }
}

/** A package, a library or a folder. Throws Problem('unreadable' or 'bad-option') where it has not what is needed. */
async function fromPath(path: string, installation: Installation): Promise<Installed> {
  const stats = attempt('unreadable', path, () => statSync(path));
  if (stats.isDirectory()) return place(piecesIn(path), installation);
  if (/\.so(\.[\d.]+)?$/.test(path)) return place(piecesIn(dirname(path)), installation);
  if (/\.(tgz|tar\.gz|tar|zip)$/i.test(path)) throw new Problem('unreadable', `${path} is an archive`, { help: 'Unpack it first, and give its lib folder.' });
  return fromPackage(path, installation, path);
}

async function fromPackage(path: string, installation: Installation, title: string): Promise<Installed> {
  const { version, pieces, close } = await openPackage(path, LIBRARIES, title);
  try {
    if (version !== installation.version) throw otherVersion(title, version, installation);
    return await place(pieces, installation);
  } finally {
    close();
  }
}

const otherVersion = (what: string, version: string, installation: Installation): Problem =>
  new Problem('bad-option', `${what} is of onnxruntime ${version}, and onnxruntime-node is ${installation.version}: they do not fit together`, {
    help: `Take the one of ${installation.version} (${byHand(installation.version)}), or npm install onnxruntime-node@${version}.`,
  });

/** Where a folder may have the two: itself, Python's site-packages, an unpacked NuGet package or release of onnxruntime. */
const PLACES = ['', 'onnxruntime/capi', 'runtimes/linux-x64/native', 'lib'];

function piecesIn(folder: string): Piece[] {
  const place = PLACES.map((name) => join(folder, name)).find((inside) => existsSync(join(inside, CUDA_LIBRARY))) ?? folder;
  return LIBRARIES.map((name) => {
    const path = join(place, name);
    if (!existsSync(path)) throw new Problem('unreadable', `there is no ${name} in ${place}`, { help: `Both ${LIBRARIES.join(' and ')} are needed, of the same onnxruntime.` });
    const size = opened(path, (source) => source.size);
    return { name, origin: path, size, copy: (sink) => opened(path, (source) => copy(source, sink)) };
  });
}

const CHUNK = 4 * 2 ** 20;

function copy(source: ByteSource, sink: ByteSink): void {
  const chunk = new Uint8Array(Math.min(CHUNK, source.size));
  for (let at = 0; at < source.size; at += chunk.length) {
    const part = chunk.subarray(0, source.size - at);
    source.read(part, at);
    sink.write(part);
  }
}

/** Writes the libraries under temporary names, looks at what they are, and gives them their names. */
async function place(pieces: readonly Piece[], installation: Installation): Promise<Installed> {
  const { libraries: folder, version } = installation;
  checkFolder(folder, pieces.reduce((sum, { size }) => sum + size, 0));
  const files: AtomicFile[] = [];
  try {
    let cuda = 0;
    for (const { name, origin, copy: write } of pieces) {
      const file = inEnvironment(() => atomicFile(join(folder, name)));
      files.push(file);
      await write({ write: (bytes) => inEnvironment(() => file.write(bytes)) });
      inEnvironment(() => file.flush());
      cuda = opened(file.temporary, (source) => checked({ ...source, name: origin }, name, installation)) ?? cuda;
    }
    inEnvironment(() => commitAll(files, pieces.map(({ name }) => join(folder, name))));
    return { version, cuda, folder };
  } finally {
    for (const file of files) file.abort();
  }
}

/** The CUDA version of a provider; undefined for the other library. */
function checked(source: ByteSource, name: string, installation: Installation): number | undefined {
  if (name !== CUDA_LIBRARY) {
    checkSharedLibrary(source);
    return undefined;
  }
  const { version, cuda } = readProviderLibrary(source, installation.version);
  if (version !== installation.version) throw otherVersion(source.name, version ?? 'an unknown version', installation);
  return cuda;
}

/** What stood under the names before is put aside, and comes back should one of the new files not get its name. */
function commitAll(files: readonly AtomicFile[], targets: readonly string[]): void {
  const aside = new Map<string, string | undefined>();
  try {
    targets.forEach((target, i) => {
      const old = existsSync(target) ? temporaryBeside(target) : undefined;
      if (old !== undefined) attempt('unwritable', target, () => renameSync(target, old));
      aside.set(target, old);
      files[i]!.commit();
    });
  } catch (error) {
    for (const [target, old] of aside) {
      rmSync(target, { force: true });
      if (old !== undefined) renameSync(old, target);
    }
    throw error;
  }
  for (const old of aside.values()) if (old !== undefined) rmSync(old, { force: true });
}

function checkFolder(folder: string, bytes: number): void {
  inEnvironment(() => attempt('unwritable', join(folder, CUDA_LIBRARY), () => accessSync(folder, constants.W_OK)));
  const { bavail, bsize } = inEnvironment(() => attempt('unwritable', folder, () => statfsSync(folder)));
  // Some file systems tell nothing: 0.
  if (bavail > 0 && bavail * bsize < bytes) throw new Problem('missing-provider', `no room for CUDA's libraries in ${folder}: they take ${megabytes(bytes)} MB while they are installed, ${megabytes(bavail * bsize)} MB are free`, { help: 'Free some space.' });
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

/** A folder of onnxruntime-node's that cannot be written is the environment's fault, not the input's. */
function inEnvironment<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'unwritable') throw error;
    throw new Problem('missing-provider', error.message, { help: folderHelp(error), cause: error });
  }
}

/** The usual help is for a model's file, which its user names. */
function folderHelp({ message, help }: Problem): string | undefined {
  if (/may not write|read-only/.test(message)) return 'Run it as the user who installed onnxruntime-node, or install yolonnx in a project of yours.';
  if (message.endsWith(': it is a folder')) return 'Remove the folder, and run the command again.';
  return message.includes(': there is no folder ') ? REPAIR : help;
}
