/** What goldens are verified on: a file, or what each golden names, compiled when its turn comes. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Golden } from '../golden.js';
import type { FileModel } from '../inspect/model.js';
import { passChange } from '../inspect/pass-changes.js';
import type { ByteSource } from '../io.js';
import type { PassReport } from '../../passes/pass.js';
import type { ReportPass } from '../report.js';
import type { Loadable } from '../runner.js';
import type { CaseResult } from '../verify.js';
import type { Inspected } from './case-report.js';
import { compileGolden, type GoldenOptions } from './compile-golden.js';
import { modelOutput } from './model-output.js';
import { readModel } from './read-model.js';
import { runnable, twinNote } from './runnable.js';
import { temporaryFolder, type TemporaryFolder } from './temporary.js';

export interface SubjectOptions extends GoldenOptions {
  /** Always this file, or these bytes. */
  readonly model?: string | Uint8Array;
  /** Whether to note what each pass changes. */
  readonly passChanges: boolean;
  readonly onNote?: (note: string) => void;
}

/** The models that goldens are verified on: always the same file, or one compiled for each into a temporary folder. */
export class Subjects {
  /** Opaque operators in whose place twins ran. */
  readonly twins = new Set<string>();
  private readonly note: (text: string) => void;
  private folder: TemporaryFolder | undefined;
  private readonly given: Promise<Subject> | undefined;
  private current: Subject | undefined;

  constructor(private readonly options: SubjectOptions) {
    const { model, half, customOps } = options;
    this.note = onceEach(options.onNote);
    if (model === undefined) return;
    // What the caller tells need not be read from the file.
    const known = half !== undefined && customOps !== undefined && customOps.form !== 'opaque';
    this.given = known ? Promise.resolve({ place: model, file: model }) : this.runnable({ place: model, file: model });
    // A model at fault fails its cases, one by one.
    this.given.catch(() => undefined);
  }

  /** Whether the given file computes in float16. */
  async half(): Promise<boolean> {
    return (await this.given?.then(({ half }) => half).catch(() => false)) ?? false;
  }

  async next(golden: Golden, source: ByteSource): Promise<Loadable> {
    this.current = await (this.given ?? this.compiled(golden, source));
    return this.current.file;
  }

  /** The model of the current case, read when asked for. */
  model(): FileModel {
    const subject = this.current!;
    return (subject.model ??= readModel(subject.place));
  }

  told(result: CaseResult): CaseResult {
    const { compile } = this.current!;
    return compile === undefined || !result.timings ? result : { ...result, timings: { compile, ...result.timings } };
  }

  inspected(): Inspected {
    const { place, passes } = this.current!;
    const bytes = typeof place === 'string' ? statSync(place).size : place.length;
    return { model: this.model(), bytes, ...(this.given && typeof place === 'string' ? { path: place } : {}), ...(passes ? { passes } : {}) };
  }

  remove(): void {
    this.folder?.remove();
  }

  private async compiled(golden: Golden, source: ByteSource): Promise<Subject> {
    const started = performance.now();
    this.folder ??= temporaryFolder('verify');
    const place = join(this.folder.path, 'model.onnx');
    const passes: ReportPass[] = [];
    const output = modelOutput(place);
    try {
      await compileGolden(golden, source, output, { ...this.options, ...(!this.options.passChanges ? {} : { onPass: (report: PassReport) => passes.push(passChange(report)) }) });
      output.commit();
    } catch (error) {
      output.abort();
      throw error;
    }
    const subject: Subject = { place, file: place, compile: (performance.now() - started) / 1000, ...(passes.length > 0 ? { passes } : {}) };
    return this.options.customOps?.form === 'opaque' ? this.runnable(subject) : subject;
  }

  /** The model, or where it has opaque operators its twin with functions, which is said. */
  private async runnable(subject: Subject): Promise<Subject> {
    const { file, half, twins } = await runnable(subject.place);
    for (const name of twins) this.twins.add(name);
    if (twins.length > 0) this.note(twinNote(twins));
    return { ...subject, half, file };
  }
}

interface Subject {
  /** Where the model is, without what is appended to run it. */
  readonly place: string | Uint8Array;
  readonly file: Loadable;
  readonly half?: boolean;
  model?: FileModel;
  /** Seconds. */
  readonly compile?: number;
  readonly passes?: readonly ReportPass[];
}

function onceEach(say: ((text: string) => void) | undefined): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say?.(text);
    said.add(text);
  };
}
