/** A progress bar on stderr, for terminals only. */
import type { Io } from './io.js';

export interface ProgressBar {
  show(stage: string, done: number, total: number): void;
  /** May be called twice. */
  stop(): void;
}

/** Shows nothing where nobody watches. */
export async function progressBar(io: Io, wanted = true): Promise<ProgressBar> {
  if (!wanted || !io.isTty) return { show: () => undefined, stop: () => undefined };
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({ format: '{stage} {bar} {percentage}%', stream: process.stderr, clearOnComplete: true, hideCursor: true });
  let running = false;
  return {
    show(stage, done, total) {
      if (!running) bar.start(total, done, { stage });
      running = true;
      bar.setTotal(total);
      bar.update(done, { stage });
    },
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}
