import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Sources } from '../config/sources.ts';
import { NoKeyFits, readSettings } from '../pocketbase/settings.ts';
import { withDatabase } from '../pocketbase/sqlite.ts';
import { settingsKeys } from '../security/derived-keys.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';

/** Whether PB_ENCRYPTION_KEY is the one that the global database was made with. */
export interface SettingsKeyFacts {
  /** Where the key stands that is used. */
  origin: string;
  opens: boolean;
  /** A file that holds the right one, when the one that is used is not. */
  rightOneIn: string | null;
}

/** Null where there is nothing to open, and where the file cannot be read: others say why. */
export function settingsKeyFacts(
  file: string,
  config: Pick<Config, 'pbEncryptionKey' | 'previousPbEncryptionKey'>,
  { files, originOf }: Pick<Sources, 'files' | 'originOf'>,
): SettingsKeyFacts | null {
  const origin = originOf('PB_ENCRYPTION_KEY') ?? '';
  const opens = opensWith(file, settingsKeys(config, GLOBAL_NAME));
  if (opens === null) return null;
  if (opens) return { origin, opens, rightOneIn: null };
  const right = files.find(({ values }) => {
    const pbEncryptionKey = Buffer.from(values['PB_ENCRYPTION_KEY'] ?? '', 'base64');
    return opensWith(file, settingsKeys({ pbEncryptionKey, previousPbEncryptionKey: null }, GLOBAL_NAME));
  });
  return { origin, opens, rightOneIn: right?.path ?? null };
}

function opensWith(file: string, keys: readonly string[]): boolean | null {
  if (!existsSync(file)) return null;
  try {
    return withDatabase(file, { readOnly: true }, (database) => readSettings(database, keys)) && true;
  } catch (error) {
    return error instanceof NoKeyFits ? false : null;
  }
}
