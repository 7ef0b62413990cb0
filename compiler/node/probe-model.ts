/** The smallest model that shows whether a provider works. */

/**
 * y = MatMul(c, c), c = Conv(x, w): float32 x, c, y [1, 1, 2, 2], w [1, 1, 1, 1] = 2; opset 17, IR 8. Conv and MatMul
 * because they are what makes CUDA load cuDNN and cuBLAS.
 */
export const PROBE_MODEL =
  'CAgSB3lvbG9ubng6eAoPCgF4CgF3EgFjIgRDb252ChEKAWMKAWMSAXkiBk1hdE11bBIFcHJvYmUqEQoEAQEBARABIgQAAABAQgF3WhsKAXgSFgoUCAESEAoCCAEKAggB' +
  'CgIIAgoCCAJiGwoBeRIWChQIARIQCgIIAQoCCAEKAggCCgIIAkIECgAQEQ==';
