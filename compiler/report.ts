/** What a report page shows (`verify --report`): one JSON document, made of what was run. */
import type { OutputResult } from './compare.js';
import type { CaseResult, VerifyReport } from './verify.js';

export interface ReportDocument {
  readonly title: string;
  readonly made: {
    /** Of yolonnx, Node and onnxruntime-node. */
    readonly version: string;
    readonly node: string;
    readonly onnxruntime: string;
    /** Processor, cores, memory, operating system. */
    readonly machine: string;
    /** ISO 8601. */
    readonly date: string;
  };
  readonly provider: VerifyReport['provider'];
  /** What the user was told besides: fall-backs, twins, warnings. */
  readonly notes: readonly string[];
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly ReportCase[];
}

export interface ReportCase extends Omit<CaseResult, 'outputs'> {
  readonly outputs: readonly ReportOutput[];
  /** Absent where there was no model to read: its compilation failed, the file is none. */
  readonly model?: ReportModel;
}

export interface ReportOutput extends OutputResult {
  /** One for every part (`OutputResult.parts`), or for the whole output. */
  readonly histograms: readonly Histogram[];
  /** The elements that are furthest beyond, or nearest to, their bounds; worst first. */
  readonly worstElements: readonly Element[];
}

/** How often each magnitude of |got - wanted| occurs. */
export interface Histogram {
  /** The part's name, `pred[boxes]`. */
  readonly name: string;
  readonly bound: number;
  /** Elements without any difference. */
  readonly equal: number;
  /** Elements that are NaN or infinite. */
  readonly notFinite: number;
  /** counts[i]: differences from 10^(from + i / perDecade) up to 10^(from + (i + 1) / perDecade). Empty when all are equal. */
  readonly from: number;
  readonly perDecade: number;
  readonly counts: readonly number[];
}

export interface Element {
  /** The part's name. */
  readonly part: string;
  readonly index: readonly number[];
  readonly wanted: number;
  /** null: NaN or infinite. */
  readonly got: number | null;
  readonly difference: number | null;
  readonly bound: number;
}

/** The file that ran. */
export interface ReportModel {
  /** Its path, where it was a file; else it was compiled for the case. */
  readonly file?: string;
  readonly bytes: number;
  readonly producer: string;
  readonly opset: number;
  readonly irVersion: number;
  readonly inputs: readonly ReportPort[];
  readonly outputs: readonly ReportPort[];
  /** Elements of all initializers. */
  readonly parameters: number;
  /** Two operations a multiply-add of Conv, ConvTranspose, Gemm and MatMul, in the sizes that ran. */
  readonly gflops: number;
  readonly layers: readonly ReportLayer[];
  readonly nodes: readonly ReportNode[];
  /** By name: what nodes read and write, constants included. */
  readonly values: Readonly<Record<string, ReportValue>>;
  /** In the order they ran; absent where the file was given, not compiled. */
  readonly passes?: readonly ReportPass[];
}

export interface ReportPort {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface ReportLayer {
  /** `model.3`, or the first part of node names in a lone module. */
  readonly name: string;
  /** Of the yaml's row. */
  readonly index?: number;
  readonly from?: number | readonly number[];
  readonly module?: string;
  readonly args?: string;
  /** Elements of the initializers that its nodes read. */
  readonly parameters: number;
  readonly gflops: number;
  /** Its kernels' time; null where the runtime fused them into others'. */
  readonly milliseconds: number | null;
  /** How many nodes it has in the file. */
  readonly nodes: number;
  /** Of what other layers, or the user, read of it. */
  readonly shapes: readonly (readonly number[])[];
  /** Smallest and largest finite number that came out; null where none is. */
  readonly range: readonly [number, number] | null;
  /** Numbers of it that are NaN or infinite. */
  readonly notFinite: number;
}

export interface ReportNode {
  readonly name: string;
  readonly op: string;
  /** Absent for ONNX's own. */
  readonly domain?: string;
  /** An index into the layers. */
  readonly layer: number;
  /** Names of values; '' where an optional one is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly (readonly [name: string, text: string])[];
  /** Which execution provider ran it, and how long; absent where the runtime fused or folded it. */
  readonly provider?: string;
  readonly milliseconds?: number;
}

export interface ReportValue {
  readonly kind: 'input' | 'output' | 'initializer' | 'value';
  /** Absent where the runtime did not tell. */
  readonly dtype?: string;
  readonly shape?: readonly number[];
}

export interface ReportPass {
  readonly name: string;
  readonly doc: string;
  /** Nodes of the graph, those of bodies included. */
  readonly before: number;
  readonly after: number;
  /** By how many each operator's count changed; only those that did. */
  readonly operators: Readonly<Record<string, number>>;
  readonly milliseconds: number;
}
