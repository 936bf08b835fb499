import { z } from 'zod';
import { BACKUP_FAILURES } from '../backup-failure.ts';
import { EXAMPLE_TIME } from './contract/fields.ts';

/** Of all operations on backups. */
export const backupsTag = { name: 'Backups', description: 'Make, list and restore backups of databases.' };

/** A large database and a target that is far away take long. */
export const BACKUP_TIMEOUT_MS = 3_600_000;

const time = z.iso.datetime();

export const backupFailureSchema = z.object({
  reason: z.enum(BACKUP_FAILURES),
  message: z.string(),
  remedy: z.string(),
  since: time,
});

const drillsSchema = z
  .object({
    next_at: time.nullable().describe('The next time of BACKUP_DRILLS; null when it is off.'),
    running: z.string().nullable().describe('The database whose backup is restored now.'),
    last_at: time.nullable().describe('End of the last drill.'),
    failed: z
      .array(z.object({ database: z.string(), backup: z.string(), at: time, problem: z.string() }))
      .describe('Databases whose last drill failed: at most 20.'),
    failed_databases: z.int(),
    unproven: z
      .array(z.string())
      .describe('Databases without a backup that was proven in the last five weeks: at most 20.'),
    unproven_databases: z.int(),
    without_proof_databases: z
      .int()
      .describe(
        'Databases without a proven backup, or whose last proof is older than five weeks; also new ones.',
      ),
    escrow: z
      .object({ at: time, problem: z.string().nullable() })
      .nullable()
      .describe('The last check of the secrets on the target; null before it, and without a recovery key.'),
  })
  .describe('Restores of backups that prove them.');

const replicaSchema = z
  .object({
    target: z.string().describe('REPLICA.'),
    version: z.string().nullable().describe('Version of Litestream; null before its first start.'),
    pid: z.int().nullable().describe('Its process; null while it does not run.'),
    databases: z.int().describe('Databases that are replicated now.'),
    lag_seconds: z
      .number()
      .nullable()
      .describe(
        'Age of the state of the replica that is furthest behind; null while Litestream does not run.',
      ),
    restarts: z.int().describe('How often Litestream has ended since the start of the daemon.'),
    problem: z.string().nullable(),
    remedy: z.string().nullable(),
  })
  .describe('Continuous replication by Litestream.');

export type ReplicaStatus = z.infer<typeof replicaSchema>;

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
    drills: drillsSchema,
    replica: replicaSchema.nullable().describe('Null without REPLICA.'),
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
        drills: {
          next_at: EXAMPLE_TIME,
          running: null,
          last_at: EXAMPLE_TIME,
          failed: [],
          failed_databases: 0,
          unproven: [],
          unproven_databases: 0,
          without_proof_databases: 0,
          escrow: { at: EXAMPLE_TIME, problem: null },
        },
        replica: null,
        recovery_key: true,
      },
    ],
  });

export type BackupStatus = z.infer<typeof backupStatusSchema>;
