import { z } from 'zod';
import { BACKUP_FAILURES } from '../backup-failure.ts';
import { EXAMPLE_TIME } from './contract/fields.ts';

const time = z.iso.datetime();

export const backupFailureSchema = z.object({
  reason: z.enum(BACKUP_FAILURES),
  message: z.string(),
  remedy: z.string(),
  since: time,
});

/** A part of the status of the daemon. */
export const backupStatusSchema = z
  .object({
    target: z.string().describe('BACKUP_TARGET, without a password.'),
    schedule: z.string().nullable().describe('BACKUP_SCHEDULE; null when it is off.'),
    next_at: time.nullable().describe('The next time of the schedule.'),
    running: z.int(),
    databases: z.int().describe('Databases with data, the control plane included.'),
    bytes: z.int().describe('Size of the last backups of all databases.'),
    late: z.int().describe('Databases whose last backup is too old.'),
    oldest_at: time
      .nullable()
      .describe('When the database that is backed up least recently was last backed up.'),
    failures: z
      .array(backupFailureSchema.extend({ databases: z.int() }))
      .describe('Failures of the last attempts, by their reason.'),
    unusable_keys: z
      .array(z.object({ database: z.string(), problem: z.string() }))
      .describe('Keys on the target that are damaged, or of another host: at most 20.'),
    recovery_key: z.boolean().nullable().describe('There is a recovery key; null while this is unknown.'),
  })
  .meta({
    id: 'BackupStatus',
    examples: [
      {
        target: '/mnt/backups',
        schedule: '0 2 * * * UTC',
        next_at: EXAMPLE_TIME,
        running: 0,
        databases: 4,
        bytes: 52_428_800,
        late: 0,
        oldest_at: EXAMPLE_TIME,
        failures: [],
        unusable_keys: [],
        recovery_key: true,
      },
    ],
  });

export type BackupStatus = z.infer<typeof backupStatusSchema>;
