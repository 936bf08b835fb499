import { z } from 'zod';
import { INSTANCE_PHASES } from '../instance.ts';
import { endpoint } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { tag } from './databases.ts';

/** A whole database is stored and read again. */
const ARCHIVE_TIMEOUT_MS = 3_600_000;

const archivedSchema = z
  .object({
    database: z.string(),
    phase: z.enum(INSTANCE_PHASES),
    backup: z.string().describe('Id of the backup that has its files.'),
    bytes: z.int().describe('Size of the database and its files in the backup.'),
    freed_bytes: z.int().describe('What left the disk.'),
    archived_at: z.iso.datetime(),
  })
  .meta({
    id: 'ArchivedDatabase',
    examples: [
      {
        database: EXAMPLE_DATABASE,
        phase: 'asleep',
        backup: '20260102t030405678z-1a2b3c4d',
        bytes: 1_482_752,
        freed_bytes: 2_891_776,
        archived_at: EXAMPLE_TIME,
      },
    ],
  });

export type ArchivedResult = z.infer<typeof archivedSchema>;

export const archiveDatabase = endpoint({
  operationId: 'archiveDatabase',
  method: 'POST',
  path: '/api/v1/databases/{name}/archive',
  tag,
  summary: 'Archive a database',
  description:
    'Backs it up, reads the backup, and removes its files from the disk. Its next request, sign-in or start brings them back from the backup.',
  permission: 'databases.delete',
  audit: 'database.archive',
  params: z.object({ name: databaseName }),
  responses: { 200: { description: 'The database is archived.', schema: archivedSchema } },
  errors: ['not_found', 'conflict', 'backup.failed', 'instance.failed'],
  timeoutMs: ARCHIVE_TIMEOUT_MS,
});
