import { sayWarnings, shared, type Command } from './command.js';
import { graphFrom, graphOptions, type GraphOptions } from './graph-options.js';
import { imageSize } from './values.js';
import { weightsFrom, weightsOptions, type WeightsOptions } from './weights-options.js';

interface Options extends WeightsOptions, GraphOptions {
  readonly model: string;
  readonly scale?: string;
  readonly imgsz: string;
  readonly nc?: number;
  readonly batch: number;
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
    ...graphOptions,
    ...weightsOptions,
    whole: { type: 'boolean', default: false, describe: 'print all elements of constants' },
  },
  examples: [['$0 show yolov5s_SE.yaml --after fold-batch-norm', 'the graph after that pass']],
  async run({ after, imgsz, whole, weights, alias, keyMap, target, opset, dynamic, passes, ...options }, io) {
    const { graphText } = await import('../compiler/node/show.js');
    const text = await graphText({
      ...options,
      ...graphFrom({ target, opset, dynamic, passes }),
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
