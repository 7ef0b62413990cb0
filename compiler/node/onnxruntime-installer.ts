/**
 * Runs onnxruntime-node's own installer, which fetches the CUDA 12 libraries from NuGet. It runs in a copy of its folder
 * layout in a temporary folder: it writes over its target in place, and would leave half a library when it is stopped.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { Problem } from '../errors.js';
import { kept, removeAtExit } from './leftovers.js';
import { cudaInstallCommand, type Installation } from './onnxruntime.js';
import { CUDA_LIBRARY } from './provider-library.js';

interface Options {
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** Calls `use` with the folder that has what was fetched, which is gone afterwards. Throws Problem('missing-provider'). */
export async function runInstaller<T>(installation: Installation, options: Options, use: (folder: string) => Promise<T>): Promise<T> {
  const root = dirname(dirname(installation.entry));
  const scratch = mkdtempSync(join(tmpdir(), `yolonnx-cuda-${process.pid}-`));
  removeAtExit(scratch);
  try {
    cpSync(join(root, 'script'), join(scratch, 'script'), { recursive: true });
    mkdirSync(join(scratch, 'tmp'));
    await run(installation, root, scratch, options);
    const fetched = join(scratch, relative(root, installation.libraries));
    // It ends so where a proxy hangs up.
    if (!existsSync(join(fetched, CUDA_LIBRARY))) throw failed(installation, 'Error: it ended without an error, but fetched nothing', 0);
    return await use(fetched);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    kept(scratch);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function run(installation: Installation, root: string, scratch: string, { env, say }: Options): Promise<void> {
  const proxy = env.GLOBAL_AGENT_HTTPS_PROXY ?? env.HTTPS_PROXY ?? env.https_proxy;
  const child = spawn(process.execPath, [join(scratch, 'script', 'install.js')], {
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...env,
      ONNXRUNTIME_NODE_INSTALL: 'true',
      TMPDIR: join(scratch, 'tmp'),
      // What the script requires lies beside the package, or in it.
      NODE_PATH: [join(root, 'node_modules'), dirname(root)].join(delimiter),
      ...(proxy ? { GLOBAL_AGENT_HTTPS_PROXY: proxy } : {}),
    },
  });
  const stop = (signal: NodeJS.Signals): void => {
    child.kill(signal);
    for (const each of SIGNALS) process.off(each, stop);
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    createInterface({ input: child.stdout }).on('line', say);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-20_000)));
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    if (code !== 0) throw failed(installation, said, code);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

function failed(installation: Installation, said: string, code: number | null): Problem {
  const message = lastWords(said) ?? `it ended with ${code === null ? 'a signal' : `exit code ${code}`}`;
  const unreached = /ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOSTUNREACH|HTTP status|fetched nothing/.test(message);
  const help = unreached
    ? 'It needs api.nuget.org. yolonnx doctor --install-cuda --from pypi takes the libraries for CUDA 13 from PyPI, --from PATH a package from a disk.'
    : `Run it yourself to see more: ${cudaInstallCommand(installation)}`;
  return new Problem('missing-provider', `onnxruntime-node's installer failed: ${message}`, { help });
}

/** `Error: getaddrinfo ENOTFOUND api.nuget.org`, without the stack and the source around it. */
function lastWords(said: string): string | undefined {
  const lines = said.split('\n').map((line) => line.trim());
  const error = lines.findLast((line) => /^(\w*Error|Error \[\w+\]): ./.test(line));
  const words = error ?? lines.findLast((line) => line !== '' && !line.startsWith('at ') && !/^Node\.js v|^[{}^]$/.test(line));
  return words?.replace(/^\w*Error: /, '').slice(0, 300);
}
