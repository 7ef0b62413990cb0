/** A command as data, so that yargs stays in main.ts, and what all commands share. */
import type { Options, PositionalOptions } from 'yargs';
import { formatProblem, type Problem } from '../compiler/errors.js';
import type { Io } from './io.js';

export interface Command<O> {
  /** As yargs writes it: `compile [model]`. */
  readonly usage: string;
  readonly describe: string;
  readonly positionals: Readonly<Record<string, PositionalOptions>>;
  readonly options: Readonly<Record<string, Options>>;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Returns the exit code. */
  run(options: O, io: Io): Promise<number>;
}

/** Options that several commands have. */
export const shared = {
  json: { type: 'boolean', default: false, describe: 'print one JSON document' },
  scale: { type: 'string', describe: 'scale of the model, a key of its scales; default: from the file name, else the yaml' },
  imgsz: { type: 'string', default: '640', describe: 'image size: one number, or height and width (480 640 or 480x640)' },
  nc: { type: 'number', describe: 'number of classes; default: the yaml’s' },
  family: { type: 'string', choices: ['yolov5', 'ultralytics'], describe: 'whose spelling a lone module’s name and arguments are; default: yolov5' },
} as const satisfies Record<string, Options>;

/** The options under a heading of their own in the help text. */
export const inGroup = (group: string, options: Readonly<Record<string, Options>>): Record<string, Options> => Object.fromEntries(Object.entries(options).map(([name, option]) => [name, { ...option, group }]));

/** Says warnings on stderr. */
export const sayWarnings =
  (io: Io) =>
  (warning: Problem): void =>
    io.err(formatProblem(warning, 'warning'));

/** Characters that JSON may hold as they are, and that steer terminals, are escaped. */
export const printJson = (io: Io, document: unknown): void =>
  io.out(JSON.stringify(document, null, 2).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`));
