/** Where a compilation spends its time and memory. */

export interface Stage {
  readonly stage: string;
  readonly milliseconds: number;
  /** Resident at the end of the stage, and the most up to then, in MiB. */
  readonly resident: number;
  readonly peak: number;
}

const MIB = 2 ** 20;

/** Measures stages that follow each other. The first, `start`, is Node starting and loading the program. */
export class Stages {
  readonly all: Stage[] = [];
  private last = 0;

  constructor() {
    this.end('start');
  }

  end(stage: string): void {
    // Milliseconds since the process began.
    const now = performance.now();
    this.all.push({ stage, milliseconds: rounded(now - this.last), resident: rounded(process.memoryUsage.rss() / MIB), peak: rounded(process.resourceUsage().maxRSS / 1024) });
    this.last = now;
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
