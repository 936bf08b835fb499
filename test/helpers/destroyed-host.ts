import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Daemon, Deployment } from './deployment.ts';
import { fathomd } from './fathomd.ts';
import { scratch } from './scratch.ts';

/** The settings that `destroyHost` removes. */
export const SECRETS = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];

/** What is left of a host. */
export interface DestroyedHost {
  target: string;
  /** A file with the recovery key. */
  keyFile: string;
  /** The arguments of `fathomd` that restore it into the same directory. */
  restoreCommand: string[];
}

/** Backs up everything, copies the target, and removes the data and the secrets of a deployment. */
export async function destroyHost(fathom: Deployment, daemon: Daemon): Promise<DestroyedHost> {
  const { dataDir, socketPath, env } = fathom;
  const outside = await scratch();
  const keyFile = join(outside, 'recovery-key.txt');
  const recoveryKey = await fathomd(['backups', 'recovery-key', '--socket', socketPath]);
  await writeFile(keyFile, recoveryKey.stdout, { mode: 0o600 });
  const created = await fathomd(['backups', 'create', '--all', '--socket', socketPath]);
  expect([created.exitCode, created.stderr]).toEqual([0, '']);
  const target = join(outside, 'target');
  await cp(join(dataDir, 'backups'), target, { recursive: true });
  await daemon.stop();
  for (const entry of await readdir(dataDir)) await rm(join(dataDir, entry), { recursive: true });
  for (const name of SECRETS) delete env[name];
  const restoreCommand = ['restore', '--from', target, '--recovery-key', keyFile, '--data-dir', dataDir];
  return { target, keyFile, restoreCommand };
}
