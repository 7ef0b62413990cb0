/** The part of the build that makes dist/cli/report.html: the page's shell with its script and its styles in it. */
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const page = fileURLToPath(new URL('../../cli/page/', import.meta.url));

/** Text of the page; reportHtml (compiler/node/report-page.ts) puts the data in. */
export async function pageHtml(): Promise<string> {
  const script = await bundled('main.tsx');
  // Graphviz is packed text until a graph is shown: a worker then is made of it (graph/layout.ts).
  const worker = gzipSync(await bundled('graph/worker.ts'), { level: 9 }).toString('base64');
  const style = await bundled('style.css');
  if (/<\/script|<!--/i.test(script) || style.includes('</')) throw new Error('a bundle would end the element it stands in');
  const shell = readFileSync(`${page}shell.html`, 'utf8');
  const policy = [
    "default-src 'none'",
    // No other script runs here, not even one that a name in the data smuggled in.
    `script-src 'sha256-${createHash('sha256').update(script).digest('base64')}' 'wasm-unsafe-eval'`,
    'worker-src blob:',
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return Object.entries({ policy, style, script, worker }).reduce((text, [name, value]) => {
    const parts = text.split(`{{${name}}}`);
    if (parts.length !== 2) throw new Error(`cli/page/shell.html has {{${name}}} ${parts.length - 1} times, not once`);
    return parts.join(value);
  }, shell);
}

/** One minified text. */
async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${page}${entry}`],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
    define: { 'process.env.NODE_ENV': '"production"' },
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
  });
  return outputFiles[0]!.text.trim();
}
