import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SettingsLayer } from '../../../shared/settings-files.ts';
import { VARIABLES } from './variables.ts';

/** How the files are called when systemd was given a directory: `LoadCredential=fathom:/etc/fathom/credentials`. */
const PREFIX = 'fathom_';

/**
 * What systemd hands over in `$CREDENTIALS_DIRECTORY`: one file for each setting, named after it. Unlike the environment it
 * is seen by this process alone, and by none that it starts.
 */
export function readCredentials(directory: string | undefined): SettingsLayer[] {
  if (directory === undefined || directory === '') return [];
  const there = namesIn(directory);
  const values = VARIABLES.flatMap((name) => {
    const file = [`${PREFIX}${name}`, name].find((candidate) => there.has(candidate));
    return file === undefined ? [] : [[name, readFileSync(join(directory, file), 'utf8').trim()]];
  });
  return [{ origin: directory, values: Object.fromEntries(values) }];
}

/** None, where nobody may look in or there is nothing: what is missing then is named by what needs it. */
function namesIn(directory: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(directory));
  } catch {
    return new Set();
  }
}
