/** An ONNX file as anybody's exporter may have written it, read to be looked at and compared; never compiled. */

export interface FileModel {
  /** `pytorch 2.13.0` */
  readonly producer: string;
  readonly irVersion: number;
  /** Of ONNX's own operators. */
  readonly opset: number;
  /** Of other domains. */
  readonly domains: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Without initializers, which old files list among the inputs. */
  readonly inputs: readonly FilePort[];
  readonly outputs: readonly FilePort[];
  /** Without `Constant`: its tensors are among `tensors`. */
  readonly nodes: readonly FileNode[];
  /** Initializers and constants by name. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Model-local functions, `domain::name`. */
  readonly functions: readonly string[];
}

export interface FilePort {
  readonly name: string;
  /** `float32` */
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface FileNode {
  /** Of the file; `Conv_12` where it has none. */
  readonly name: string;
  readonly op: string;
  /** '' for ONNX's own. */
  readonly domain: string;
  /** Names of values; '' where an optional one is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly FileAttribute[];
}

export interface FileAttribute {
  readonly name: string;
  readonly text: string;
  /** Where it is one integer. */
  readonly integer?: number;
}

export interface FileTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A `Constant` node's, no initializer. */
  readonly constant: boolean;
  /**
   * All numbers; integers above 2^53 are rounded. Throws Problem('bad-model') when they are not there or of a type that
   * is no number.
   */
  read(): Float32Array | Float64Array;
}

export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
