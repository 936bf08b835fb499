import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SettingsLayer } from '../../../shared/settings-files.ts';
import { VARIABLES } from './variables.ts';

/** The prefix that systemd adds when it loads a directory: `LoadCredential=fathom:/etc/fathom/credentials`. */
const PREFIX = 'fathom_';

/**
 * Reads the systemd credentials in `$CREDENTIALS_DIRECTORY`: one file per setting, with its name. Child processes do not
 * see them, unlike the environment.
 */
export function readCredentials(directory: string | undefined): SettingsLayer[] {
  if (directory === undefined || directory === '') return [];
  const files = listFiles(directory);
  const values = VARIABLES.flatMap((name) => {
    const file = [`${PREFIX}${name}`, name].find((candidate) => files.has(candidate));
    return file === undefined ? [] : [[name, readFileSync(join(directory, file), 'utf8').trim()]];
  });
  return [{ origin: directory, values: Object.fromEntries(values) }];
}

/** The names of all credentials without the prefix, also of those that are no settings. */
export function credentialNames(directory: string | undefined): string[] {
  if (directory === undefined || directory === '') return [];
  return [...listFiles(directory)].map((name) =>
    name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name,
  );
}

/** Empty when the directory is missing or unreadable: the settings that are then missing are reported later. */
function listFiles(directory: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(directory));
  } catch {
    return new Set();
  }
}
