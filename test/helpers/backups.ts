import { join } from 'node:path';
import { storeEscrow } from '../../daemon/backups/keys/escrow.ts';
import { ensureDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { type Backup, CONTROL_PLANE } from '../../daemon/backups/manifest.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { type ControlPlaneSource, writeBackup } from '../../daemon/backups/write-backup.ts';
import { isSecret, VARIABLES } from '../../daemon/config/sources/variables.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import type { Deployment } from './deployment.ts';
import { scratch } from './scratch.ts';

/** The directory in which the daemon looks for backups. */
export function targetOf(fathom: Deployment): DirectoryTarget {
  return new DirectoryTarget(join(fathom.dataDir, 'backups'));
}

interface BackUpOptions {
  dataDir?: string;
  /** The public half of the recovery key. */
  recovery?: string | null;
  controlPlane?: ControlPlaneSource;
}

/** Backs up a database as the daemon does. */
export async function backUp(
  fathom: Deployment,
  database: string,
  {
    dataDir = join(fathom.dataDir, 'user_dbs', database, 'pb_data'),
    recovery = null,
    controlPlane,
  }: BackUpOptions = {},
): Promise<Backup> {
  const master = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  const target = targetOf(fathom);
  const masters = [{ id: keyId(master), key: master }] as const;
  const key = await ensureDataKey(target, database, { masters, recovery });
  const source = { database, dataDir, scratchDir: join(await scratch(), 'copy'), controlPlane };
  const { backup } = await writeBackup(source, { target, key, previous: null, now: new Date() });
  return backup;
}

/** Backs up everything: databases, control plane, settings and secrets. */
export async function backUpHost(
  fathom: Deployment,
  databases: readonly string[],
  recovery: string,
): Promise<void> {
  for (const name of databases) await backUp(fathom, name, { recovery });
  const entries = Object.entries(fathom.env).filter(([name]) => VARIABLES.some((one) => one === name));
  const settings = Object.fromEntries(entries.filter(([name]) => !isSecret(name)));
  const secrets = Object.fromEntries(entries.filter(([name]) => isSecret(name)));
  await backUp(fathom, CONTROL_PLANE, {
    dataDir: join(fathom.dataDir, 'global', 'pb_data'),
    recovery,
    controlPlane: { hostDir: fathom.dataDir, settings },
  });
  const masterKey = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  await storeEscrow(targetOf(fathom), secrets, { recovery, masterKey });
}
