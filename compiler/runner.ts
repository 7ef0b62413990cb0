/** What the verifier needs of a runtime. compiler/node/runner.ts implements it with onnxruntime-node. */

/** What a user may ask for. `auto`: CUDA where it works, else the CPU. */
export const providers = ['auto', 'cuda', 'cpu', 'webgpu'] as const;
export type Provider = (typeof providers)[number];

export interface Tensor {
  /** float32, whatever the model's own input or output type: the runner converts. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Bytes that all inputs, or all outputs, of a run may take as float32. */
export const LARGEST = 1.5 * 2 ** 30;

export interface Port {
  readonly name: string;
  /** A name where the size is only known when run. */
  readonly shape: readonly (number | string)[];
  /** The element type, `float32`; `none` where it is no tensor. */
  readonly type: string;
}

/** What can be said of a tensor without its numbers. */
export interface Statistics {
  readonly type: string;
  readonly shape: readonly number[];
  /** Smallest and largest finite number; null where there is none. */
  readonly range: readonly [least: number, most: number] | null;
  readonly nan: number;
  readonly infinite: number;
}

/** A node as the runtime ran it: its own optimizer may have made one of several, or one of its own. */
export interface Kernel {
  readonly name: string;
  readonly op: string;
  /** Execution provider, such as CUDAExecutionProvider. */
  readonly provider: string;
  /** Median over the runs. */
  readonly milliseconds: number;
  readonly inputs: readonly TypedShape[];
  readonly outputs: readonly TypedShape[];
}

export interface TypedShape {
  readonly type: string;
  readonly shape: readonly number[];
}

/** What a session really did, from the runtime's own profile. */
export interface Ran {
  /** Nodes by execution provider, such as CUDAExecutionProvider. */
  readonly nodes: Readonly<Record<string, number>>;
  /** In the order they first ran; copies between devices are left out. */
  readonly kernels: readonly Kernel[];
  /** Copies between devices. */
  readonly copies: number;
  /** Whether CUDA may have rounded factors to TF32; undefined when CUDA ran nothing. */
  readonly tf32?: boolean;
  /** Nodes that ran on the CPU though another provider was asked for. */
  readonly fellBack: readonly Kernel[];
  /** What the user should know: a fall-back and its reason. */
  readonly notes: readonly string[];
}

/** A model to load: the path of a file, its bytes, or a file with more bytes after its own. */
export type Loadable = string | Uint8Array | { readonly file: string; readonly append: Uint8Array };

export type Feeds = ReadonlyMap<string, Tensor>;

export interface Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs once; gives all outputs, or the named ones. Throws Problem('bad-model') with the runtime's reason,
   * 'runtime-crash' when it took its process with it, 'over-limit' when it took too long or too much memory.
   */
  run(feeds: Feeds, outputs?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  /** As `run`, for outputs whose numbers are not wanted. */
  survey(feeds: Feeds, outputs: readonly string[]): Promise<ReadonlyMap<string, Statistics>>;
  /** Ends profiling; `run` must not be called afterwards. */
  finish(): Promise<Ran>;
  /** Frees the session and its temporary files; may be called at any time, also twice. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** onnxruntime's own optimizer; without it nodes keep their names. Default: as the runner was made. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
}

export interface Runner {
  /**
   * Loads a model. External data is looked for beside the file.
   * Throws Problem('bad-model') when the runtime refuses it, 'missing-provider' when the provider cannot run here,
   * 'runtime-crash' and 'over-limit' as `Session.run` does.
   */
  open(model: Loadable, provider: Provider, options?: OpenOptions): Promise<Session>;
  /** Makes ready what the first `open` needs, while others are still busy. */
  start(): void;
  /** The runner is done with; no session may be open. It may be used again. */
  close(): void;
}
