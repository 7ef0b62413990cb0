/**
 * Everything that can go wrong for a user, as data: a closed code, a place in the text and a way out.
 * Formatting is at the end of this file; nothing here knows about terminals or processes.
 */

/** A text that errors can point into. */
export interface Source {
  readonly file: string;
  readonly text: string;
}

/** Offsets [start, end) into a source's text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Place {
  readonly source: Source;
  readonly span: Span;
  readonly layer?: { readonly index: number; readonly module: string };
}

/** Closed set: every code has a fixture in fixtures/errors or a test of its own. */
export const errorCodes = {
  'bad-yaml': 2, // the text is not the YAML of a model
  'missing-key': 2, // a key that the family needs is not there
  'bad-scale': 2, // a scale that the yaml does not have
  'unknown-module': 2,
  'unknown-name': 2, // an argument names a key that the yaml does not have
  'bad-from': 2,
  'bad-repeats': 2,
  'bad-argument': 2,
  'bad-channels': 2, // channel counts that do not fit the module or the layer before
  'bad-shape': 2, // feature maps that do not fit together
  'bad-imgsz': 2,
  'bad-option': 2, // an option of the command line or the API
  'bad-target': 2, // a --target that there is not, or a file that is none
  'bad-weights': 2,
  'bad-golden': 2,
  'bad-model': 2, // an .onnx file that cannot be read or run
  'too-large': 2, // more than a model can sensibly be
  'unreadable': 2, // a file cannot be read
  'unwritable': 2, // the target cannot be written
  'over-limit': 2, // a model that takes more time or memory to run than it may
  'missing-provider': 3, // an execution provider or library that the environment lacks
  'runtime-crash': 3, // native code took its process with it
  'aborted': 2,
  'internal': 70,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof errorCodes;

export interface ProblemDetails {
  readonly place?: Place | undefined;
  /** What to do about it, in one or two sentences. */
  readonly help?: string | undefined;
  readonly cause?: unknown;
}

/** The one error class that reaches a user. `message` states the fact alone; place and help stand beside it. */
export class Problem extends Error {
  readonly code: ErrorCode;
  readonly place: Place | undefined;
  readonly help: string | undefined;

  constructor(code: ErrorCode, message: string, details: ProblemDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Problem';
    this.code = code;
    this.place = details.place;
    this.help = details.help;
  }

  get exitCode(): number {
    return errorCodes[this.code];
  }
}

/** The same problem, told where it happened, when it did not know that itself. */
export function located(error: unknown, place: Place, help?: string): unknown {
  if (!(error instanceof Problem) || error.code === 'internal') return error;
  return new Problem(error.code, error.message, { place: error.place ?? place, help: error.help ?? help, cause: error.cause });
}

export function internal(message: string): Problem {
  return new Problem('internal', message, { help: 'This is a fault of yolonnx. Please report it with the yaml and the command.' });
}

/** Line and column (both from 1) of an offset. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

const MAX_SNIPPET = 120;

/**
 * The error as users read it:
 *
 *     error[bad-argument]: Conv stride must be at least 1, got 0
 *       --> models/mine.yaml:12:25 (layer 3, Conv)
 *        |   - [-1, 1, Conv, [64, 3, 0]]
 *        |                           ^
 *       help: Conv takes [out, kernel=1, stride=1]
 */
export function formatProblem(problem: Problem, severity: 'error' | 'warning' = 'error'): string {
  const lines = [`${severity}[${problem.code}]: ${problem.message}`];
  if (problem.place) lines.push(...formatPlace(problem.place));
  if (problem.help) lines.push(`  help: ${problem.help}`);
  return printable(lines.join('\n'));
}

/** Texts of files as a terminal may show them: without what would steer it or turn its lines round. Newlines and tabs stay. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

function formatPlace({ source, span, layer }: Place): string[] {
  const { line, column } = lineAndColumn(source.text, span.start);
  const where = layer ? ` (layer ${layer.index}, ${layer.module})` : '';
  const whole = (source.text.split('\n')[line - 1] ?? '').replace(/\r$/, '');
  // A very long line is cut around the place it is about.
  const from = column > MAX_SNIPPET - 20 ? column - 40 : 0;
  const shown = whole.slice(from, from + MAX_SNIPPET).replaceAll('\t', ' ');
  const width = Math.max(1, Math.min(span.end - span.start, shown.length - (column - 1 - from)));
  return [
    `  --> ${source.file}:${line}:${column}${where}`,
    `   | ${shown}`,
    `   | ${' '.repeat(Math.max(0, column - 1 - from))}${'^'.repeat(width)}`,
  ];
}

/** A name out of a file, on one line and not too long. */
export const quoted = (text: string): string => JSON.stringify(text.slice(0, 100)).slice(1, -1);

/** The names nearest to `name` (Damerau–Levenshtein, case ignored), best first; empty when nothing is near. */
export function nearest(name: string, names: Iterable<string>, limit = 1): string[] {
  const wanted = name.slice(0, 64).toLowerCase();
  return [...names]
    .filter((candidate) => candidate.length <= 64)
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3)))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
