/**
 * The last step of the build: the command line becomes one file, because reading a hundred small ones doubles the
 * start-up, with a code cache for this version of Node beside it; dist/cli/main.js then is cli/start.cts. The modules of
 * ops are bundled by a generated list, which stands in the place of ops/index.ts. dist/cli/report.html is the page of
 * `verify --report` without its data.
 */
import { build, type Plugin } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pageHtml } from './bundle-page.js';

const dist = fileURLToPath(new URL('..', import.meta.url));
/** TypeScript leaves data where it is. */
const targets = fileURLToPath(new URL('../../passes/targets/', import.meta.url));
for (const file of readdirSync(targets)) if (file.endsWith('.json')) copyFileSync(`${targets}${file}`, `${dist}passes/targets/${file}`);

const moduleList = (): string => {
  const files = readdirSync(`${dist}ops`, { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/')).sort();
  const loaders = files.flatMap((file) => {
    const name = /^\w+\/([A-Z]\w*)\.js$/.exec(file)?.[1];
    return name === undefined ? [] : [`  ['${name}', () => import('./${file}')],`];
  });
  return `import { libraryOf } from '../compiler/library.js';\nexport const library = libraryOf(new Map([\n${loaders.join('\n')}\n]));\n`;
};

/** The targets' own texts. */
const targetList = (): string => {
  const files = readdirSync(targets).filter((file) => file.endsWith('.json')).sort();
  const texts = files.map((file) => `  ['${file.slice(0, -'.json'.length)}', () => ${JSON.stringify(JSON.stringify(JSON.parse(readFileSync(`${targets}${file}`, 'utf8'))))}],`);
  return `export const targetTexts = new Map([\n${texts.join('\n')}\n]);\n`;
};

const without = (part: string, text: string): string => {
  const parts = text.split(part);
  if (parts.length !== 2) throw new Error(`'${part}' is there ${parts.length - 1} times, not once`);
  return parts.join('');
};

const replacements: Plugin = {
  name: 'replacements',
  setup(plugin) {
    plugin.onLoad({ filter: /[/\\]dist[/\\]ops[/\\]index\.js$/ }, () => ({ contents: moduleList(), resolveDir: `${dist}ops` }));
    plugin.onLoad({ filter: /[/\\]dist[/\\]passes[/\\]targets[/\\]index\.js$/ }, () => ({ contents: targetList(), resolveDir: `${dist}passes` }));
    // Two of its functions and the terminal's width load modules of Node that nothing else asks for.
    plugin.onLoad({ filter: /[/\\]yargs[/\\]lib[/\\]platform-shims[/\\]esm\.mjs$/ }, ({ path }) => ({ contents: lighter(readFileSync(path, 'utf8')) }));
    // Measures terminal columns for help texts; creating its Intl.Segmenter alone costs 30 ms. Ours are one column each.
    plugin.onLoad({ filter: /[/\\]string-width[/\\]index\.js$/ }, ({ path }) =>
      readFileSync(path, 'utf8').includes('Intl.Segmenter') ? { contents: 'export default (text) => text.length;' } : undefined,
    );
    // yargs lays out the help text after every command, for whoever may ask for it later; nobody does.
    plugin.onLoad({ filter: /[/\\]yargs[/\\]build[/\\]lib[/\\]usage\.js$/ }, ({ path }) => ({ contents: without('cachedHelpMessage = this.help();', readFileSync(path, 'utf8')) }));
  },
};

function lighter(shim: string): string {
  const changes = [
    ["import { notStrictEqual, strictEqual } from 'assert'", 'const fail = (text) => { throw new Error(text); }, strictEqual = (a, b, text) => a === b || fail(text), notStrictEqual = (a, b, text) => a !== b || fail(text)'],
    ["typeof process.stdout.columns !== 'undefined' ? process.stdout.columns : null", 'null'],
  ] as const;
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`yargs has changed: its shim no longer has ${from}`);
    return text.replace(from, to);
  }, shim);
}

/** yargs asks for the working folder as soon as it is loaded. */
const needsFolder = `try { process.cwd(); } catch {
  process.stderr.write('error[unreadable]: the working folder is no longer there\\n  help: Change to another folder.\\n');
  process.exit(2);
}`;

// URLs in compiler/node (the process that runs models) lead to where its files are.
await build({
  entryPoints: [`${dist}cli/main.js`],
  outfile: `${dist}cli/yolonnx.cjs`,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['onnxruntime-node', 'onnx-proto'],
  plugins: [replacements],
  // Above 1 MB of text V8 collects garbage once more. Lines stay short enough to name places in errors.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: `const bundleUrl = require('node:url').pathToFileURL(require('node:path').join(__dirname, '../compiler/node/bundled.js')).href;\n${needsFolder}` },
  legalComments: 'none',
  logLevel: 'warning',
});
// What is bundled is not needed again.
for (const file of readdirSync(`${dist}cli`)) if (!['start.cjs', 'yolonnx.cjs'].includes(file)) rmSync(`${dist}cli/${file}`);
renameSync(`${dist}cli/start.cjs`, `${dist}cli/main.js`);
chmodSync(`${dist}cli/main.js`, 0o755);
writeFileSync(`${dist}cli/package.json`, '{"type":"commonjs"}\n');
writeFileSync(`${dist}cli/report.html`, await pageHtml());

// Whatever this Node compiles for a small compilation need not be compiled again.
const folder = mkdtempSync(join(tmpdir(), 'yolonnx-build-'));
// A checkpoint passes everything that a yaml does, and its readers besides.
const checkpoint = fileURLToPath(new URL('../../fixtures/checkpoints/yolov8u-last.pt', import.meta.url));
const commands = ['compile', checkpoint, '--imgsz', '64', '-q', '-o', join(folder, 'last.onnx')];
const { status } = spawnSync(process.execPath, [`${dist}cli/main.js`, ...commands], { env: { ...process.env, YOLONNX_WRITE_CODE_CACHE: '1' }, stdio: ['ignore', 'ignore', 'inherit'] });
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
