/** `yolonnx doctor`: which execution providers can really run here, and what the others lack. */
import { shared, type Command } from './command.js';
import type { Io } from './io.js';
import { progressBar } from './progress.js';

interface Options {
  readonly json: boolean;
  readonly installCuda: boolean;
  readonly from?: string;
}

export const doctorCommand: Command<Options> = {
  usage: 'doctor',
  describe: 'Say which execution providers can run here, and what the others lack (exit code 3: not even the CPU can)',
  positionals: {},
  options: {
    'install-cuda': { type: 'boolean', default: false, describe: "install the CUDA libraries that npm leaves out, with onnxruntime-node's own installer (from NuGet, for CUDA 12)" },
    from: {
      type: 'string',
      describe:
        'where --install-cuda takes them: pypi (the onnxruntime-gpu of the same version, for CUDA 13; PIP_INDEX_URL or UV_DEFAULT_INDEX names another index, HTTPS_PROXY a proxy), or the path of a wheel, a .nupkg, the .so or its folder',
    },
    json: shared.json,
  },
  examples: [
    ['$0 doctor --install-cuda --from pypi', 'CUDA 13, from PyPI'],
    ['$0 doctor --install-cuda --from onnxruntime_gpu.whl', 'without a network: a file that pip download fetched elsewhere'],
  ],
  /** Exit code: 0, or 3 when not even the CPU can run models. */
  async run({ json, installCuda, from }, io) {
    const { doctorReport, doctorText } = await import('../compiler/node/doctor.js');
    if (installCuda || from !== undefined) await install(installCuda, from, io);
    const report = await doctorReport();
    io.out(json ? JSON.stringify(report, null, 2) : doctorText(report));
    return report.providers.some(({ provider, usable }) => provider === 'cpu' && usable) ? 0 : 3;
  },
};

async function install(installCuda: boolean, from: string | undefined, io: Io): Promise<void> {
  if (!installCuda) {
    const { Problem } = await import('../compiler/errors.js');
    throw new Problem('bad-option', '--from is where --install-cuda takes the libraries from, and that is not given', { help: 'yolonnx doctor --install-cuda --from ...' });
  }
  const { installCuda: run } = await import('../compiler/node/install-cuda.js');
  const { findOnnxruntime } = await import('../compiler/node/onnxruntime.js');
  const bar = await progressBar(io);
  try {
    const { version, cuda, folder } = await run(findOnnxruntime(), { ...(from === undefined ? {} : { from }), say: io.err, onProgress: (done, total) => bar.show('download', done, total) });
    bar.stop();
    io.err(`installed in ${folder}: the CUDA provider of onnxruntime ${version}, for CUDA ${cuda}`);
  } finally {
    bar.stop();
  }
}
