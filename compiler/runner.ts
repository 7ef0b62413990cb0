/** What the verifier needs of a runtime. compiler/node/runner.ts implements it with onnxruntime-node. */

/** What a user may ask for. `auto`: CUDA where it works, else the CPU. */
export const providers = ['auto', 'cuda', 'cpu', 'webgpu'] as const;
export type Provider = (typeof providers)[number];

export interface Tensor {
  /** float32, whatever the model's own input or output type: the runner converts. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface Port {
  readonly name: string;
  /** A name where the size is only known when run. */
  readonly shape: readonly (number | string)[];
}

/** What a session really did, from the runtime's own profile. */
export interface Ran {
  /** Nodes by execution provider, such as CUDAExecutionProvider. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Whether CUDA may have rounded factors to TF32; undefined when CUDA ran nothing. */
  readonly tf32?: boolean;
  /** What the user should know: a fall-back and its reason. */
  readonly notes: readonly string[];
}

/** A model to load: the path of a file, its bytes, or its bytes with the folder of its external data. */
export type Loadable = string | Uint8Array | { readonly bytes: Uint8Array; readonly folder: string };

export interface Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Runs once. Throws Problem('bad-model') with the runtime's reason. */
  run(feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
  /** Ends profiling; `run` must not be called afterwards. */
  finish(): Promise<Ran>;
  /** Frees the session and its temporary files; may be called at any time, also twice. */
  close(): Promise<void>;
}

export interface Runner {
  /**
   * Loads a model. External data is looked for beside the file, or in the folder.
   * Throws Problem('bad-model') when the runtime refuses it, Problem('missing-provider') when the provider cannot run here.
   */
  open(model: Loadable, provider: Provider): Promise<Session>;
}
