/** The small interfaces through which the compiler touches files, so that it also runs in a browser page. */

/** A file to read ranges from. Reads are synchronous: the compiler reads small chunks, once. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Fills `into` with the bytes from offset `at` on. Throws Problem('unreadable') when they are not there. */
  read(into: Uint8Array, at: number): void;
}

/** Where a file's bytes go, in order. The bytes are only valid during the call. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** Where a model's bytes go. */
export interface ModelSink extends ByteSink {
  /**
   * Opens the file of the model's external data, of `bytes` bytes: at most once, before anything is written. Absent
   * where the model has no file that another could lie beside.
   */
  external?(bytes: number): DataSink;
}

export interface DataSink {
  /** The file's name beside the model. */
  readonly location: string;
  readonly sink: ByteSink;
}
