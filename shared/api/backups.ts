import { z } from 'zod';
import { INSTANCE_PHASES } from '../instance.ts';
import { endpoint } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';

const tag = {
  name: 'Backups',
  description: "Backups of users' databases.",
};

/** Reading a large backup from a target that is far away takes long. */
const RESTORE_TIMEOUT_MS = 3_600_000;
const EXAMPLE_BACKUP = '20240115t100000z-3f2a9c01';

const restoredSchema = z
  .object({
    database: z.string(),
    backup: z.string().meta({ description: 'Id of the backup.' }),
    created_at: z.iso.datetime().meta({ description: 'Time of the backup.' }),
    kept_in: z.string().nullable().meta({
      description:
        'Directory on the host with the data from before; null when there was none, and for owners.',
    }),
    phase: z.enum(INSTANCE_PHASES).meta({ description: 'Of the database after the restore.' }),
  })
  .meta({
    id: 'RestoredDatabase',
    examples: [
      {
        database: EXAMPLE_DATABASE,
        backup: EXAMPLE_BACKUP,
        created_at: EXAMPLE_TIME,
        kept_in: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data.before-20240115T103000-000Z`,
        phase: 'running',
      },
    ],
  });

export type RestoredDatabase = z.infer<typeof restoredSchema>;

export const restoreBackup = endpoint({
  operationId: 'restoreBackup',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups/{id}/restore',
  tag,
  summary: 'Replace the data of a database by a backup',
  description:
    'Tests the backup first, while the database serves. Requests wait during the exchange. The data of now is kept on the host. The owner signs in with the password and address of today; all other sessions in the database end. A backup of a later PocketBase answers `conflict`.',
  permission: 'backups.restore',
  audit: 'backup.restore',
  params: z.object({
    name: databaseName,
    id: z
      .string()
      .regex(/^[a-z0-9-]{1,60}$/, 'is not the id of a backup')
      .meta({ description: 'Id of a backup, or `latest`.', examples: [EXAMPLE_BACKUP] }),
  }),
  body: z
    .strictObject({
      into_new: z.boolean().default(false).meta({
        description:
          'Answers `conflict`: a user has exactly one database, so there is no other to restore into.',
      }),
    })
    .nullish()
    .meta({ examples: [{ into_new: false }] }),
  responses: { 200: { description: 'The database is restored.', schema: restoredSchema } },
  errors: ['not_found', 'conflict', 'backup.failed', 'instance.failed', 'binary.unusable'],
  timeoutMs: RESTORE_TIMEOUT_MS,
});

/** Methods of `client.backups`. */
export const backups = {
  restore: restoreBackup,
};
