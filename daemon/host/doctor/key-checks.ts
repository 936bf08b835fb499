import { join } from 'node:path';
import type { LoadedConfig } from '../../config/config.ts';
import { describeMissingKeys } from '../../keys/master-keys.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { masterKeyFacts, settingsKeyFacts } from './facts/stored-keys.ts';
import { type Finding, fatal, ok, warning } from './finding.ts';

/** Warnings about the configured keys, for the start of a daemon or a worker. */
export function keyWarnings({ config, sources }: LoadedConfig): string[] {
  const file = join(config.dataDir, GLOBAL_NAME, 'pb_data', 'data.db');
  const findings = [
    ...checkSettingsKey({ settingsKey: settingsKeyFacts(file, config, sources) }),
    ...checkMasterKey({ masterKey: masterKeyFacts(file, config, sources) }),
  ];
  return findings.flatMap(({ level, summary, remedy }) => (level === 'ok' ? [] : [`${summary}; ${remedy}`]));
}

export function checkSettingsKey({ settingsKey }: Pick<HostFacts, 'settingsKey'>): Finding[] {
  if (settingsKey === null) return [];
  const { origin, matches, matchingKey } = settingsKey;
  if (matches)
    return [ok('encryption_key', 'PB_ENCRYPTION_KEY decrypts the settings of the global database')];
  return [
    fatal(
      'encryption_key',
      `PB_ENCRYPTION_KEY in ${origin} does not decrypt the settings of the global database`,
      matchingKey === null
        ? 'restore the former PB_ENCRYPTION_KEY from your copy of the secrets'
        : `${matchingKey} decrypts them: set PB_ENCRYPTION_KEY to that value in ${origin}, then restart the daemon`,
    ),
  ];
}

export function checkMasterKey({ masterKey }: Pick<HostFacts, 'masterKey'>): Finding[] {
  if (masterKey === null) return [];
  const { origin, id, matches, missing, matchingKey } = masterKey;
  if (missing.length === 0)
    return [ok('master_key', `AES_MASTER_KEY (key ${id}) decrypts all stored secrets`)];
  const needed = describeMissingKeys(missing);
  if (matches) {
    const missingKey = matchingKey ?? 'that key';
    return [
      warning(
        'master_key',
        `some stored secrets cannot be decrypted: ${needed}`,
        `set AES_PREVIOUS_MASTER_KEY to the value of ${missingKey}, restart the daemon, then run 'fathomd secrets rotate'`,
      ),
    ];
  }
  return [
    fatal(
      'master_key',
      `AES_MASTER_KEY in ${origin} (key ${id}) decrypts no stored secret: ${needed}`,
      matchingKey === null
        ? 'set AES_MASTER_KEY to that key from your copy of the secrets, then run this command again; docs/secrets.md describes what to do when the key is lost'
        : `${matchingKey} decrypts them: set AES_MASTER_KEY to that value, then restart the daemon`,
    ),
  ];
}

export function checkSessionKey({ sessionKey }: Pick<HostFacts, 'sessionKey'>): Finding[] {
  if (sessionKey === null) return [];
  const { origin, lastKey, matches, matchingKey } = sessionKey;
  if (matches) return [ok('session_key', 'JWT_SECRET is the one of the last start; sessions stay valid')];
  return [
    warning(
      'session_key',
      `JWT_SECRET in ${origin} is not the one of the last start (key ${lastKey}); the next start ends all sessions`,
      `set JWT_PREVIOUS_SECRET to ${matchingKey === null ? 'the former value' : `the value of ${matchingKey}`} to keep the sessions`,
    ),
  ];
}
