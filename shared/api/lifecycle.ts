import { z } from 'zod';
import { LIFECYCLE_STATUSES } from '../instance.ts';
import { endpoint, exampleOf, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './contract/fields.ts';

const tag = { name: 'Lifecycle', description: 'API of earlier clients. Its errors have another format.' };
const errorForm = 'lifecycle';
const params = z.object({
  id: z
    .string()
    .min(1)
    .max(64)
    .meta({ description: 'Id of a user.', examples: [EXAMPLE_ID] }),
});
export const lifecycleInstanceSchema = z
  .object({
    user_id: z.string(),
    port: z.int(),
    db_path: z.string(),
    url: z.string(),
    status: z.enum(LIFECYCLE_STATUSES),
    asleep: z
      .literal(true)
      .exactOptional()
      .describe('`Stopped` until the next request at its URL, which starts it.'),
    created_at: z.iso.datetime(),
    last_health_check: z.iso.datetime().nullable(),
  })
  .meta({
    id: 'LifecycleInstance',
    examples: [
      {
        user_id: EXAMPLE_ID,
        port: 9123,
        db_path: `/var/lib/fathom/user_dbs/${EXAMPLE_DATABASE}/pb_data`,
        url: 'http://127.0.0.1:9123',
        status: 'Running',
        created_at: EXAMPLE_TIME,
        last_health_check: EXAMPLE_TIME,
      },
    ],
  });

export type LifecycleInstance = z.infer<typeof lifecycleInstanceSchema>;

const success = z.object({ success: z.literal(true), message: z.string() });

/** The format of all errors of this API. */
export const lifecycleFailureSchema = z
  .object({ success: z.literal(false), message: z.string(), instance: z.null() })
  .meta({
    id: 'LifecycleFailure',
    examples: [{ success: false, message: 'Process error: there is no user', instance: null }],
  });

export const initInstance = endpoint({
  operationId: 'initInstance',
  method: 'POST',
  path: '/api/users/{id}/init_pb',
  tag,
  summary: 'Start the instance of a user',
  description: '`force_restart` replaces a running process and leaves `Failed`.',
  answeredBy: 'account',
  permission: 'databases.operate',
  audit: 'database.start',
  params,
  body: z
    .object({ force_restart: z.boolean().default(false) })
    .nullish()
    .meta({ examples: [{ force_restart: false }] }),
  responses: {
    200: {
      description: 'The instance runs.',
      schema: success.extend({ instance: lifecycleInstanceSchema }).meta({
        id: 'LifecycleStart',
        examples: [
          {
            success: true,
            message: 'PocketBase instance initialized on port 9123',
            instance: exampleOf(lifecycleInstanceSchema),
          },
        ],
      }),
    },
  },
  errors: ['not_found', 'conflict', 'instance.failed', 'ports.exhausted', 'provision.failed'],
  errorForm,
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const getInstanceStatus = endpoint({
  operationId: 'getInstanceStatus',
  method: 'GET',
  path: '/api/users/{id}/pb_status',
  tag,
  summary: 'Show the instance of a user',
  description: '`instance` is null while the user has none.',
  answeredBy: 'account',
  permission: 'databases.read',
  params,
  responses: {
    200: {
      description: 'The instance.',
      schema: z.object({ user_id: z.string(), instance: lifecycleInstanceSchema.nullable() }).meta({
        id: 'LifecycleState',
        examples: [{ user_id: EXAMPLE_ID, instance: exampleOf(lifecycleInstanceSchema) }],
      }),
    },
  },
  errors: ['not_found'],
  errorForm,
});

export const stopInstance = endpoint({
  operationId: 'stopInstance',
  method: 'POST',
  path: '/api/users/{id}/stop_pb',
  tag,
  summary: 'Stop the instance of a user',
  description: 'It stays stopped until it is started.',
  answeredBy: 'account',
  permission: 'databases.operate',
  audit: 'database.stop',
  params,
  responses: {
    200: {
      description: 'The instance is stopped.',
      schema: success.meta({
        id: 'LifecycleStop',
        examples: [{ success: true, message: 'PocketBase instance stopped successfully' }],
      }),
    },
  },
  errors: ['not_found', 'conflict', 'instance.failed'],
  errorForm,
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const listInstances = endpoint({
  operationId: 'listInstances',
  method: 'GET',
  path: '/api/pb_instances',
  tag,
  summary: 'List all instances',
  description: 'By the ids of their users.',
  permission: 'status.read',
  responses: {
    200: {
      description: 'The instances.',
      schema: z.object({ instances: z.record(z.string(), lifecycleInstanceSchema), count: z.int() }).meta({
        id: 'LifecycleList',
        examples: [{ instances: { [EXAMPLE_ID]: exampleOf(lifecycleInstanceSchema) }, count: 1 }],
      }),
    },
  },
  errorForm,
});

/** Methods of `client.lifecycle`. */
export const lifecycle = {
  start: initInstance,
  status: getInstanceStatus,
  stop: stopInstance,
  list: listInstances,
};
