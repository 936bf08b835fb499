/**
 * Bundles daemon, console and the pages for browsers into `dist/`. Without bundles, their start would take twice as long, to find and read hundreds of
 * small files.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join, relative } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { build as buildPage } from 'vite';
import { buildClientPackage, declarationsOf } from './scripts/client-package.ts';
import { OPERATIONS, type OperationTable } from './shared/client/operations.ts';

const requireBuiltin = createRequire(import.meta.url);

/**
 * Loads Node's own modules with `require`, and reads only the exports that are used. An import would read every export of
 * `node:http`, and one of them loads a second HTTP client when it is read.
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup(bundle) {
    bundle.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({ contents: builtinModule(path) }));
  },
};

/** The source of a module with the exports of one of Node's own. esbuild leaves out those that no file imports. */
function builtinModule(path: string): string {
  const names = Object.keys(requireBuiltin(path) as object).filter((name) => name !== 'default');
  return [
    `const builtin = require('${path}');`,
    'export default builtin;',
    ...names.map((name) => `export const ${name} = /* @__PURE__ */ (() => builtin.${name})();`),
  ].join('\n');
}

/**
 * Replaces two packages that yargs uses. Its texts are English in ASCII, and loading the tables for other scripts and languages
 * would double the duration of a command.
 */
const PLAIN = {
  'string-width': 'export default (text) => text.length;',
  y18n: `
    import { format } from 'node:util';
    export default () => ({
      __: format,
      __n: (one, many, count, ...values) => format(count === 1 ? one : many, ...values),
      getLocale: () => 'en',
      setLocale() {},
      updateLocale() {},
    });`,
};

const plainYargs: Plugin = {
  name: 'plain-yargs',
  setup(bundle) {
    bundle.onResolve({ filter: /^(string-width|y18n)$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/') ? { path, namespace: 'plain' } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: 'plain' }, ({ path }) => ({
      contents: PLAIN[path as keyof typeof PLAIN],
    }));
  },
};

/**
 * The client reads methods and paths from the declarations in `shared/api`. Those load zod, which takes a fifth of the start of the
 * console, so the bundles hold the resulting table instead.
 */
const operationTable = tablePlugin(JSON.stringify(OPERATIONS));

function tablePlugin(operations: string): Plugin {
  return {
    name: 'operation-table',
    setup(bundle) {
      bundle.onLoad({ filter: /\/shared\/client\/operations\.ts$/ }, () => ({
        contents: `export const OPERATIONS = ${operations};`,
      }));
    },
  };
}

/** Only the command line needs the key `command`. */
function withoutCommands(operations: OperationTable): string {
  return JSON.stringify(operations, (key, value: unknown) => (key === 'command' ? undefined : value));
}

const BOTH: BuildOptions = {
  bundle: true,
  // Modules that are imported on demand stay separate files.
  splitting: true,
  format: 'esm',
  platform: 'node',
  // Keeps the syntax. For a named version, esbuild turns newer regular expressions into calls that compile them for every
  // character that is drawn.
  target: 'esnext',
  sourcemap: true,
  plugins: [requireBuiltins, operationTable],
  banner: {
    // CommonJS packages load Node's own modules with `require`.
    js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
};

rmSync('dist', { recursive: true, force: true });

const daemon = await build({
  ...BOTH,
  // Files with their own name in `dist/`: programs, modules that they load by path, and modules that tests import.
  entryPoints: [
    'daemon/main.ts',
    'daemon/daemon.ts',
    'daemon/cli/daemon/run/worker.ts',
    'daemon/pocketbase/process/keeper/keeper-main.ts',
    'daemon/accounts/sign-up/password-estimator.ts',
    'daemon/pocketbase/data/page-checker.ts',
    'daemon/pocketbase/data/sql-process-main.ts',
    'daemon/rollouts/data/database-thread-main.ts',
    'daemon/backups/run/backup-process-main.ts',
    'daemon/backups/run/integrity-main.ts',
    'daemon/backups/export/export-process-main.ts',
    'daemon/queue/runner/runner-main.ts',
    'daemon/queue/runner/confined-main.ts',
    'daemon/queue/runner/handler-thread.ts',
    'daemon/queue/handlers/*.ts',
  ],
  // Native parts, which are loaded on demand where they are installed. ssh2 works without its own.
  external: ['koffi', 'cpu-features', '*.node'],
  // ssh2 reads it when it is loaded, and modules do not have it.
  define: { __dirname: 'import.meta.dirname' },
  outbase: '.',
  outdir: 'dist',
  chunkNames: 'daemon/chunks/[name]-[hash]',
  plugins: [requireBuiltins, operationTable, plainYargs],
});

const tui = await build({
  ...BOTH,
  entryPoints: ['tui/main.tsx'],
  outdir: 'dist/tui',
  jsx: 'automatic',
  define: {
    // React's development build is half as fast.
    'process.env.NODE_ENV': '"production"',
    // Without it, the layout engine of Ink does not load an HTTP client to read its embedded data.
    fetch: 'undefined',
  },
  // Only in development, and not installed.
  external: ['react-devtools-core'],
});

if (Object.keys(tui.metafile?.inputs ?? {}).some((file) => file.includes('node_modules/zod/')))
  throw new Error('the console loads zod; import types only from shared/api');

/** What host platforms import. */
await build({
  ...BOTH,
  splitting: false,
  entryPoints: { index: 'daemon/embed/index.ts' },
  outdir: 'dist/embed',
});
writeFileSync('dist/embed/index.d.ts', await declarationsOf('daemon/embed/index'));

await buildClientPackage(tablePlugin(withoutCommands(OPERATIONS)));

/** The script and style sheet of `/docs`. */
const viewer = await build({
  entryPoints: { viewer: 'daemon/http/document/docs-viewer.js' },
  outdir: 'dist/docs',
  bundle: true,
  minify: true,
  legalComments: 'none',
  platform: 'browser',
  logLevel: 'warning',
  metafile: true,
});

/** The script and style sheet of the pages that links in mails lead to. */
await build({
  entryPoints: [
    { in: 'daemon/accounts/pages/account-page.js', out: 'page' },
    { in: 'daemon/accounts/pages/account-page.css', out: 'page' },
  ],
  outdir: 'dist/account',
  bundle: true,
  minify: true,
  platform: 'browser',
  logLevel: 'warning',
});

/** The rules and operations of work items for PocketBase's JavaScript, which knows neither newer syntax nor modules. */
await build({
  entryPoints: { rules: 'shared/work/hook-rules.ts', operations: 'shared/work/api/hook-operations.ts' },
  outdir: 'pb_apps/work-items/hooks/work-items',
  bundle: true,
  format: 'cjs',
  platform: 'neutral',
  target: 'es2017',
  logLevel: 'warning',
});

const page = await buildPage({ configFile: 'web/vite.config.ts', configLoader: 'native', logLevel: 'warn' });
if (!('output' in page)) throw new Error('the page of owners was not built once');
const pageFiles = page.output.flatMap((part) => (part.type === 'chunk' ? Object.keys(part.modules) : []));
if (pageFiles.some((file) => file.includes('node_modules/zod/') || file.includes('__vite-browser-external')))
  throw new Error('the page of owners loads zod or modules of Node; import types only from shared/api');
for (const { fileName } of page.output) compress(`dist/web/${fileName}`);

writeFileSync(
  'dist/LICENSES.txt',
  licensesOf([
    ...[daemon.metafile, tui.metafile, viewer.metafile].flatMap((metafile) =>
      Object.keys(metafile?.inputs ?? {}),
    ),
    ...pageFiles.map((file) => relative(import.meta.dirname, file)),
  ]),
);

/** Writes the forms that the daemon sends, so that it does not compress. */
function compress(path: string): void {
  const content = readFileSync(path);
  writeFileSync(`${path}.br`, brotliCompressSync(content));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}

/** The licences of the bundled packages, which must be distributed with them. */
function licensesOf(files: readonly string[]): string {
  const directories = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  return [...new Set(directories)].toSorted().map(licenseOf).join('\n\n');
}

function licenseOf(directory: string): string {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const { name, version, license } = manifest;
  const texts = readdirSync(directory)
    .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
    .map((file) => readFileSync(join(directory, file), 'utf8').trim());
  if (texts.length === 0 && typeof license !== 'string') throw new Error(`${directory} names no licence`);
  return [`${String(name)} ${String(version)} (${String(license)})`, ...texts].join('\n\n');
}
