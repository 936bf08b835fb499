import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import { INSTANCE_PHASES } from '../instance.ts';
import { BACKUP_TIMEOUT_MS, backupFailureSchema, backupsTag } from './backup-status.ts';
import { acceptBackupTarget } from './backup-target.ts';
import { endpoint } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, wholePageQuerySchema } from './contract/page.ts';
import { databaseParams } from './databases.ts';
import { checkEscrow, drillBackup } from './drills.ts';
import { reasonSchema } from './instances.ts';

const time = z.iso.datetime();
const EXAMPLE_BACKUP = { id: '20260115t020000000z-4f2a9c11', created_at: EXAMPLE_TIME, bytes: 52_428_800 };
const EXAMPLE_LAST = { ...EXAMPLE_BACKUP, stored_bytes: 1_048_576 };

const backupSchema = z
  .object({
    id: z.string(),
    created_at: time,
    bytes: z.int().describe('Size of the database and its files.'),
  })
  .meta({ id: 'Backup', examples: [EXAMPLE_BACKUP] });

export type Backup = z.infer<typeof backupSchema>;

const listedSchema = backupSchema
  .extend({
    stored_bytes: z.int().describe('Size on the target of the parts that no earlier backup has.'),
    damaged: z
      .boolean()
      .describe(
        'The backup cannot be restored: a part is missing or damaged, or the list of parts was changed; `bytes` is 0 then.',
      ),
  })
  .meta({ id: 'ListedBackup', examples: [{ ...EXAMPLE_LAST, damaged: false }] });

export type ListedBackup = z.infer<typeof listedSchema>;

const madeSchema = backupSchema
  .extend({ stored_bytes: z.int().describe('What the backup added to the target.') })
  .meta({ id: 'MadeBackup', examples: [EXAMPLE_LAST] });

/** What a restore does. The database serves until `exchanging`. */
export const RESTORE_STAGES = [
  'waiting',
  'backing_up',
  'reading',
  'testing',
  'exchanging',
  'starting',
] as const;

const restoreSchema = z.object({
  backup: z.string().describe('Id of the backup; `latest` while it waits.'),
  stage: z.enum(RESTORE_STAGES),
  bytes: z.int().describe('Size of the backup; 0 while it waits.'),
  read_bytes: z.int().describe('What was read of it.'),
  since: time,
});

export type RestoreProgress = z.infer<typeof restoreSchema>;

/** What a drill does. The database serves meanwhile. */
export const DRILL_STAGES = ['waiting', 'reading', 'testing'] as const;

export const endedRestoreSchema = z.object({
  backup: z
    .string()
    .describe('Id of the backup, or the time that was restored; `latest` when it is not known.'),
  ended_at: time,
  problem: z
    .object({ code: z.enum(Object.keys(ERROR_CODES) as ErrorCode[]), detail: z.string() })
    .nullable()
    .describe('Why it failed; null when it did not.'),
});

export type EndedRestore = z.infer<typeof endedRestoreSchema>;

const drillProgressSchema = restoreSchema.omit({ backup: true }).extend({ stage: z.enum(DRILL_STAGES) });

export type DrillProgress = z.infer<typeof drillProgressSchema>;

const databaseSchema = z
  .object({
    database: z.string(),
    last: madeSchema.nullable().describe('The last backup that this host made; null without one.'),
    confirmed_at: time
      .nullable()
      .describe('When the last backup was known to be current: it was made, or nothing had changed.'),
    late: z.boolean().describe('No backup for two hours longer than the schedule has between two runs.'),
    running: z.boolean(),
    failure: backupFailureSchema.nullable().describe('Why the last attempt failed; null if it did not.'),
    retry_at: time.nullable(),
    restore: restoreSchema.nullable().describe('The restore in progress; null without one.'),
    last_restore: endedRestoreSchema.nullable().describe('The last restore that ended; null without one.'),
    drilling: drillProgressSchema.nullable().describe('The drill in progress; null without one.'),
    drill: z
      .object({ backup: z.string(), at: time, problem: z.string().nullable() })
      .nullable()
      .describe('The last drill; `problem` is null when the backup was proven.'),
    proven: z
      .object({ backup: z.string(), at: time })
      .nullable()
      .describe('The last backup that a drill has proven. It is not pruned.'),
  })
  .meta({
    id: 'DatabaseBackups',
    examples: [
      {
        database: EXAMPLE_DATABASE,
        last: EXAMPLE_LAST,
        confirmed_at: EXAMPLE_TIME,
        late: false,
        running: false,
        failure: null,
        retry_at: null,
        restore: null,
        last_restore: null,
        drilling: null,
        drill: { backup: EXAMPLE_BACKUP.id, at: EXAMPLE_TIME, problem: null },
        proven: { backup: EXAMPLE_BACKUP.id, at: EXAMPLE_TIME },
      },
    ],
  });

export type DatabaseBackups = z.infer<typeof databaseSchema>;

export const listFleetBackups = endpoint({
  operationId: 'listFleetBackups',
  method: 'GET',
  path: '/api/v1/backups',
  tag: backupsTag,
  summary: 'List the last backup of each database',
  description: 'The control plane is the database `global`. Users get their own database.',
  permission: 'backups.read',
  query: wholePageQuerySchema.extend({
    sort: z
      .enum(['database', 'problem'])
      .default('database')
      .describe('`problem`: failed and late databases first, then failed drills, then those at work.'),
    database: z.string().max(64).optional().describe('Only this database.'),
  }),
  responses: { 200: { description: 'One page of databases.', schema: pageOf(databaseSchema) } },
});

export const listBackups = endpoint({
  operationId: 'listBackups',
  method: 'GET',
  path: '/api/v1/databases/{name}/backups',
  tag: backupsTag,
  summary: 'List the backups of a database',
  description: 'As they are on the target, the newest first. Owners may read their own.',
  permission: 'backups.read',
  params: databaseParams,
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of backups.', schema: pageOf(listedSchema) } },
  errors: ['not_found', 'backup.failed'],
});

export const createBackup = endpoint({
  operationId: 'createBackup',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups',
  tag: backupsTag,
  summary: 'Back up a database',
  description:
    'Responds when the backup is stored. A database that sleeps is not started. For owners, `only_changed` is always set.',
  permission: 'backups.create',
  audit: 'backup.create',
  params: databaseParams,
  body: z
    .strictObject({
      only_changed: z.boolean().default(false).describe('Make no backup when nothing has changed.'),
    })
    .nullish()
    .meta({ examples: [{ only_changed: true }] }),
  responses: {
    201: {
      description: 'The backup; the last one when nothing has changed.',
      schema: madeSchema
        .extend({ changed: z.boolean().describe('A backup was made.') })
        .meta({ id: 'BackupResult', examples: [{ ...EXAMPLE_LAST, changed: true }] }),
    },
  },
  errors: ['not_found', 'conflict', 'backup.failed'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

const prunedSchema = z
  .object({
    kept: z.array(z.string()).describe('Ids.'),
    removed: z.array(z.string()).describe('Ids.'),
    unreadable: z
      .array(z.object({ id: z.string(), problem: z.string() }))
      .describe('Backups with a damaged list of parts. They stay, and so do the parts of all backups.'),
    removed_bytes: z.int().describe('Size of the parts that no backup uses any more.'),
  })
  .meta({
    id: 'PrunedBackups',
    examples: [{ kept: [EXAMPLE_BACKUP.id], removed: [], unreadable: [], removed_bytes: 0 }],
  });

export type PrunedBackups = z.infer<typeof prunedSchema>;

export const pruneBackups = endpoint({
  operationId: 'pruneBackups',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups/prune',
  tag: backupsTag,
  summary: 'Remove the backups of a database that BACKUP_KEEP does not keep',
  description: 'Also runs after each scheduled backup. The newest backup that is not damaged always stays.',
  permission: 'backups.configure',
  audit: 'backup.prune',
  params: databaseParams,
  body: z
    .strictObject({ dry_run: z.boolean().default(false).describe('Remove nothing.') })
    .nullish()
    .meta({ examples: [{ dry_run: true }] }),
  responses: { 200: { description: 'What was removed.', schema: prunedSchema } },
  errors: ['not_found', 'backup.failed'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

const verifiedSchema = z
  .object({
    id: z.string(),
    state: z.enum(['complete', 'damaged']),
    chunks: z.int().describe('Number of parts.'),
    bytes: z.int(),
    missing: z.array(z.string()).describe('Objects that the target does not have.'),
    damaged: z.array(z.string()).describe('Objects that were changed.'),
  })
  .meta({
    id: 'VerifiedBackup',
    examples: [
      { id: EXAMPLE_BACKUP.id, state: 'complete', chunks: 200, bytes: 52_428_800, missing: [], damaged: [] },
    ],
  });

export type VerifiedBackup = z.infer<typeof verifiedSchema>;

export const verifyBackups = endpoint({
  operationId: 'verifyBackups',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups/verify',
  tag: backupsTag,
  summary: 'Read every part of backups of a database, and name what is missing or damaged',
  description: 'A damaged part is stored again by the next backup if the database still has it.',
  permission: 'backups.configure',
  audit: 'backup.verify',
  params: databaseParams,
  body: z
    .strictObject({ ids: z.array(z.string()).max(1000).default([]).describe('Empty for all.') })
    .nullish()
    .meta({ examples: [{ ids: [EXAMPLE_BACKUP.id] }] }),
  responses: {
    200: {
      description: 'The backups.',
      schema: z
        .object({ items: z.array(verifiedSchema) })
        .meta({ id: 'VerifiedBackups', examples: [{ items: [] }] }),
    },
  },
  errors: ['not_found', 'backup.failed'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

export const createRecoveryKey = endpoint({
  operationId: 'createRecoveryKey',
  method: 'POST',
  path: '/api/v1/backups/recovery-key',
  tag: backupsTag,
  summary: 'Create the recovery key of the backups',
  description:
    'The key opens backups without this host. This response is the only place where it is shown. Keep it outside of the host.',
  permission: 'backups.configure',
  audit: 'backup.recovery-key',
  body: z
    .strictObject({
      replace: z
        .boolean()
        .default(false)
        .describe('Replaces the present key, which then opens no backup any more.'),
    })
    .nullish()
    .meta({ examples: [{ replace: false }] }),
  responses: {
    201: {
      description: 'The key.',
      schema: z
        .object({
          recovery_key: z.string(),
          key_id: z.string().describe('Reveals nothing about the key.'),
          problem: z
            .string()
            .nullable()
            .describe('Why the backups on the target do not open with it yet; the next run tries again.'),
        })
        .meta({
          id: 'RecoveryKey',
          examples: [{ recovery_key: 'FATHOM-RECOVERY-1-…', key_id: '9f86d081', problem: null }],
        }),
    },
  },
  errors: ['conflict'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

export const restoredSchema = z
  .object({
    database: z.string(),
    backup: z.string().meta({ description: 'Id of the backup.' }),
    created_at: z.iso.datetime().meta({ description: 'Time of the backup, or the time of `at`.' }),
    files_from: z.string().nullable().meta({
      description:
        'Id of the backup whose uploaded files were used for a restore to a time; null without one, and for a restore of a backup.',
    }),
    kept_in: z.string().nullable().meta({
      description:
        'Directory on the host with the data from before; null when there was none, and for owners.',
    }),
    phase: z.enum(INSTANCE_PHASES).meta({ description: 'Of the database after the restore.' }),
    reason: reasonSchema.nullable().meta({
      description: 'Of this phase. A database that runs has one while it runs without a migration.',
    }),
  })
  .meta({
    id: 'RestoredDatabase',
    examples: [
      {
        database: EXAMPLE_DATABASE,
        backup: EXAMPLE_BACKUP.id,
        created_at: EXAMPLE_TIME,
        files_from: null,
        kept_in: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data.before-20240115T103000-000Z`,
        phase: 'running',
        reason: null,
      },
    ],
  });

export type RestoredDatabase = z.infer<typeof restoredSchema>;

export const backupParams = z.object({
  name: databaseName,
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,60}$/, 'is not the id of a backup')
    .meta({ description: 'Id of a backup, or `latest`.', examples: [EXAMPLE_BACKUP.id] }),
});

export const restoreBackup = endpoint({
  operationId: 'restoreBackup',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups/{id}/restore',
  tag: backupsTag,
  summary: 'Replace the data of a database by a backup',
  description:
    'Backs up the data of now first, unless BACKUP_BEFORE_CHANGES is off. Tests the backup, while the database serves. Requests wait during the exchange. The data of now is kept on the host. The owner signs in with the password and address of today; all other sessions in the database end. A backup of a later PocketBase answers `conflict`.',
  permission: 'backups.restore',
  audit: 'backup.restore',
  params: backupParams,
  body: z
    .strictObject({
      into_new: z.boolean().default(false).meta({
        description:
          'Answers `conflict`: a user has exactly one database, so there is no other to restore into.',
      }),
      at: z.iso.datetime({ offset: true }).optional().meta({
        description:
          'Restores the replica as it was at this time, with the backup `latest` in the path. Needs REPLICA. Uploaded files come from the newest backup before it, and from the database of now.',
      }),
      without_backup: z
        .boolean()
        .default(false)
        .meta({ description: 'Also restores when the backup of the data of now fails.' }),
    })
    .nullish()
    .meta({ examples: [{ into_new: false, without_backup: false }] }),
  responses: { 200: { description: 'The database is restored.', schema: restoredSchema } },
  errors: ['not_found', 'conflict', 'backup.failed', 'instance.failed', 'binary.unusable'],
  timeoutMs: BACKUP_TIMEOUT_MS,
});

/** Methods of `client.backups`. */
export const backups = {
  list: listFleetBackups,
  ofDatabase: listBackups,
  create: createBackup,
  restore: restoreBackup,
  prune: pruneBackups,
  verify: verifyBackups,
  drill: drillBackup,
  checkEscrow,
  createRecoveryKey,
  acceptTarget: acceptBackupTarget,
};
