import { z } from 'zod';
import { BACKUP_TIMEOUT_MS, backupsTag } from './backup-status.ts';
import { endpoint } from './contract/endpoint.ts';

export const acceptBackupTarget = endpoint({
  operationId: 'acceptBackupTarget',
  method: 'POST',
  path: '/api/v1/backups/accept-target',
  tag: backupsTag,
  summary: 'Use the backup target as it is, also when it was emptied or is another one',
  description:
    'Every database is then backed up again. It is refused while the files of an archived database are not on the target any more.',
  permission: 'backups.configure',
  audit: 'backup.accept-target',
  command: 'backups accept-target',
  body: z
    .strictObject({
      without_archives: z
        .boolean()
        .default(false)
        .describe('Accepts it also when archived databases are lost with it.'),
    })
    .nullish()
    .meta({ examples: [{ without_archives: false }] }),
  responses: {
    200: {
      description: 'The target.',
      schema: z
        .object({ target: z.string() })
        .meta({ id: 'AcceptedTarget', examples: [{ target: '/mnt/backups' }] }),
    },
  },
  errors: ['missing_archives', 'backup.failed'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});
