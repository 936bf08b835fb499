import { z } from 'zod';
import { backupFailureSchema } from './backup-status.ts';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, wholePageQuerySchema } from './contract/page.ts';
import { instanceSchema } from './instances.ts';

const tag = { name: 'Trash', description: 'Deleted databases, until they are erased.' };
const time = z.iso.datetime();

export const TRASH_STATES = ['deleted', 'erasing', 'erasure_pending'] as const;

const deletedSchema = z
  .object({
    name: z.string(),
    state: z
      .enum(TRASH_STATES)
      .describe(
        '`deleted` can come back. `erasing`: its files could not be removed yet. `erasure_pending`: erased on this host, but not its backups.',
      ),
    user_id: z.string().nullable().describe('Null when the row is erased.'),
    email: z.string().nullable(),
    account: z.boolean().describe('The account was deleted with it.'),
    deleted_at: time,
    erase_at: time
      .nullable()
      .describe(
        'When it is erased; null when that has begun. With `erasure_pending`, when the object lock ends that keeps the key of its backups.',
      ),
    last_backup_at: time.nullable().describe('When the last backup was known to be current.'),
    problem: backupFailureSchema
      .nullable()
      .describe('Why the last backup failed, or why the erasure has not ended.'),
  })
  .meta({
    id: 'DeletedDatabase',
    examples: [
      {
        name: EXAMPLE_DATABASE,
        state: 'deleted',
        user_id: EXAMPLE_ID,
        email: 'johndoe@example.com',
        account: true,
        deleted_at: EXAMPLE_TIME,
        erase_at: EXAMPLE_TIME,
        last_backup_at: EXAMPLE_TIME,
        problem: null,
      },
    ],
  });

export type DeletedDatabase = z.infer<typeof deletedSchema>;

/** A part of the status of the daemon. */
export const trashStatusSchema = z
  .object({
    days: z.int().describe('DATABASE_TRASH_DAYS.'),
    databases: z.int().describe('Deleted databases that can come back.'),
    erasures_pending: z.int().describe('Databases that are not erased completely yet.'),
    problem: z
      .string()
      .nullable()
      .describe('The name of the oldest of them, and why it is not; null without a problem.'),
  })
  .meta({
    id: 'TrashStatus',
    examples: [{ days: 30, databases: 2, erasures_pending: 0, problem: null }],
  });

export type TrashStatus = z.infer<typeof trashStatusSchema>;

export const listTrash = endpoint({
  operationId: 'listTrash',
  method: 'GET',
  path: '/api/v1/trash',
  tag,
  summary: 'List deleted databases',
  description: 'With those that are erased while their backups are not. Users get their own.',
  answeredBy: 'leader',
  permission: 'databases.read',
  query: wholePageQuerySchema,
  responses: { 200: { description: 'One page of deleted databases.', schema: pageOf(deletedSchema) } },
});

const params = z.object({ name: databaseName });

export const undeleteDatabase = endpoint({
  operationId: 'undeleteDatabase',
  method: 'POST',
  path: '/api/v1/databases/{name}/undelete',
  tag,
  summary: 'Bring back a deleted database',
  description:
    'With its account, if that was deleted with it. Responds when a database that ran before runs.',
  answeredBy: 'leader',
  permission: 'databases.delete',
  audit: 'database.undelete',
  params,
  responses: { 200: { description: 'The instance.', schema: instanceSchema } },
  errors: ['not_found', 'conflict', 'instance.failed', 'ports.exhausted'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const eraseDatabase = endpoint({
  operationId: 'eraseDatabase',
  method: 'POST',
  path: '/api/v1/databases/{name}/erase',
  tag,
  summary: 'Erase a deleted database now',
  description:
    'Its files, its row, and its account if that was deleted with it. Its backups are erased as soon as the target allows: until then, the list shows `erasure_pending`.',
  answeredBy: 'leader',
  permission: 'databases.delete',
  audit: 'database.erase',
  params,
  responses: noContent('The database is erased on this host.'),
  errors: ['not_found', 'conflict', 'instance.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.trash`. */
export const trash = { list: listTrash, undelete: undeleteDatabase, erase: eraseDatabase };
