/** What the process that runs models is asked, and answers. Messages are cloned between processes, typed arrays included. */
import type { Kernel, Port, Statistics, Tensor } from '../../runner.js';

export interface OpenRequest {
  readonly model: string;
  /** Bytes that follow the file's own. */
  readonly append?: Uint8Array;
  /** As onnxruntime is told. */
  readonly provider: string;
  readonly optimization: 'disabled' | 'basic' | 'extended' | 'all';
  /** The profile's files begin with this. */
  readonly profile: string;
}

export interface RunRequest {
  readonly feeds: readonly (readonly [name: string, tensor: Tensor])[];
  /** Default: all of the model's. */
  readonly outputs?: readonly string[];
  /** Only what can be said of each output comes back, not its numbers. */
  readonly statistics: boolean;
}

/** Requests by name: what they take, what they give. One is answered before the next is made. */
export interface Requests {
  open: { readonly takes: OpenRequest; readonly gives: { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] } };
  run: { readonly takes: RunRequest; readonly gives: { readonly tensors: readonly (readonly [name: string, tensor: Tensor])[]; readonly statistics: readonly (readonly [name: string, statistics: Statistics])[] } };
  finish: { readonly takes: null; readonly gives: { readonly kernels: readonly Kernel[]; readonly copies: number } };
  /** Gives the process's resident memory in bytes. */
  close: { readonly takes: null; readonly gives: number };
}

export type RequestName = keyof Requests;

export interface Request<N extends RequestName = RequestName> {
  readonly name: N;
  readonly takes: Requests[N]['takes'];
}

export type Answer = { readonly gives: unknown } | { readonly problem: { readonly code: 'bad-model' | 'missing-provider' | 'internal'; readonly message: string; readonly help?: string } };

/** How the process is started: the memory in bytes that it may take. */
export const MEMORY_VARIABLE = 'YOLONNX_RUNTIME_MEMORY';

/** What the watchdog says on stderr before it ends the process. */
export const OVER_MEMORY = 'yolonnx-runtime: over the memory limit';
