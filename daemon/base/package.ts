import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

/** The folder of package.json, which is above both the sources and the build. */
export function packageRoot(from: string = import.meta.dirname): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('cannot find the package.json of Fathom; install Fathom again');
  return packageRoot(parent);
}

/**
 * The path of a module that another process loads: in the build when this file is built, else in the sources.
 *
 * @param name path from the package root without extension, such as `daemon/pocketbase/process/keeper/keeper-main`
 */
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
