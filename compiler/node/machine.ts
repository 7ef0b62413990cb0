/** The machine that something ran on, for reports. */
import { execFile } from 'node:child_process';
import { arch, cpus, release, totalmem, type } from 'node:os';

/** `AMD EPYC 9B14, 2 cores, 23.4 GiB, Linux 6.1 x64` */
export function machine(): string {
  const cores = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  return `${cores[0]?.model.trim() ?? 'unknown processor'}, ${cores.length} cores, ${memory}, ${type()} ${release().replace(/^(\d+\.\d+).*/, '$1')} ${arch()}`;
}

/** `NVIDIA H200, driver 570.1`; undefined where nvidia-smi does not tell. */
export function gpu(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'], { timeout: 10_000 }, (error, stdout) => {
      const [name, driver] = stdout.split('\n')[0]!.split(',').map((word) => word.trim());
      resolve(error || !name ? undefined : `${name}${driver ? `, driver ${driver}` : ''}`);
    });
  });
}
