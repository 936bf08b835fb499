import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FieldError, messageOf } from '../../../shared/errors.ts';
import type { SettingsLayer } from '../../../shared/settings-files.ts';
import { systemErrorCode } from '../../base/files/dir.ts';
import { SETTING_NAMES } from './variables.ts';

/** The prefix that systemd adds when it loads a directory: `LoadCredential=fathom:/etc/fathom/credentials`. */
const PREFIX = 'fathom_';

const READABLE = `make it readable for the user of fathomd${process.getuid ? ` (uid ${process.getuid()})` : ''}`;

export interface Credentials {
  layers: readonly SettingsLayer[];
  /** The names of all files without the prefix, also of those that are no settings. */
  names: readonly string[];
  /** Files that exist and cannot be read. */
  problems: readonly FieldError[];
}

/**
 * Reads the credentials in `$CREDENTIALS_DIRECTORY`, of systemd or of a container: one file per setting, with its name. Child
 * processes do not see them, unlike the environment.
 */
export function readCredentials(directory: string | undefined): Credentials {
  if (directory === undefined || directory === '') return { layers: [], names: [], problems: [] };
  const problems: FieldError[] = [];
  const read = <T>(name: string, path: string, reader: (path: string) => T): T | null => {
    try {
      return reader(path);
    } catch (error) {
      const code = systemErrorCode(error) ?? messageOf(error);
      // A missing directory has no settings; those that are missing then are reported later.
      if (code !== 'ENOENT')
        problems.push({ path: name, message: `cannot read ${path} (${code}); ${READABLE}` });
      return null;
    }
  };
  const files = new Set(read('CREDENTIALS_DIRECTORY', directory, (path) => readdirSync(path)));
  const values = SETTING_NAMES.flatMap((name) => {
    const file = [`${PREFIX}${name}`, name].find((candidate) => files.has(candidate));
    if (file === undefined) return [];
    const text = read(name, join(directory, file), (path) => readFileSync(path, 'utf8'));
    return text === null ? [] : [[name, text.trim()]];
  });
  return {
    layers: [{ origin: directory, values: Object.fromEntries(values) }],
    names: [...files].map((name) => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name)),
    problems,
  };
}
