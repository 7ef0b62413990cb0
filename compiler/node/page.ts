/** The page of a verification: gathers its cases, and writes the file at the end. */
import { basename } from 'node:path';
import type { ReportCase } from '../report.js';
import type { VerifyReport } from '../verify.js';
import { atomicFile, refuseOverwriting, type AtomicFile } from './files.js';
import { gpu, machine } from './machine.js';
import { findOnnxruntime } from './onnxruntime.js';
import { version } from './version.js';

export class Page {
  private readonly cases: ReportCase[] = [];
  private readonly notes: string[] = [];
  private readonly file: AtomicFile;

  /** Throws Problem('unwritable', 'bad-option') before anything is run. `inputs`: files that are read. */
  constructor(path: string, inputs: readonly string[]) {
    refuseOverwriting(path, inputs);
    this.file = atomicFile(path);
  }

  add(result: ReportCase): void {
    this.cases.push(result);
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  async write({ provider, passed, failed }: VerifyReport, model: string | Uint8Array | undefined): Promise<void> {
    const { reportHtml } = await import('./report-page.js');
    const card = provider.nodes.CUDAExecutionProvider ? await gpu() : undefined;
    const html = reportHtml({
      title: this.title(model),
      made: {
        version: version(),
        node: process.versions.node,
        onnxruntime: findOnnxruntime()?.version ?? 'none',
        machine: card === undefined ? machine() : `${machine()}, ${card}`,
        date: new Date().toISOString(),
      },
      provider, notes: this.notes, passed, failed,
      cases: this.cases,
    });
    this.file.write(Buffer.from(html));
    this.file.commit();
  }

  abort(): void {
    this.file.abort();
  }

  private title(model: string | Uint8Array | undefined): string {
    const against = this.cases.length === 1 ? this.cases[0]!.case : `${this.cases.length} goldens`;
    return typeof model === 'string' ? `${basename(model)} against ${against}` : against;
  }
}
