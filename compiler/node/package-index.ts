/** The wheel of onnxruntime-gpu in a Python package index, by the simple API: JSON (PEP 691) or HTML (PEP 503). */
import { Problem, quoted } from '../errors.js';
import { get, networkProblem, shown, withCredentialsOf, type Answer } from './https-get.js';

const PACKAGE = 'onnxruntime-gpu';
const DEFAULT_INDEX = 'https://pypi.org/simple';
const ACCEPT = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';
const MAX_PAGE = 64 * 2 ** 20;

export interface Wheel {
  readonly filename: string;
  readonly url: URL;
  readonly sha256: string;
}

interface Link {
  readonly filename: string;
  readonly href: string;
  readonly sha256: string | undefined;
}

/** The wheel for Linux on x64 of a version. Throws Problem('missing-provider' or 'bad-option'). */
export async function findWheel(version: string, env: NodeJS.ProcessEnv = process.env): Promise<Wheel> {
  const index = indexOf(env);
  const answer = await get(index, ACCEPT, env);
  const { links, base } = await linksOf(answer);
  const [best] = links
    .flatMap((link) => ({ link, glibc: fits(link.filename, version) }))
    .filter(({ glibc }) => glibc !== undefined)
    .sort((a, b) => a.glibc! - b.glibc! || (a.link.filename < b.link.filename ? -1 : 1));
  if (!best) throw absent(links, version, index);
  const { filename, href, sha256 } = best.link;
  if (sha256 === undefined) throw networkProblem(`${shown(index)} gives no sha256 of ${quoted(filename)}`, `Without it a download is not trusted: use another index, or ${byHand(version)}.`);
  const url = URL.canParse(href, base.href) ? new URL(href, base) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw networkProblem(`${shown(index)} has an address that is not taken for ${quoted(filename)}`, 'Only http and https are.');
  return { filename, url: withCredentialsOf(index, url), sha256 };
}

/** How to get the wheel without this program. */
export const byHand = (version: string): string => `pip download --no-deps ${PACKAGE}==${version} where there is a network, and give the file with --from`;

/** pip and uv name their index so; their configuration files are not read. */
function indexOf(env: NodeJS.ProcessEnv): URL {
  const [variable, value] = [['PIP_INDEX_URL', env.PIP_INDEX_URL] as const, ['UV_DEFAULT_INDEX', env.UV_DEFAULT_INDEX] as const].find(([, text]) => text) ?? ['', DEFAULT_INDEX];
  // uv's may have a name in front.
  const text = (value ?? '').replace(/^[\w.-]+=(?=\w+:)/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Problem('bad-option', `${variable} names no package index on http or https`, { help: `Unset it, or give a downloaded wheel with --from.` });
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${PACKAGE}/`;
  return url;
}

async function linksOf(answer: Answer): Promise<{ links: Link[]; base: URL }> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body) {
    parts.push(part);
    if ((size += part.length) > MAX_PAGE) throw networkProblem(`${shown(answer.url)} is longer than a page of a package index can be`, 'Check the address of the package index.');
  }
  const text = Buffer.concat(parts).toString('utf8');
  if (answer.type.includes('json')) return { links: jsonLinks(text, answer.url), base: answer.url };
  const base = /<base\b[^>]*\bhref\s*=\s*["']([^"']+)["']/i.exec(text)?.[1];
  return { links: htmlLinks(text), base: base !== undefined && URL.canParse(base, answer.url.href) ? new URL(base, answer.url) : answer.url };
}

function jsonLinks(text: string, url: URL): Link[] {
  try {
    const { files } = JSON.parse(text) as { files: readonly { filename: unknown; url: unknown; hashes: { sha256?: unknown } }[] };
    return files.map(({ filename, url: href, hashes }) => {
      if (typeof filename !== 'string' || typeof href !== 'string') throw new TypeError('a file without name or address');
      return { filename, href, sha256: checkedHash(hashes.sha256) };
    });
  } catch (error) {
    throw networkProblem(`${shown(url)} answers with JSON that is no page of a package index`, 'Check the address of the package index.', error);
  }
}

/** `<a href="../../files/name.whl#sha256=..." ...>name.whl</a>` */
function htmlLinks(text: string): Link[] {
  return [...text.matchAll(/<a\b([^>]*)>([^<]*)<\/a\s*>/gi)].flatMap(([, attributes, label]) => {
    const href = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes!);
    if (!href) return [];
    const [address, fragment = ''] = unescaped(href[1] ?? href[2] ?? '').split('#') as [string, string?];
    return { filename: unescaped(label!).trim(), href: address, sha256: checkedHash(/^sha256=(\w+)/.exec(fragment)?.[1]) };
  });
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'", '#43': '+' };
const unescaped = (text: string): string => text.replace(/&(#?\w+);/g, (whole, name: string) => entities[name.toLowerCase()] ?? whole);

const checkedHash = (text: unknown): string | undefined => (typeof text === 'string' && /^[0-9a-f]{64}$/i.test(text) ? text.toLowerCase() : undefined);

const NAME = /^onnxruntime[-_.]gpu-([^-]+)-(?:\d[\w.]*-)?(\w[\w.]*)-([\w.]+)-([\w.]+)\.whl$/i;
/** Older names of platforms, by their glibc (PEP 600). */
const named: Readonly<Record<string, number>> = { manylinux1: 5, manylinux2010: 12, manylinux2014: 17 };

/** The minor version of the least glibc, 28 for 2.28; undefined for wheels of other versions and platforms. */
function fits(filename: string, version: string): number | undefined {
  const [, itsVersion, , , platforms] = NAME.exec(filename) ?? [];
  if (itsVersion !== version || platforms === undefined) return undefined;
  const glibcs = platforms.split('.').flatMap((platform) => {
    const [, minor, old] = /^(?:manylinux_2_(\d+)|(manylinux\d+))_x86_64$/.exec(platform) ?? [];
    return minor !== undefined ? Number(minor) : (named[old ?? ''] ?? []);
  });
  return glibcs.length === 0 ? undefined : Math.min(...glibcs);
}

function absent(links: readonly Link[], version: string, index: URL): Problem {
  const versions = [...new Set(links.flatMap(({ filename }) => NAME.exec(filename)?.[1] ?? []))].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const has = versions.length === 0 ? 'it has none at all' : `it has ${versions.slice(0, 5).map(quoted).join(', ')}${versions.length > 5 ? ', …' : ''}`;
  const help = `It must be of onnxruntime-node's own version: npm install onnxruntime-node@VERSION with a version that both have, or use another index (PIP_INDEX_URL).`;
  return networkProblem(`${shown(index)} has no ${PACKAGE} ${version} for Linux on x64; ${has}`, versions.length === 0 ? 'Check the address of the package index (PIP_INDEX_URL, UV_DEFAULT_INDEX), and open it in a browser: a proxy may ask for a login.' : help);
}
