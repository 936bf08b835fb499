import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../../shared/errors.ts';
import { unlessMissing } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Logger } from '../../base/log/log.ts';

/** In the data directory. It is not part of a backup: a host that was restored is another one, as the former may still run. */
const FILE = 'backup-host.json';

const hostSchema = z.object({
  format: z.literal(1),
  /** What a target names as its host. */
  id: z.uuid(),
  /** The host whose backups were restored here; null if none was. */
  restored_from: z.uuid().nullable(),
});

export type BackupHost = Pick<z.infer<typeof hostSchema>, 'id' | 'restored_from'>;

/** The identity of this host towards backup targets. Creates it before the first backup, and again when it is damaged. */
export async function ensureBackupHost(dataDir: string, log: Logger): Promise<BackupHost> {
  const path = join(dataDir, FILE);
  const content = await readFile(path, 'utf8').catch(unlessMissing);
  try {
    if (content !== null) return hostSchema.parse(JSON.parse(content));
  } catch (error) {
    log.error(`${path} is damaged, so this host is another one for its backup target: ${messageOf(error)}`);
  }
  return createBackupHost(dataDir, { restoredFrom: null });
}

/** @param restoredFrom the host whose backups were restored here; null if none was, or if it had no id */
export async function createBackupHost(
  dataDir: string,
  { restoredFrom }: { restoredFrom: string | null },
): Promise<BackupHost> {
  const host: z.infer<typeof hostSchema> = { format: 1, id: randomUUID(), restored_from: restoredFrom };
  await replaceFile(join(dataDir, FILE), JSON.stringify(host), { mode: 0o600, synced: true });
  return host;
}
