import { existsSync } from 'node:fs';
import { valueOf } from '../../../../shared/setting-names.ts';
import type { Config } from '../../../config/config.ts';
import type { Sources } from '../../../config/sources/sources.ts';
import type { Variable } from '../../../config/sources/variables.ts';
import { keyId, settingsKeys } from '../../../keys/derived-keys.ts';
import { unseal } from '../../../keys/envelope.ts';
import { type KeyMatch, masterKeysOf, matchKeys, opensNothing } from '../../../keys/master-keys.ts';
import { readKeyUse } from '../../../pocketbase/data/key-use.ts';
import { NoMatchingKey, readSettings } from '../../../pocketbase/data/settings.ts';
import { withDatabase } from '../../../pocketbase/data/sqlite.ts';
import { belongsTo } from '../../../secrets/sealed-secrets.ts';
import { hasSessionKey, SESSION_KEY } from '../../../secrets/session-key.ts';
import { GLOBAL_NAME } from '../../../supervisor/global-instance.ts';

/** A configured key, compared with the data that it must decrypt. */
export interface KeyFacts {
  /** Where the configured key is set. */
  origin: string;
  matches: boolean;
  /** Another configured value that decrypts the data, as `AES_MASTER_KEY in /srv/.env`. */
  matchingKey: string | null;
}

export interface MasterKeyFacts extends KeyFacts {
  /** Id of AES_MASTER_KEY. */
  id: string;
  missing: KeyMatch['missing'];
}

export interface SessionKeyFacts extends KeyFacts {
  /** Id of the JWT_SECRET of the last start. */
  lastKey: string;
}

const KEY_BYTES = 32;
/** An administrator can put a value into the wrong one of these. */
const KEY_VARIABLES = [
  'AES_MASTER_KEY',
  'AES_PREVIOUS_MASTER_KEY',
  'PB_ENCRYPTION_KEY',
  'PB_PREVIOUS_ENCRYPTION_KEY',
] as const satisfies readonly Variable[];

/**
 * Whether PB_ENCRYPTION_KEY decrypts the settings in the global `data.db`. Null when there are none, and when the file
 * cannot be read (other findings report that).
 */
export function settingsKeyFacts(
  file: string,
  config: Pick<Config, 'pbEncryptionKey' | 'previousPbEncryptionKey'>,
  sources: Pick<Sources, 'everywhere' | 'originOf'>,
): KeyFacts | null {
  const origin = sources.originOf('PB_ENCRYPTION_KEY') ?? '';
  const matches = decryptsSettings(file, settingsKeys(config, GLOBAL_NAME));
  if (matches === null) return null;
  const match = matches
    ? undefined
    : configuredKeys(sources).find(
        ({ key }) =>
          decryptsSettings(
            file,
            settingsKeys({ pbEncryptionKey: key, previousPbEncryptionKey: null }, GLOBAL_NAME),
          ) === true,
      );
  return { origin, matches, matchingKey: match?.location ?? null };
}

/** Whether AES_MASTER_KEY or AES_PREVIOUS_MASTER_KEY decrypts the secrets in the global `data.db`. Null as above. */
export function masterKeyFacts(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
  sources: Pick<Sources, 'everywhere' | 'originOf'>,
): MasterKeyFacts | null {
  const match = matchKeysOfFile(file, config);
  if (match === null) return null;
  const missing = new Set(match.missing.map(({ id }) => id));
  return {
    origin: sources.originOf('AES_MASTER_KEY') ?? '',
    id: keyId(config.aesMasterKey),
    matches: !opensNothing(match),
    missing: match.missing,
    matchingKey: configuredKeys(sources).find(({ key }) => missing.has(keyId(key)))?.location ?? null,
  };
}

/** Whether JWT_SECRET verifies the sessions of the last start. Null before the first start, and when it is unknown. */
export function sessionKeyFacts(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey' | 'jwt'>,
  { everywhere, originOf }: Pick<Sources, 'everywhere' | 'originOf'>,
): SessionKeyFacts | null {
  const lastKey = readLastSessionKey(file, config);
  if (lastKey === null) return null;
  const matching = everywhere().flatMap(({ origin, values }) =>
    (['JWT_SECRET', 'JWT_PREVIOUS_SECRET'] as const).flatMap((variable) => {
      const value = valueOf(values, variable);
      const isLastKey = value !== undefined && keyId(new TextEncoder().encode(value)) === lastKey;
      return isLastKey ? [`${variable} in ${origin}`] : [];
    }),
  );
  return {
    lastKey,
    origin: originOf('JWT_SECRET') ?? '',
    matches: hasSessionKey(config.jwt, lastKey),
    matchingKey: matching[0] ?? null,
  };
}

function readLastSessionKey(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
): string | null {
  if (!existsSync(file)) return null;
  try {
    const row = withDatabase(file, { readOnly: true, isTrusted: true }, (database) =>
      database.prepare('SELECT envelope FROM sealed_secrets WHERE name = ?').get(SESSION_KEY),
    );
    return row
      ? unseal(masterKeysOf(config), String(row['envelope']), belongsTo(SESSION_KEY)).toString()
      : null;
  } catch {
    // Other findings report why it cannot be read or decrypted.
    return null;
  }
}

function matchKeysOfFile(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
): KeyMatch | null {
  if (!existsSync(file)) return null;
  try {
    const use = readKeyUse(file);
    return use.size === 0 ? null : matchKeys(masterKeysOf(config), use);
  } catch {
    // Other findings report why it cannot be read.
    return null;
  }
}

function decryptsSettings(file: string, keys: readonly string[]): boolean | null {
  if (!existsSync(file)) return null;
  try {
    return (
      withDatabase(file, { readOnly: true, isTrusted: true }, (database) => readSettings(database, keys)) &&
      true
    );
  } catch (error) {
    return error instanceof NoMatchingKey ? false : null;
  }
}

/** All configured values that can be a key, also those that another source overrides. */
function configuredKeys({
  everywhere,
}: Pick<Sources, 'everywhere'>): { location: string; key: Uint8Array }[] {
  return everywhere().flatMap(({ origin, values }) =>
    KEY_VARIABLES.flatMap((variable) => {
      const key = Buffer.from(valueOf(values, variable)?.trim() ?? '', 'base64');
      return key.length === KEY_BYTES
        ? [{ location: `${variable} in ${origin}`, key: Uint8Array.from(key) }]
        : [];
    }),
  );
}
