/**
 * The public API: `compile`, `verify`, `diff`, `summarize`. What the command line does, with typed options and results; the
 * command line is a thin layer over it. This file and compiler/node are where the portable core meets Node.
 */
export { compile, type CompileOptions, type CompileResult, type ModuleRequest, type Progress } from './node/compile.js';
export { verify, type VerifyFilesOptions } from './node/verify.js';
export { diff, type DiffOptions, type DiffReport, type NumbersDiff, type OutputDiff } from './node/diff.js';
export type { StructureDiff } from './inspect/diff.js';
export type { WeightsDiff } from './inspect/diff-weights.js';
export type { LayersDiff } from './inspect/diff-layers.js';
export type { TensorDiff } from './inspect/diff-numbers.js';
export type { Limits } from './node/runtime-process.js';
export { summarize, type Summary, type SummaryOptions } from './node/summarize.js';
export { Problem, errorCodes, formatProblem, type ErrorCode, type Place, type Source } from './errors.js';
export { listWeights, type WeightsListing, type WeightsOptions } from './node/list-weights.js';
export { listTargets } from './node/targets.js';
export type { Target } from './target.js';
export type { Stage } from './node/stages.js';
export { listModules, type ModuleEntry } from './node/modules.js';
export type { Dynamic } from './compile.js';
export type { ExternalData } from './onnx/emit.js';
export type { CustomOps } from '../passes/pass.js';
export type { Family, Literal } from './ir/network.js';
export type { CaseResult, VerifyReport } from './verify.js';
export type { OutputResult } from './compare.js';
export type { Provider } from './runner.js';
