import { existsSync } from 'node:fs';
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

/** A configured key, compared with the data that it has to open. */
export interface KeyFacts {
  /** Where the key in use is set. */
  origin: string;
  opens: boolean;
  /** `AES_MASTER_KEY in /srv/.env`: a value that does fit, when the one that is used does not. */
  rightOne: string | null;
}

export interface MasterKeyFacts extends KeyFacts {
  /** Of AES_MASTER_KEY. */
  id: string;
  missing: KeyMatch['missing'];
}

export interface SessionKeyFacts extends KeyFacts {
  /** Id of the JWT_SECRET of the last start. */
  former: string;
}

const KEY_BYTES = 32;
/** Each may hold what belongs into another one. */
const KEY_VARIABLES = [
  'AES_MASTER_KEY',
  'AES_PREVIOUS_MASTER_KEY',
  'PB_ENCRYPTION_KEY',
  'PB_PREVIOUS_ENCRYPTION_KEY',
] as const satisfies readonly Variable[];

/** Whether PB_ENCRYPTION_KEY opens the settings in the global `data.db`; null where there is nothing to open, and where the file cannot be read: others say why. */
export function settingsKeyFacts(
  file: string,
  config: Pick<Config, 'pbEncryptionKey' | 'previousPbEncryptionKey'>,
  sources: Pick<Sources, 'everywhere' | 'originOf'>,
): KeyFacts | null {
  const origin = sources.originOf('PB_ENCRYPTION_KEY') ?? '';
  const opens = opensSettings(file, settingsKeys(config, GLOBAL_NAME));
  if (opens === null) return null;
  const right = opens
    ? undefined
    : configuredKeys(sources).find(
        ({ key }) =>
          opensSettings(
            file,
            settingsKeys({ pbEncryptionKey: key, previousPbEncryptionKey: null }, GLOBAL_NAME),
          ) === true,
      );
  return { origin, opens, rightOne: right?.place ?? null };
}

/** Whether AES_MASTER_KEY, or the one before it, opens the secrets in the global `data.db`; null as above. */
export function masterKeyFacts(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
  sources: Pick<Sources, 'everywhere' | 'originOf'>,
): MasterKeyFacts | null {
  const fit = fitInFile(file, config);
  if (fit === null) return null;
  const missing = new Set(fit.missing.map(({ id }) => id));
  return {
    origin: sources.originOf('AES_MASTER_KEY') ?? '',
    id: keyId(config.aesMasterKey),
    opens: !opensNothing(fit),
    missing: fit.missing,
    rightOne: configuredKeys(sources).find(({ key }) => missing.has(keyId(key)))?.place ?? null,
  };
}

/** Whether the sessions of the last start can be read; null before it, and when it cannot be found out. */
export function sessionKeyFacts(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey' | 'jwt'>,
  { everywhere, originOf }: Pick<Sources, 'everywhere' | 'originOf'>,
): SessionKeyFacts | null {
  const former = lastSessionKey(file, config);
  if (former === null) return null;
  const right = everywhere().flatMap(({ origin, values }) =>
    (['JWT_SECRET', 'JWT_PREVIOUS_SECRET'] as const).flatMap((variable) => {
      const value = values[variable];
      const fits = value !== undefined && keyId(new TextEncoder().encode(value)) === former;
      return fits ? [`${variable} in ${origin}`] : [];
    }),
  );
  return {
    former,
    origin: originOf('JWT_SECRET') ?? '',
    opens: hasSessionKey(config.jwt, former),
    rightOne: right[0] ?? null,
  };
}

function lastSessionKey(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
): string | null {
  if (!existsSync(file)) return null;
  try {
    const row = withDatabase(file, { readOnly: true }, (database) =>
      database.prepare('SELECT envelope FROM sealed_secrets WHERE name = ?').get(SESSION_KEY),
    );
    return row
      ? unseal(masterKeysOf(config), String(row['envelope']), belongsTo(SESSION_KEY)).toString()
      : null;
  } catch {
    // Other findings say why it cannot be read or opened.
    return null;
  }
}

function fitInFile(
  file: string,
  config: Pick<Config, 'aesMasterKey' | 'previousAesMasterKey'>,
): KeyMatch | null {
  if (!existsSync(file)) return null;
  try {
    const use = readKeyUse(file);
    return use.size === 0 ? null : matchKeys(masterKeysOf(config), use);
  } catch {
    // Other findings say why it cannot be read.
    return null;
  }
}

function opensSettings(file: string, keys: readonly string[]): boolean | null {
  if (!existsSync(file)) return null;
  try {
    return withDatabase(file, { readOnly: true }, (database) => readSettings(database, keys)) && true;
  } catch (error) {
    return error instanceof NoMatchingKey ? false : null;
  }
}

/** Every value that could be a key, also those that another one comes before. */
function configuredKeys({ everywhere }: Pick<Sources, 'everywhere'>): { place: string; key: Uint8Array }[] {
  return everywhere().flatMap(({ origin, values }) =>
    KEY_VARIABLES.flatMap((variable) => {
      const key = Buffer.from(values[variable]?.trim() ?? '', 'base64');
      return key.length === KEY_BYTES
        ? [{ place: `${variable} in ${origin}`, key: Uint8Array.from(key) }]
        : [];
    }),
  );
}
