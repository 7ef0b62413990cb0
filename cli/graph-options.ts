/** The options that say what graph is written. */
import type { Options } from 'yargs';
import type { CompileOptions, Dynamic } from '../compiler/index.js';

export interface GraphOptions {
  readonly target?: string;
  readonly opset?: number;
  readonly dynamic?: Dynamic;
  readonly passes?: string | false;
}

export const graphOptions = {
  target: { type: 'string', describe: 'a runtime that the file is for (`yolonnx targets`), or a file of such; default: every runtime' },
  opset: { type: 'number', describe: 'opset, 11 to 22; default: the target’s, 17; the IR version is the lowest that it allows' },
  dynamic: { type: 'string', choices: ['none', 'batch', 'all'], describe: 'sizes that stay open: none, the batch, or batch, height and width; default: the target’s, none' },
  passes: { type: 'string', describe: 'passes to run: all by name and comma, or changes such as +winograd,-softmax-last (--no-passes: only those without which it is not ONNX)' },
} as const satisfies Record<string, Options>;

type Given = { readonly [K in keyof GraphOptions]?: GraphOptions[K] | undefined };

export function graphFrom({ target, opset, dynamic, passes }: Given): Pick<CompileOptions, 'target' | 'opset' | 'dynamic' | 'passes'> {
  return {
    ...(target === undefined ? {} : { target }),
    ...(opset === undefined ? {} : { opset }),
    ...(dynamic === undefined ? {} : { dynamic }),
    ...(passes === undefined ? {} : { passes: passes === false ? [] : passes.split(',').map((name) => name.trim()).filter((name) => name !== '') }),
  };
}
