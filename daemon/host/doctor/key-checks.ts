import { join } from 'node:path';
import type { LoadedConfig } from '../../config/config.ts';
import { describeMissingKeys } from '../../keys/master-keys.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { masterKeyFacts, settingsKeyFacts } from './facts/stored-keys.ts';
import { type Finding, fatal, ok, warning } from './finding.ts';

/** What is wrong with the configured keys, for the start of a daemon or a worker. */
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
  const { origin, opens, rightOne } = settingsKey;
  if (opens) return [ok('encryption_key', 'PB_ENCRYPTION_KEY opens the settings of the global database')];
  return [
    fatal(
      'encryption_key',
      `PB_ENCRYPTION_KEY in ${origin} is not the one that the global database was made with`,
      rightOne === null
        ? 'put back the one it was made with, from your copy of the secrets'
        : `${rightOne} is the right one: set PB_ENCRYPTION_KEY to that value in ${origin}, then restart the daemon`,
    ),
  ];
}

export function checkMasterKey({ masterKey }: Pick<HostFacts, 'masterKey'>): Finding[] {
  if (masterKey === null) return [];
  const { origin, id, opens, missing, rightOne } = masterKey;
  if (missing.length === 0) return [ok('master_key', `AES_MASTER_KEY (key ${id}) opens every stored secret`)];
  const needed = describeMissingKeys(missing);
  if (opens) {
    const former = rightOne ?? 'that key';
    return [
      warning(
        'master_key',
        `not every stored secret can be opened: ${needed}`,
        `set AES_PREVIOUS_MASTER_KEY to the value of ${former}, restart the daemon, then run 'fathomd secrets rotate'`,
      ),
    ];
  }
  return [
    fatal(
      'master_key',
      `AES_MASTER_KEY in ${origin} (key ${id}) opens no stored secret: ${needed}`,
      rightOne === null
        ? 'set AES_MASTER_KEY to that key, from your copy of the secrets, and run this again: it names the key that is set; docs/secrets.md says what to do when it is lost'
        : `${rightOne} is the right one: set AES_MASTER_KEY to that value, then restart the daemon`,
    ),
  ];
}

export function checkSessionKey({ sessionKey }: Pick<HostFacts, 'sessionKey'>): Finding[] {
  if (sessionKey === null) return [];
  const { origin, former, opens, rightOne } = sessionKey;
  if (opens) return [ok('session_key', 'JWT_SECRET reads the sessions of the last start')];
  return [
    warning(
      'session_key',
      `JWT_SECRET in ${origin} is not the one of the last start (key ${former}): the next start ends all sessions`,
      `set JWT_PREVIOUS_SECRET to ${rightOne === null ? 'the former one' : `the value of ${rightOne}`}, or keep it so to sign everybody out`,
    ),
  ];
}
