import { z } from 'zod';
import { BACKUP_TIMEOUT_MS, backupsTag } from './backup-status.ts';
import { restoredSchema } from './backups.ts';
import { endpoint } from './contract/endpoint.ts';
import { idParams } from './contract/fields.ts';

export const importArchive = endpoint({
  operationId: 'importArchive',
  method: 'POST',
  path: '/api/v1/users/{id}/import',
  tag: backupsTag,
  summary: 'Import an archive of a backup as the database of a user',
  description:
    'Only over the local socket, because it names a file of the host. The archive is one of `downloadBackup`, of this or another deployment. A user without a database gets one; otherwise the import replaces its data as a restore does. The owner signs in with the password and address of today.',
  permission: 'backups.configure',
  audit: 'backup.import',
  params: idParams('a user'),
  body: z
    .strictObject({
      file: z.string().startsWith('/').max(4096).meta({
        description: 'Path of the archive on the host. The user of the daemon must be able to read it.',
      }),
      without_backup: z
        .boolean()
        .default(false)
        .meta({ description: 'Also imports when the backup of the data of now fails.' }),
    })
    .meta({ examples: [{ file: '/var/lib/fathom/backup.tar', without_backup: false }] }),
  responses: { 200: { description: 'The archive is imported.', schema: restoredSchema } },
  errors: [
    'not_found',
    'conflict',
    'backup.failed',
    'instance.failed',
    'binary.unusable',
    'provision.failed',
    'ports.exhausted',
    'database.deleted',
    'databases.limit_reached',
  ],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

/** Methods of `client.imports`. */
export const imports = {
  archive: importArchive,
};
