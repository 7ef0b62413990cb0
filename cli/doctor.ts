/** `yolonnx doctor`: which execution providers can really run here, and what the others lack. */
import type { ProviderState } from '../compiler/node/providers.js';
import { shared, type Command } from './command.js';

/** What `doctor --json` prints. */
export interface DoctorReport {
  readonly node: string;
  readonly platform: string;
  /** Its version; null when it is not installed. */
  readonly onnxruntime: string | null;
  readonly providers: readonly ProviderState[];
}

export const doctorCommand: Command<{ readonly json: boolean }> = {
  usage: 'doctor',
  describe: 'Say which execution providers can run here, and what the others lack',
  positionals: {},
  options: { json: shared.json },
  examples: [],
  /** Exit code: 0, or 3 when not even the CPU can run models. */
  async run({ json }, io) {
    const { findOnnxruntime } = await import('../compiler/node/onnxruntime.js');
    const { probed, probeProvider } = await import('../compiler/node/providers.js');
    const report: DoctorReport = {
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      onnxruntime: findOnnxruntime()?.version ?? null,
      providers: await Promise.all(probed.map(probeProvider)),
    };
    io.out(json ? JSON.stringify(report, null, 2) : describe(report));
    return report.providers.some(({ provider, usable }) => provider === 'cpu' && usable) ? 0 : 3;
  },
};

function describe({ node, platform, onnxruntime, providers }: DoctorReport): string {
  return [`Node ${node} on ${platform}, onnxruntime-node ${onnxruntime ?? 'not installed'}`, ...providers.flatMap(describeProvider)].join('\n');
}

function describeProvider({ provider, usable, missing, reason, help }: ProviderState): string[] {
  const label = provider.padEnd(7);
  if (usable) return [`  ${label} usable`];
  return [
    `  ${label} not usable: ${reason ?? 'unknown reason'}`,
    ...(missing.length && !missing.every((name) => reason?.includes(name)) ? [`          missing: ${missing.join(', ')}`] : []),
    ...(help === undefined ? [] : [`          ${help}`]),
  ];
}
