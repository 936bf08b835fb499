import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TYPES_FILE = 'types.d.ts';
const SHORT_BYTES = 1024;

/**
 * Shortens PocketBase's `types.d.ts` to its first line. PocketBase writes 0.8 MB of TypeScript declarations beside each
 * database, unless the existing file begins with the same line. Instances run without hooks and do not need them. Source:
 * plugins/jsvm, refreshTypesFile.
 *
 * @returns whether the file was changed
 */
export function shortenTypesFile(dataDir: string): boolean {
  const path = join(dataDir, TYPES_FILE);
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file?.isFile() || file.size <= SHORT_BYTES) return false;
  const [firstLine = ''] = readFileSync(path, 'utf8').slice(0, SHORT_BYTES).split('\n', 1);
  const temporary = join(dataDir, `.${TYPES_FILE}.new`);
  writeFileSync(temporary, `${firstLine}\n// Shortened by Fathom.\n`, { mode: 0o600 });
  // Replace the file instead of truncating it: earlier releases of Fathom linked one file into all databases.
  renameSync(temporary, path);
  return true;
}
