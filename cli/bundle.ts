/**
 * The last step of the build: dist/cli/main.js becomes one file, because reading a hundred small ones doubles the
 * start-up. The modules of ops are bundled by a generated list, which stands in the place of ops/index.ts.
 */
import { build, type Plugin } from 'esbuild';
import { readFileSync, readdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('..', import.meta.url));

const moduleList = (): string => {
  const files = readdirSync(`${dist}ops`, { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/')).sort();
  const loaders = files.flatMap((file) => {
    const name = /^\w+\/([A-Z]\w*)\.js$/.exec(file)?.[1];
    return name === undefined ? [] : [`  ['${name}', () => import('./${file}')],`];
  });
  return `import { libraryOf } from '../compiler/library.js';\nexport const library = libraryOf(new Map([\n${loaders.join('\n')}\n]));\n`;
};

const replacements: Plugin = {
  name: 'replacements',
  setup(plugin) {
    plugin.onLoad({ filter: /[/\\]dist[/\\]ops[/\\]index\.js$/ }, () => ({ contents: moduleList(), resolveDir: `${dist}ops` }));
    // Measures terminal columns for help texts; creating its Intl.Segmenter alone costs 30 ms. Ours are one column each.
    plugin.onLoad({ filter: /[/\\]string-width[/\\]index\.js$/ }, ({ path }) =>
      readFileSync(path, 'utf8').includes('Intl.Segmenter') ? { contents: 'export default (text) => text.length;' } : undefined,
    );
  },
};

/** yargs asks for the working folder as soon as it is loaded. */
const needsFolder = `try { process.cwd(); } catch {
  process.stderr.write('error[unreadable]: the working folder is no longer there\\n  help: Change to another folder.\\n');
  process.exit(2);
}`;

await build({
  entryPoints: [`${dist}cli/main.js`],
  outfile: `${dist}cli/main.bundle.js`,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['onnxruntime-node'],
  plugins: [replacements],
  // CommonJS packages in an ESM bundle ask for Node's own modules through require.
  banner: { js: `import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);\n${needsFolder}` },
  legalComments: 'none',
  logLevel: 'warning',
});
renameSync(`${dist}cli/main.bundle.js`, `${dist}cli/main.js`);
