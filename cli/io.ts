/** Where a command speaks. */
export interface Io {
  /** stdout: results alone. Adds the final newline. */
  out(text: string): void;
  /** stderr: everything said. Adds the final newline. */
  err(text: string): void;
  /** Whether stderr is a terminal: progress bars are only drawn there. */
  readonly isTty: boolean;
}
