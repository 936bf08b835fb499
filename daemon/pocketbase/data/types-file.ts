import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { headOf } from './data-state.ts';

const TYPES_FILE = 'types.d.ts';
const SHORT_BYTES = 1024;

/**
 * Shortens PocketBase's `types.d.ts` to its first line. PocketBase writes 0.8 MB of TypeScript declarations beside each
 * database, unless the existing file begins with the same line. Instances run without hooks and do not need them. Source:
 * plugins/jsvm, refreshTypesFile.
 *
 * PocketBase can write anything into its directory: links, named pipes, and files of any size.
 *
 * @returns whether the file was changed
 */
export function shortenTypesFile(dataDir: string): boolean {
  const path = join(dataDir, TYPES_FILE);
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (!file?.isFile() || file.size <= SHORT_BYTES) return false;
  const [firstLine = ''] = (headOf(path, SHORT_BYTES)?.toString('utf8') ?? '').split('\n', 1);
  const temporary = join(dataDir, `.${TYPES_FILE}.new`);
  rmSync(temporary, { force: true });
  writeFileSync(temporary, `${firstLine}\n// Shortened by Fathom.\n`, { mode: 0o600, flag: 'wx' });
  // Replace the file instead of truncating it: earlier releases of Fathom linked one file into all databases.
  renameSync(temporary, path);
  return true;
}
