/**
 * Builds the client of applications into `dist/client/`: a bundle without dependencies, its declarations, and the manifest with
 * which `npm pack dist/client` makes the package `fathom-client` of it.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { z } from 'zod';
import { clientDeclaration } from './api-declarations.ts';
import { TypeWriter } from './json-schema-types.ts';

const ROOT = join(import.meta.dirname, '..');
const ENTRY = 'shared/client/package/index';
const TARGET = join(ROOT, 'dist', 'client');

export async function buildClientPackage(operationTable: Plugin): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { index: `${ENTRY}.ts` },
    outdir: TARGET,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    logLevel: 'warning',
    metafile: true,
    plugins: [operationTable],
  });
  const foreign = Object.keys(metafile.inputs).filter((file) => file.includes('node_modules/'));
  if (foreign.length > 0) throw new Error(`the client of applications loads ${foreign.join(', ')}`);
  writeFileSync(join(TARGET, 'index.d.ts'), await declarationsOf(ENTRY));
  writeFileSync(join(TARGET, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
  copyFileSync(join(ROOT, 'LICENSE'), join(TARGET, 'LICENSE'));
}

function manifest(): object {
  const { version, license, author, engines } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<string, unknown>;
  return {
    name: 'fathom-client',
    version,
    description: 'Client of applications on Fathom, for browsers and Node',
    license,
    author,
    type: 'module',
    engines,
    sideEffects: false,
    exports: { '.': { types: './index.d.ts', default: './index.js' }, './package.json': './package.json' },
    types: './index.d.ts',
    files: ['index.js', 'index.d.ts'],
  };
}

/** One file, because what the sources infer from zod is written as plain types, and zod is not installed with it. */
export async function declarationsOf(entry: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'fathom-declarations-'));
  try {
    emitDeclarations(directory, entry);
    return await flatten(directory, entry);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function emitDeclarations(directory: string, entry: string): void {
  const config = join(directory, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    incremental: false,
    tsBuildInfoFile: null,
    rootDir: ROOT,
    outDir: directory,
    typeRoots: [join(ROOT, 'node_modules', '@types')],
  };
  const files = [join(ROOT, `${entry}.ts`)];
  writeFileSync(
    config,
    JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, files, include: [] }),
  );
  execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', config], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

const IMPORT = /^(?:import|export) (?:type )?\{([^}]*)\} from '([^']+)';\n/gm;
const IS_DERIVED = /^shared\/(?:api\/|client\/client-methods$)/;

/** @param directory with the declarations of the compiler, which has those of the sources at their paths */
async function flatten(directory: string, entry: string): Promise<string> {
  const writer = new TypeWriter();
  const client = clientDeclaration(writer);
  const index = readFileSync(join(directory, `${entry}.d.ts`), 'utf8');
  const published = new Set([...index.matchAll(IMPORT)].flatMap(([, names = '']) => namesOf(names)));
  const modules = new Map<string, string>();
  /** Names by module. */
  const foreign = new Map<string, Set<string>>();
  const read = async (name: string): Promise<void> => {
    if (modules.has(name)) return;
    const text = readFileSync(join(directory, `${name}.d.ts`), 'utf8');
    modules.set(name, text);
    for (const [, names = '', path = ''] of text.matchAll(IMPORT)) {
      if (!path.startsWith('.')) {
        foreign.set(path, new Set([...(foreign.get(path) ?? []), ...namesOf(names)]));
        continue;
      }
      const used = join(dirname(name), path).replace(/\.[jt]s$/, '');
      if (!IS_DERIVED.test(used)) await read(used);
      else if (used.startsWith('shared/api/')) await nameTypes(writer, used, namesOf(names));
    }
  };
  await read(entry);
  modules.delete(entry);
  const others = [...modules.values()].map((text) => withoutModule(text, published));
  // The last line hides the declarations that are not exported.
  return [
    ...[...foreign].map(([path, names]) => `import type { ${[...names].join(', ')} } from '${path}';`),
    indented(`${writer.declarations()}\n${writer.finish(client)}`),
    ...others,
    'export {};\n',
  ].join('\n');
}

function indented(text: string): string {
  let depth = 0;
  const lines = text.split('\n').map((line) => {
    if (line.startsWith('}')) depth -= 1;
    const shown = line === '' || line.startsWith(' ') ? line : '  '.repeat(depth) + line;
    if (line.endsWith('{')) depth += 1;
    return shown;
  });
  return lines.join('\n');
}

function namesOf(list: string): string[] {
  return list.split(',').flatMap((name) => name.trim().replace(/^type /, '') || []);
}

/** Names the types of `shared/api` that are not part of the API itself, such as those of events. */
async function nameTypes(writer: TypeWriter, module: string, names: readonly string[]): Promise<void> {
  const exported = (await import(join(ROOT, `${module}.ts`))) as Record<string, z.ZodType | undefined>;
  for (const name of names) {
    if (writer.has(name)) continue;
    const schema = exported[`${name[0]?.toLowerCase()}${name.slice(1)}Schema`];
    if (schema === undefined) throw new Error(`${module}.ts exports no schema of ${name}`);
    writer.name(name, schema, 'output');
  }
}

function withoutModule(text: string, published: ReadonlySet<string>): string {
  return text
    .replace(IMPORT, '')
    .replace(/^export \{\};\n/gm, '')
    .replace(
      /^export ((?:declare )?(?:abstract )?(?:class|const|function|interface|type) (\w+))/gm,
      (whole, rest: string, name: string) =>
        published.has(name)
          ? whole
          : rest.startsWith('interface') || rest.startsWith('type') || rest.startsWith('declare')
            ? rest
            : `declare ${rest}`,
    );
}
