import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import type { Backup } from '../../daemon/backups/manifest.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { writeBackup } from '../../daemon/backups/write-backup.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import type { Deployment } from './deployment.ts';
import { scratch } from './scratch.ts';

/** The directory in which the daemon looks for backups. */
export function targetOf(fathom: Deployment): DirectoryTarget {
  return new DirectoryTarget(join(fathom.dataDir, 'backups'));
}

/** Backs up a database as the daemon does, without one. @param dataDir of a database that has another name */
export async function backUp(
  fathom: Deployment,
  database: string,
  dataDir = join(fathom.dataDir, 'user_dbs', database, 'pb_data'),
): Promise<Backup> {
  const master = Buffer.from(fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
  const target = targetOf(fathom);
  const masters = [{ id: keyId(master), key: master }] as const;
  const key = await ensureDataKey(target, database, { masters, recovery: null });
  const source = { database, dataDir, scratchDir: join(await scratch(), 'copy') };
  const { backup } = await writeBackup(source, { target, key, previous: null, now: new Date() });
  return backup;
}

/** Damages all parts of a backup on the target. */
export async function damageChunks({ dataDir }: Deployment, name: string, id: string): Promise<void> {
  const target = join(dataDir, 'backups');
  const manifest = await readFile(join(target, 'manifests', name, `${id}.json`), 'utf8');
  const { chunks } = JSON.parse(manifest) as { chunks: string[] };
  for (const chunk of chunks) {
    const file = join(target, 'chunks', name, chunk.slice(0, 2), chunk);
    const content = await readFile(file);
    content[20] = (content[20] ?? 0) ^ 1;
    await writeFile(file, content);
  }
}
