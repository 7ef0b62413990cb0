/** Makes the page of `verify --report`: the built template (cli/page) with a document in it. */
import { existsSync, readFileSync } from 'node:fs';
import { internal } from '../errors.js';
import { indexOf, type CaseSummary } from '../report-index.js';
import type { ReportDocument } from '../report.js';

/** One HTML file that needs nothing else. The names in a document may be anything: they stay text. */
export function reportHtml(document: ReportDocument): string {
  const { cases, ...head } = indexOf(document);
  return fill(template(), {
    title: escapeHtml(document.title),
    noscript: plainSummary(document, cases),
    index: json({ ...head, cases }),
    // An element of its own for each case: the page parses only those that are opened.
    cases: document.cases.map((result, i) => `<script type="application/json" id="case-${i}">${json(result)}</script>`).join('\n'),
  });
}

/** In dist/cli of the package, wherever this code was bundled to. */
function template(): string {
  for (let folder = new URL('.', import.meta.url); folder.pathname !== '/'; folder = new URL('..', folder)) {
    const file = new URL('cli/report.html', folder);
    if (existsSync(file)) return readFileSync(file, 'utf8');
  }
  throw internal('cli/report.html is missing');
}

/** Replaces `<!--name-->` for each name, all of them in the template as it is: values are not looked into. */
function fill(text: string, values: Readonly<Record<string, string>>): string {
  const places = Object.entries(values).map(([name, value]) => {
    const mark = `<!--${name}-->`;
    const at = text.indexOf(mark);
    if (at < 0) throw internal(`cli/report.html has no place for ${name}`);
    return { at, end: at + mark.length, value };
  });
  let done = 0;
  let filled = '';
  for (const { at, end, value } of places.sort((a, b) => a.at - b.at)) {
    filled += text.slice(done, at) + value;
    done = end;
  }
  return filled + text.slice(done);
}

const ESCAPED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPED[character]!);

/** JSON that neither ends a script element nor, read as JavaScript, a line. */
const json = (value: unknown): string => JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** For readers without JavaScript. */
function plainSummary({ title, passed, failed, made }: ReportDocument, cases: readonly CaseSummary[]): string {
  const rows = cases.map(({ case: name, ok, worst, error }) => {
    const ratio = worst === undefined ? '–' : (worst.ratio?.toPrecision(3) ?? 'not finite');
    return `<tr><td><bdi>${escapeHtml(name)}</bdi></td><td>${ok ? 'passed' : 'failed'}</td><td>${ratio}</td><td>${error ? escapeHtml(error.message) : ''}</td></tr>`;
  });
  const verdict = `${failed === 0 ? 'Passed' : 'Failed'}: ${passed} of ${passed + failed} cases agree.`;
  return [
    `<h1>${escapeHtml(title)}</h1>`,
    `<p>${verdict} Made on ${escapeHtml(made.date)} by yolonnx ${escapeHtml(made.version)}. Histograms, layers and graphs need JavaScript.</p>`,
    `<table><thead><tr><th>Case</th><th>Verdict</th><th>Largest difference / bound</th><th>Error</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
  ].join('\n');
}
