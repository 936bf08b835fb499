/**
 * Bundles daemon and console into `dist/`: their start would otherwise look for and read hundreds of small files, which takes
 * as long as everything else together.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { OPERATIONS } from './shared/client/operations.ts';

/**
 * Node's own modules are required, not imported: to import one, Node reads all that it exports, and among what
 * `node:http` exports is a whole second HTTP client, loaded when it is looked at.
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup(bundle) {
    bundle.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }));
  },
};

/**
 * In place of two packages that yargs uses. What it measures and says is English in ASCII, and to load the tables for every
 * other script and language takes a command as long as everything else that it does.
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
const operationTable: Plugin = {
  name: 'operation-table',
  setup(bundle) {
    bundle.onLoad({ filter: /\/shared\/client\/operations\.ts$/ }, () => ({
      contents: `export const OPERATIONS = ${JSON.stringify(OPERATIONS)};`,
    }));
  },
};

const BOTH: BuildOptions = {
  bundle: true,
  // What is imported on demand stays in files of its own.
  splitting: true,
  format: 'esm',
  platform: 'node',
  // As it is written: for a named version, regular expressions with newer properties become calls that compile them anew
  // for every character that is drawn.
  target: 'esnext',
  sourcemap: true,
  plugins: [requireBuiltins, operationTable],
  banner: {
    // Packages in the older module format ask for Node's own modules this way.
    js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
};

rmSync('dist', { recursive: true, force: true });

const daemon = await build({
  ...BOTH,
  // What has a file of its own in `dist/` under its own name: programs, what they load by its path, and what tests compose.
  entryPoints: [
    'daemon/main.ts',
    'daemon/daemon.ts',
    'daemon/cli/daemon/run/worker.ts',
    'daemon/pocketbase/process/spawner/spawner.ts',
    'daemon/pocketbase/data/page-checker.ts',
    'daemon/queue/runner/runner-main.ts',
    'daemon/queue/runner/handler-thread.ts',
    'daemon/queue/handlers/*.ts',
  ],
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
    // Ink's layout engine would load Node's whole HTTP client to read what it holds in itself; it does without.
    fetch: 'undefined',
  },
  // Only in development, and not installed.
  external: ['react-devtools-core'],
});

if (Object.keys(tui.metafile?.inputs ?? {}).some((file) => file.includes('node_modules/zod/')))
  throw new Error('the console loads zod; import types only from shared/api');

/** What `/docs` shows in a browser: a script and a style sheet. */
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

writeFileSync('dist/LICENSES.txt', licensesOf([daemon.metafile, tui.metafile, viewer.metafile]));

/** What the packages that are bundled ask for: that their licences go along. */
function licensesOf(bundles: readonly (Metafile | undefined)[]): string {
  const files = bundles.flatMap((bundle) => Object.keys(bundle?.inputs ?? {}));
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
