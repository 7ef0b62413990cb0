import { sayWarnings, shared, type Command } from './command.js';
import { imageSize } from './values.js';
import { weightsFrom, weightsOptions, type WeightsOptions } from './weights-options.js';

interface Options extends WeightsOptions {
  readonly model: string;
  readonly scale?: string;
  readonly imgsz: string;
  readonly nc?: number;
  readonly batch: number;
  readonly opset: number;
  readonly dynamic: 'none' | 'batch' | 'all';
  readonly after?: string;
  readonly whole: boolean;
}

export const showCommand: Command<Options> = {
  usage: 'show <model>',
  describe: 'Print the graph of a model as text',
  positionals: { model: { type: 'string', describe: 'the model’s yaml, or its checkpoint' } },
  options: {
    after: { type: 'string', describe: 'stop after this pass; `record` for none; default: after all' },
    scale: shared.scale,
    imgsz: shared.imgsz,
    batch: { type: 'number', default: 1, describe: 'images at once' },
    nc: shared.nc,
    opset: { type: 'number', default: 17, describe: 'opset, 11 to 22' },
    dynamic: { type: 'string', choices: ['none', 'batch', 'all'], default: 'none', describe: 'sizes that stay open' },
    ...weightsOptions,
    whole: { type: 'boolean', default: false, describe: 'print all elements of constants' },
  },
  examples: [['$0 show yolov5s_SE.yaml --after fold-batch-norm', 'the graph after that pass']],
  async run({ after, imgsz, whole, weights, alias, keyMap, ...options }, io) {
    const { graphText } = await import('../compiler/node/show.js');
    const text = await graphText({
      ...options,
      ...weightsFrom({ ...(weights === undefined ? {} : { weights }), ...(alias ? { alias } : {}), ...(keyMap ? { keyMap } : {}) }),
      imgsz: imageSize(imgsz),
      whole,
      ...(after === undefined ? {} : { after }),
      onWarning: sayWarnings(io),
    });
    io.out(text);
    return 0;
  },
};
