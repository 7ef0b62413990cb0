import type { Summary } from '../compiler/index.js';
import { printable } from '../compiler/errors.js';
import { printJson, sayWarnings, shared, type Command } from './command.js';
import { imageSize } from './values.js';
import { weightsFrom, weightsOptions, type WeightsOptions } from './weights-options.js';
import { showLiteral } from '../compiler/module.js';

interface Options extends WeightsOptions {
  readonly model: string;
  readonly scale?: string;
  readonly imgsz: string;
  readonly nc?: number;
  readonly json: boolean;
}

export const summaryCommand: Command<Options> = {
  usage: 'summary <model>',
  describe: 'Layers, parameters and GFLOPs, as YOLO prints them',
  positionals: { model: { type: 'string', describe: 'the model’s yaml, or its checkpoint' } },
  options: { scale: shared.scale, imgsz: shared.imgsz, nc: shared.nc, ...weightsOptions, json: shared.json },
  examples: [['$0 summary yolov8-ema.yaml --scale n', 'the table of scale n']],
  async run(options, io) {
    const { model, scale, imgsz, nc, json } = options;
    const { summarize } = await import('../compiler/node/summarize.js');
    const summary = await summarize({
      model,
      imgsz: imageSize(imgsz),
      onWarning: sayWarnings(io),
      ...weightsFrom(options),
      ...(scale === undefined ? {} : { scale }),
      ...(nc === undefined ? {} : { nc }),
    });
    if (json) printJson(io, summary);
    else io.out(printable(table(summary)));
    return 0;
  },
};

/** The packages' own layout, with the output's shape as a last column. */
function table({ layers, totals }: Summary): string {
  const rows = layers.map(({ index, from, n, params, module, args, shape }) => [String(index), showLiteral(from), String(n), String(params), module, showLiteral(args), shape.map((part) => (Array.isArray(part) ? part.join('x') : String(part as number))).join('x')]);
  const header = ['', 'from', 'n', 'params', 'module', 'arguments', 'output'];
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const left = new Set([4, 5]);
  const line = (row: readonly string[]): string => row.map((cell, i) => (left.has(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ').trimEnd();
  return `${[line(header), ...rows.map(line)].join('\n')}\n${totals.layers} layers, ${totals.parameters} parameters, ${totals.gflops.toFixed(1)} GFLOPs${counted(totals)}`;
}

const counted = ({ gflopsCounted }: Summary['totals']): string => (gflopsCounted === undefined ? '' : ` as the package prints them (it scales a small image); ${gflopsCounted.toFixed(1)} counted at this size`);
