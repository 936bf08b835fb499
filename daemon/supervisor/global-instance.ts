import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/config.ts';
import type { Binary } from '../pocketbase/binary.ts';
import { ENCRYPTION_VARIABLE } from '../pocketbase/command.ts';
import { InstanceLog } from '../pocketbase/instance-log.ts';
import { instanceEncryptionKey } from '../security/derived-keys.ts';
import { hasRunMarkerOf, type InstanceSpec } from './instance-spec.ts';

export const GLOBAL_NAME = 'global';
/** Sign-ins wait in a hook while a database is provisioned, so a few may be under way at a time. */
const HOOKS_POOL = 8;

/** The global PocketBase: the control plane, and where people sign up. */
export function globalInstance(options: {
  config: Config;
  binary: Binary;
  clock: Clock;
  /** The package's directory. */
  root: string;
  logsDir: string;
  /** Where its hooks reach the daemon. */
  hookUrl: string;
  hookToken: string;
  authorization: () => Promise<string>;
}): InstanceSpec {
  const { config, root } = options;
  const directory = join(config.dataDir, 'global');
  return {
    name: GLOBAL_NAME,
    kind: 'global',
    userId: null,
    email: null,
    createdAt: options.clock.now().toISOString(),
    directory,
    log: new InstanceLog(join(options.logsDir, 'instances', 'global.log'), options.clock, config.log),
    binary: options.binary,
    host: config.bindAddress,
    port: { fixed: config.globalPort },
    migrationsDir: join(root, 'pb_migrations', 'global'),
    hooksDir: join(root, 'pb_hooks', 'global'),
    hooksPool: HOOKS_POOL,
    environment: {
      [ENCRYPTION_VARIABLE]: instanceEncryptionKey(config.pbEncryptionKey, GLOBAL_NAME),
      PB_ADMIN_EMAIL: config.admin.email,
      PB_ADMIN_PASSWORD: config.admin.password,
      FATHOM_HOOK_URL: options.hookUrl,
      FATHOM_HOOK_TOKEN: options.hookToken,
    },
    publicUrl: (port) =>
      `http://${config.bindAddress.includes(':') ? `[${config.bindAddress}]` : config.bindAddress}:${port}`,
    probeAuthorization: options.authorization,
    onPort: () => {
      // Without it the next start is taken for the first one, which is what it was before.
      writeFile(hasRunMarkerOf(directory), '', { mode: 0o600 }).catch(() => {});
    },
  };
}
