/**
 * Jest gives each test file a global object of its own, with typed arrays of its own; onnxruntime's native code makes
 * those of the process and its JavaScript then refuses them. Here tests share the process's typed arrays.
 */
import { TestEnvironment } from 'jest-environment-node';

const shared = {
  Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array,
  BigInt64Array, BigUint64Array, ArrayBuffer, DataView,
};

// onnxruntime's native code reads the environment of the process, of which tests have a copy.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

// Jest takes an environment from the default export.
export default class HostArraysEnvironment extends TestEnvironment {
  override async setup(): Promise<void> {
    await super.setup();
    Object.assign(this.global, shared);
  }
}
