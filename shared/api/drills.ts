import { z } from 'zod';
import { backupsTag } from './backup-status.ts';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { databaseParams } from './databases.ts';

/** A large database and a target that is far away take long. */
const DRILL_TIMEOUT_MS = 3_600_000;
const EXAMPLE_ID = '20260115t020000000z-4f2a9c11';
const time = z.iso.datetime();

const drillSchema = z
  .object({
    database: z.string(),
    backup: z.string().describe('Id of the backup.'),
    at: time.describe('End of the drill.'),
    problem: z
      .string()
      .nullable()
      .describe('Why a restore of the backup would fail; null when it is proven.'),
    seconds: z.int().describe('How long the drill took.'),
    files: z.int().describe('Restored files, the database included; each has the hash of the backup.'),
    bytes: z.int(),
    rows: z.int().describe('Of all collections.'),
    compared: z
      .boolean()
      .describe('The database had not changed since the backup, and has as many rows in each collection.'),
  })
  .meta({
    id: 'Drill',
    examples: [
      {
        database: EXAMPLE_DATABASE,
        backup: EXAMPLE_ID,
        at: EXAMPLE_TIME,
        problem: null,
        seconds: 4,
        files: 12,
        bytes: 52_428_800,
        rows: 1200,
        compared: true,
      },
    ],
  });

export type Drill = z.infer<typeof drillSchema>;

export const drillBackup = endpoint({
  operationId: 'drillBackup',
  method: 'POST',
  path: '/api/v1/databases/{name}/backups/drill',
  tag: backupsTag,
  summary: 'Prove the last backup of a database',
  description:
    'Restores it beside the database, which serves meanwhile, starts PocketBase on a port without clients, tests it, and removes the copy. `global` is the control plane.',
  permission: 'backups.configure',
  audit: 'backup.drill',
  params: databaseParams,
  responses: { 200: { description: 'The drill, which may have failed.', schema: drillSchema } },
  errors: ['not_found', 'conflict', 'backup.failed'],
  timeoutMs: DRILL_TIMEOUT_MS,
});

const escrowSchema = z
  .object({
    bytes: z.int().describe('0 when it is missing.'),
    sha256: z.string().nullable(),
    sealed: z.string().nullable().describe('Encrypted for the recovery key, which proves it completely.'),
    problem: z
      .string()
      .nullable()
      .describe('It is missing, was changed, is for another key, or has other secrets than this host.'),
  })
  .meta({
    id: 'EscrowCheck',
    examples: [{ bytes: 1800, sha256: '9f86d081884c7d65', sealed: 'r1.9f86d081.…', problem: null }],
  });

export const checkEscrow = endpoint({
  operationId: 'checkEscrow',
  method: 'POST',
  path: '/api/v1/backups/escrow',
  tag: backupsTag,
  summary: 'Check the secrets of the host on the target',
  description:
    'As far as the host can without the private recovery key: presence, size, hash, recipient, and that they are the secrets of today.',
  permission: 'backups.configure',
  audit: 'backup.escrow',
  responses: { 200: { description: 'What was found.', schema: escrowSchema } },
  errors: ['not_found', 'backup.failed'],
});
