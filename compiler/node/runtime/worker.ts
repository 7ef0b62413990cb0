/** The process that runs models: one session at a time, one request after the other. */
import { Worker } from 'node:worker_threads';
import { Problem } from '../../errors.js';
import { loadOnnxruntime } from '../onnxruntime.js';
import { endOverMemory } from './memory.js';
import { OrtSession } from './session.js';
import { MEMORY_VARIABLE, type Answer, type Request, type RequestName, type Requests } from './protocol.js';

const bytes = Number(process.env[MEMORY_VARIABLE] ?? Infinity);
const parent = process.ppid;
new Worker(new URL('./watchdog.js', import.meta.url), { workerData: { bytes, parent } }).unref();

// While whoever started this process still prepares the model. That it fails, opening a model tells.
loadOnnxruntime().catch(() => undefined);

let session: OrtSession | undefined;

const current = (): OrtSession => {
  if (!session) throw new Error('no session is open');
  return session;
};

const handlers: { readonly [N in RequestName]: (takes: Requests[N]['takes']) => Promise<Requests[N]['gives']> } = {
  async open(request) {
    // One that failed its run was not closed by whoever tries again.
    await session?.close();
    session = undefined;
    session = await OrtSession.open(request);
    return { inputs: session.inputs, outputs: session.outputs };
  },
  run: (request) => current().run(request),
  finish: () => Promise.resolve(current().finish()),
  async close() {
    await session?.close();
    session = undefined;
    return process.memoryUsage.rss();
  },
};

async function answer<N extends RequestName>({ name, takes }: Request<N>): Promise<Answer> {
  try {
    return { gives: await handlers[name](takes) };
  } catch (error) {
    if (!(error instanceof Problem)) return { problem: { code: 'internal', message: error instanceof Error ? error.message : String(error) } };
    const { code, message, help } = error;
    return { problem: { code: code === 'bad-model' || code === 'missing-provider' ? code : 'internal', message, ...(help === undefined ? {} : { help }) } };
  }
}

process.on('message', (request: Request) => {
  void answer(request).then((message) => {
    // The watchdog may not have looked yet.
    endOverMemory(bytes);
    process.send?.(message);
  });
});
process.on('disconnect', () => process.exit());
// The terminal tells every process of the group; the one that asked decides.
process.on('SIGINT', () => undefined);
