/** One file over HTTP or HTTPS: redirects, a proxy, and what goes wrong in words. */
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { Problem } from '../errors.js';

export interface Answer {
  /** Where it came from in the end. */
  readonly url: URL;
  readonly type: string;
  /** As announced. */
  readonly length: number | undefined;
  /** The bytes; a connection that is lost is a Problem. */
  readonly body: AsyncIterable<Uint8Array>;
}

const MAX_REDIRECTS = 5;
const SILENCE_S = 60;

/** Whoever asked for something over the network and did not get it. */
export const networkProblem = (message: string, help: string, cause?: unknown): Problem => new Problem('missing-provider', message, { help, cause });

/** Asks for a file. A user and password in the address are sent, to that server alone. Throws Problem('missing-provider'). */
export async function get(address: URL, accept: string, env: NodeJS.ProcessEnv = process.env): Promise<Answer> {
  let url = address;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const message = await answered(url, accept, env);
    const { statusCode = 0, headers } = message;
    if ([301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined) {
      message.destroy();
      url = redirected(url, headers.location);
      continue;
    }
    if (statusCode !== 200) {
      message.destroy();
      throw networkProblem(`${shown(url)} answers with HTTP ${statusCode} ${message.statusMessage ?? ''}`.trim(), statusHelp(statusCode));
    }
    return { url, type: (headers['content-type'] ?? '').toLowerCase(), length: headers['content-length'] === undefined ? undefined : Number(headers['content-length']), body: bytesOf(message, url) };
  }
  throw networkProblem(`${shown(address)} redirects in a circle`, 'Check the address of the package index.');
}

/** An address without user and password. */
export const shown = (url: URL): string => `${url.origin}${url.pathname}`;

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || !/^https?:$/.test(to.protocol) || (from.protocol === 'https:' && to.protocol === 'http:')) throw networkProblem(`${shown(from)} redirects to an address that is not taken`, 'Only http and https are, and never from https to http.');
  return withCredentialsOf(from, to);
}

/** Hands user and password on to an address on the same server. */
export function withCredentialsOf(from: URL, to: URL): URL {
  if (from.origin !== to.origin || to.username !== '') return to;
  const url = new URL(to);
  url.username = from.username;
  url.password = from.password;
  return url;
}

function statusHelp(status: number): string {
  if (status === 401 || status === 403) return 'The server wants a user and password: put them into the address (PIP_INDEX_URL=https://user:password@server/simple).';
  if (status === 404) return 'Check the address of the package index (PIP_INDEX_URL, UV_DEFAULT_INDEX); it ends with /simple for most.';
  return status < 400 ? 'Check the address of the package index.' : 'Try again later.';
}

async function answered(url: URL, accept: string, env: NodeJS.ProcessEnv): Promise<IncomingMessage> {
  const headers = { accept, 'user-agent': 'yolonnx', ...authorization('authorization', url) };
  const tunnel = url.protocol === 'https:' ? await tunnelTo(url, env) : undefined;
  const options = { headers, agent: false, ...(tunnel ? { createConnection: () => tunnel } : {}) } as const;
  // The address without its user and password: Node would send them a second time.
  const target = new URL(shown(url) + url.search);
  return outcome(url, url.protocol === 'https:' ? https.get(target, options) : http.get(target, options), 'response');
}

function authorization(name: string, { username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  return { [name]: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}` };
}

/** A connection through the proxy that HTTPS_PROXY names, unless NO_PROXY excepts the server. */
async function tunnelTo(url: URL, env: NodeJS.ProcessEnv): Promise<TLSSocket | undefined> {
  const named = env.HTTPS_PROXY ?? env.https_proxy ?? '';
  if (named === '' || isExcepted(url.hostname, env.NO_PROXY ?? env.no_proxy ?? '')) return undefined;
  const text = named.includes('://') ? named : `http://${named}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (!proxy || !/^https?:$/.test(proxy.protocol)) throw networkProblem('HTTPS_PROXY is no address of http or https', 'Write it as http://server:port.');
  const target = `${url.hostname}:${url.port || '443'}`;
  const request = (proxy.protocol === 'https:' ? https : http).request({ host: proxy.hostname, port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80), method: 'CONNECT', path: target, headers: { host: target, ...authorization('proxy-authorization', proxy) }, agent: false });
  request.end();
  const message = await outcome(proxy, request, 'connect');
  if (message.statusCode !== 200) throw networkProblem(`the proxy ${proxy.host} refuses ${url.hostname}: HTTP ${message.statusCode ?? 0} ${message.statusMessage ?? ''}`.trim(), 'Check HTTPS_PROXY, and the user and password in it.');
  return connect({ socket: message.socket, ...(isIP(url.hostname) === 0 ? { servername: url.hostname } : {}) });
}

const isExcepted = (host: string, exceptions: string): boolean => exceptions.split(/[\s,]+/).some((entry) => entry === '*' || (entry !== '' && (host === entry || host.endsWith(`.${entry.replace(/^\*?\./, '')}`))));

function outcome(url: URL, request: ClientRequest, event: 'response' | 'connect'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once(event, resolve);
    // A proxy that refuses answers as if it were asked for a page.
    if (event === 'connect') request.once('response', resolve);
    request.once('error', (error) => reject(failure(url, error)));
    request.setTimeout(SILENCE_S * 1000, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
  });
}

async function* bytesOf(message: IncomingMessage, url: URL): AsyncGenerator<Uint8Array> {
  try {
    yield* message as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure(url, error as NodeJS.ErrnoException);
  }
}

const OTHERWISE = 'Check the network; behind a proxy set HTTPS_PROXY. Without a network give a file: yolonnx doctor --install-cuda --from PATH.';

function failure({ host, protocol }: URL, error: NodeJS.ErrnoException): Problem {
  const { code = '' } = error;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return networkProblem(`${host} is not reached: its name is not known (${code})`, OTHERWISE, error);
  if (code === 'ETIMEDOUT') return networkProblem(`${host} does not answer (ETIMEDOUT)`, OTHERWISE, error);
  if (code === 'ECONNRESET' || code === 'EPIPE') return networkProblem(`the connection to ${host} was lost (${code})`, OTHERWISE, error);
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code)) return networkProblem(`${host} has a certificate that is not trusted (${code})`, 'Where a proxy or a company has its own authority, name its certificate in NODE_EXTRA_CA_CERTS.', error);
  if (/^HPE_|^EPROTO$|^ERR_SSL/.test(code)) return networkProblem(`${host} answers, but not as a server of ${protocol === 'https:' ? 'HTTPS' : 'HTTP'} does (${code})`, 'Check the address: http or https, and the port.', error);
  return networkProblem(`${host} is not reached: ${code || error.message.slice(0, 200)}`, OTHERWISE, error);
}
