import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostAndPort } from '../../shared/host.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import { oauthSecrets } from '../config/oauth.ts';
import { settingsKeys } from '../keys/derived-keys.ts';
import { type Binary, changedBinary } from '../pocketbase/binary/binary.ts';
import { adjustDatabase } from '../pocketbase/data/adjustment.ts';
import { allowDaemonAddresses, daemonAddresses } from '../pocketbase/data/guard-settings.ts';
import {
  isRefusedAfter,
  lastVersionOf,
  OlderVersion,
  recordLastVersion,
} from '../pocketbase/data/last-version.ts';
import { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { requestLogLimit } from '../pocketbase/logs/request-log-limit.ts';
import { ENCRYPTION_VARIABLE, THUMBNAIL_LIMITS } from '../pocketbase/process/command.ts';
import { dataDirOf, hasRunMarkerOf, type InstanceSpec, requestLogFileOf } from './instance-spec.ts';
import { settingsOfInstance } from './start/prepare-settings.ts';

export const GLOBAL_NAME = 'global';
/** A sign-in uses three runtimes at the same time, and keeps them while a database is provisioned. */
const HOOKS_POOL = 16;

export function globalDirOf(dataDir: string): string {
  return join(dataDir, 'global');
}

/** The global PocketBase: the control plane, where users sign up. */
export function globalInstance(options: {
  config: Config;
  binary: Binary;
  clock: Clock;
  /** The directory of the package. */
  root: string;
  logsDir: string;
  /** The URL at which its hooks reach the daemon. */
  hookUrl: string;
  hookToken: string;
  authorization: () => Promise<string>;
  log: Logger;
}): InstanceSpec {
  const { config, root, log } = options;
  const directory = globalDirOf(config.dataDir);
  const keys = settingsKeys(config, GLOBAL_NAME);
  const addresses = daemonAddresses(config.bindAddress);
  const logLimit = requestLogLimit(requestLogFileOf(directory), { instance: GLOBAL_NAME, log });
  const version = recordLastVersion(options.binary.version);
  const adjustment = settingsOfInstance({
    name: GLOBAL_NAME,
    keys,
    log,
    change: (settings) => allowDaemonAddresses(settings, addresses),
  });
  return {
    name: GLOBAL_NAME,
    kind: 'global',
    userId: null,
    email: null,
    createdAt: options.clock.now().toISOString(),
    directory,
    log: new InstanceLog(join(options.logsDir, 'instances', 'global.log'), options.clock, config.log),
    binary: options.binary,
    pinnedVersion: config.globalVersion,
    archived: () => null,
    bringBack: () => Promise.resolve(null),
    binaryProblem: () => changedBinary(options.binary),
    versionOf: (sha256) => (sha256 === options.binary.sha256 ? options.binary.version : null),
    host: config.bindAddress,
    port: { fixed: config.globalPort },
    migrationsDir: join(root, 'pb_migrations', 'global'),
    hooksDir: join(root, 'pb_hooks', 'global'),
    publicDir: null,
    hooksPool: HOOKS_POOL,
    environment: {
      ...THUMBNAIL_LIMITS,
      [ENCRYPTION_VARIABLE]: keys[0],
      PB_ADMIN_EMAIL: config.admin.email,
      PB_ADMIN_PASSWORD: config.admin.password,
      FATHOM_HOOK_URL: options.hookUrl,
      FATHOM_HOOK_TOKEN: options.hookToken,
      FATHOM_DAEMON_ADDRESSES: addresses.join(','),
      FATHOM_OAUTH_SECRETS: JSON.stringify(oauthSecrets(config.oauth)),
    },
    prepare: async () => {
      logLimit.beforeStart();
      // Other settings are set through the API when it runs: before the first start there is no file.
      const last = lastVersionOf(dataDirOf(directory), { isTrusted: true });
      if (config.globalVersion !== null && last !== null && isRefusedAfter(config.globalVersion, last))
        throw new OlderVersion(config.globalVersion, last);
      adjustDatabase(join(dataDirOf(directory), 'data.db'), [version, adjustment], { isTrusted: true });
      return null;
    },
    onReplaced: () => {},
    hasServed: () => true,
    publicUrl: (port) => `http://${hostAndPort(config.bindAddress, port)}`,
    probeAuthorization: options.authorization,
    savePort: () => Promise.resolve(true),
    onPort: () => {
      logLimit.afterStart();
      // Best effort: without the marker, the next start counts as the first one.
      writeFile(hasRunMarkerOf(directory), '', { mode: 0o600 }).catch(() => {});
    },
    // All databases depend on it.
    limits: () => ({ memory_bytes: null, disk_bytes: null, sleep_after: 0 }),
    sleepAfterMs: () => null,
    staysAwake: () => true,
    hasOwnJobs: () => false,
    isDeveloper: () => false,
    access: () => 'app',
    isPrepared: () => true,
    applications: () => [],
    connectPorts: () => null,
  };
}
