/** The entry of the command line: the only file that knows yargs. */
import yargs, { type Argv } from 'yargs';
import { Problem, formatProblem, quoted } from '../compiler/errors.js';
import { compileCommand } from './compile.js';
import type { Command } from './command.js';
import { diffCommand } from './diff.js';
import { doctorCommand } from './doctor.js';
import { modulesCommand } from './modules.js';
import { showCommand } from './show.js';
import { io } from './streams.js';
import { summaryCommand } from './summary.js';
import { targetsCommand } from './targets.js';
import { verifyCommand } from './verify.js';
import { weightsCommand } from './weights.js';

/** Commands of different options; each is only run with what yargs made of its own. */
const commands = [compileCommand, verifyCommand, diffCommand, summaryCommand, weightsCommand, modulesCommand, targetsCommand, showCommand, doctorCommand] as unknown as readonly Command<unknown>[];

/** A mistake in the command line itself. */
class UsageError extends Error {}

/** Height and width may be two words: `--imgsz 480 640` becomes `--imgsz 480x640` before yargs takes a word for the model. */
function joinImageSize(words: readonly string[]): string[] {
  const joined = [...words];
  for (let i = 0; i + 2 < joined.length; i++) {
    if (/^--img-?sz$|^--imgsz$/.test(joined[i]!) && /^\d+$/.test(joined[i + 1]!) && /^\d+$/.test(joined[i + 2]!)) joined.splice(i + 1, 2, `${joined[i + 1]!}x${joined[i + 2]!}`);
  }
  return joined;
}

function parser(words: readonly string[], done: (code: number) => void): Argv {
  let argv = yargs(joinImageSize(words))
    .scriptName('yolonnx')
    .usage('$0 <command>\n\nCompiles YOLO yaml files and trained checkpoints, attention modules included, to verified ONNX.')
    .parserConfiguration({ 'duplicate-arguments-array': true, 'strip-aliased': true, 'strip-dashed': true, 'parse-numbers': false })
    .strict()
    .recommendCommands()
    .demandCommand(1, 'name a command')
    .help()
    .alias('help', 'h')
    .version(false)
    .option('version', { alias: 'v', type: 'boolean', describe: 'Show the version' })
    .wrap(columns(words))
    .fail((message: string | null, error: Error | undefined) => {
      throw error ?? new UsageError(inWords(message ?? 'wrong usage', words));
    });
  for (const { usage, describe, positionals, options, examples, run } of commands) {
    argv = argv.command(
      usage,
      describe,
      (builder: Argv) => {
        for (const [name, positional] of Object.entries(positionals)) builder.positional(name, positional);
        for (const [command, what] of examples) builder.example(command, what);
        return builder.options(options);
      },
      async (given: Record<string, unknown>) => {
        checkWords(words, options);
        checkGiven(given, options);
        done(await run(given, io));
      },
    );
  }
  return argv;
}

/** As wide as the terminal, up to a line that is easy to read; only help texts are wrapped. */
const columns = (words: readonly string[]): number => (words.length === 0 || words.some((word) => word === '--help' || word === '-h') ? Math.min(110, process.stdout.columns || 110) : 110);

/** What yargs says of a missing argument names neither it nor the command. */
function inWords(message: string, words: readonly string[]): string {
  const command = commands.find(({ usage }) => usage.split(' ')[0] === words[0]);
  const stranger = command || words[0] === undefined || words[0].startsWith('-') ? undefined : `there is no command ${quoted(words[0])}`;
  if (stranger !== undefined && message.startsWith('Unknown argument')) return stranger;
  if (stranger !== undefined && message.startsWith('Did you mean')) return `${stranger}; did you mean ${message.slice('Did you mean '.length)}`;
  return message.startsWith('Not enough non-option arguments') && command ? `an argument is missing: yolonnx ${command.usage}` : message;
}

/** An option without its value would get its default. */
function checkWords(words: readonly string[], options: Command<unknown>['options']): void {
  words.forEach((word, i) => {
    const type = options[word.replace(/^--/, '')]?.type;
    const next = words[i + 1];
    if (word.startsWith('--') && (type === 'string' || type === 'number') && (next === undefined || /^--?[A-Za-z]/.test(next))) throw new UsageError(`${word} needs a value`);
  });
}

/** yargs makes NaN of a number that is none, and a list of an option given twice. */
function checkGiven(given: Readonly<Record<string, unknown>>, options: Command<unknown>['options']): void {
  for (const [name, { type, array, choices }] of Object.entries(options)) {
    const value = given[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (type === 'number' && typeof value === 'number' && Number.isNaN(value)) throw new UsageError(`--${name} needs a number`);
    if (!array && Array.isArray(value)) throw new UsageError(`--${name} is given ${value.length} times`);
    if (type === 'string' && value === '') throw new UsageError(`--${name} needs a value`);
    // yargs forgets the choices of names with dashes.
    if (choices && typeof value === 'string' && !choices.includes(value)) throw new UsageError(`--${name} must be ${choices.join(', ')}, got ${value}`);
  }
}

async function main(words: readonly string[]): Promise<number> {
  if (words.length === 1 && (words[0] === '--version' || words[0] === '-v')) {
    const { version } = await import('../compiler/node/version.js');
    io.out(version());
    return 0;
  }
  let code = 0;
  await parser(words, (result) => {
    code = result;
  }).parseAsync();
  return code;
}

/** Errors as users read them. A stack is only shown of our own faults, and only when asked for. */
function explain(error: unknown): number {
  if (error instanceof Problem) {
    io.err(formatProblem(error));
    return error.exitCode;
  }
  if (error instanceof UsageError || (error instanceof Error && error.name === 'YError')) {
    io.err(`error[bad-option]: ${error.message}\n  help: \`yolonnx --help\` lists commands, \`yolonnx <command> --help\` options.`);
    return 2;
  }
  const detail = error instanceof Error ? (process.env.YOLONNX_DEBUG ? error.stack : error.message) : String(error);
  io.err(`error[internal]: ${detail ?? 'unknown'}\n  help: This is a fault of yolonnx. Please report it with the yaml and the command (YOLONNX_DEBUG=1 shows where).`);
  return 70;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = explain(error);
  },
);
