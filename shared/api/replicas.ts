import { z } from 'zod';
import { backupsTag } from './backup-status.ts';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_TIME } from './contract/fields.ts';
import { databaseParams } from './databases.ts';

const time = z.iso.datetime();

const timesSchema = z
  .object({
    from: time.nullable().describe('The first time; null while the replica has nothing.'),
    to: time
      .nullable()
      .describe(
        'The last time: about now. Null while Litestream has not read the database, or does not run.',
      ),
  })
  .meta({
    id: 'ReplicaTimes',
    examples: [{ from: '2024-01-08T10:30:00.000Z', to: EXAMPLE_TIME }],
  });

export type ReplicaTimes = z.infer<typeof timesSchema>;

export const getReplicaTimes = endpoint({
  operationId: 'getReplicaTimes',
  method: 'GET',
  path: '/api/v1/databases/{name}/replica',
  tag: backupsTag,
  summary: 'Show the times to which a database can be restored',
  description:
    'They are those for `at` of a restore. Without REPLICA, the response is `conflict`. Owners may read their own.',
  permission: 'backups.read',
  command: 'backups times',
  params: databaseParams,
  responses: { 200: { description: 'The times.', schema: timesSchema } },
  errors: ['not_found', 'conflict', 'backup.failed'],
  timeoutMs: 60_000,
});

/** Methods of `client.replicas`. */
export const replicas = {
  times: getReplicaTimes,
};
