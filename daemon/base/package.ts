import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

/** The folder of package.json, above the sources as above what is built. */
export function packageRoot(from: string = import.meta.dirname): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('the folder of the package was not found; install Fathom again');
  return packageRoot(parent);
}

/** A module that is loaded by its path, as `daemon/pocketbase/process/spawner/spawner`: built when this file is, a source when this is one. */
export function modulePath(name: string): string {
  return extname(import.meta.filename) === '.ts'
    ? join(packageRoot(), `${name}.ts`)
    : join(packageRoot(), 'dist', `${name}.js`);
}

export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
