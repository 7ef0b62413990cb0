/** What CUDA's own error numbers mean for a user. */
import { driverHelp, leastDriver } from './cuda-libraries.js';

/** What to do about `CUDA failure 35: ...`, or about a failure that is none of CUDA's. */
export function cudaFailureHelp(said: string, cuda: number): string {
  switch (Number(/CUDA failure (\d+)/.exec(said)?.[1])) {
    case 2:
      return 'The GPU has no memory left: end what else runs there (nvidia-smi lists it), or choose another with CUDA_VISIBLE_DEVICES.';
    case 34:
      return `libcuda.so.1 is the toolkit's stub, which is for linking only: take its folder out of LD_LIBRARY_PATH, and ${driverHelp(cuda)}.`;
    case 35:
      return `The NVIDIA driver is older than CUDA ${cuda} needs: update it${least(cuda)}${cuda > 12 ? ', or take the libraries for CUDA 12 (yolonnx doctor --install-cuda), which run from driver 525 on' : ''}.`;
    case 46:
      return 'Another process has the GPU for itself: end it (nvidia-smi lists it), or set the compute mode to default.';
    case 100:
      return 'No GPU is seen: check nvidia-smi and CUDA_VISIBLE_DEVICES; a container must be started with GPU access (docker run --gpus all).';
    case 209:
      return `The GPU is too old for these libraries (CUDA 13 ends with compute capability 7.5)${cuda > 12 ? ': take those for CUDA 12 (yolonnx doctor --install-cuda)' : ''}.`;
    case 802:
      return 'The GPUs are not ready: the NVIDIA Fabric Manager must run, in the version of the driver.';
    case 803:
      return 'The driver’s kernel module and its libraries are of different versions: restart the machine after an update of the driver; in a container, start it anew.';
    case 804:
      return 'This GPU does not take the forward-compatible libcuda.so.1: take its folder (cuda/compat) out of LD_LIBRARY_PATH, or update the driver.';
    default:
      return 'Check with nvidia-smi that a GPU is there and free.';
  }
}

function least(cuda: number): string {
  const version = leastDriver(cuda);
  return version === undefined ? '' : ` (${version} or later)`;
}
