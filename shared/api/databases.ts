import { z } from 'zod';
import { DATABASE_ACCESS } from '../access.ts';
import { isDatabaseName } from '../database-name.ts';
import { LOG_LEVELS, LOG_SOURCES } from '../events.ts';
import { MAX_LIMIT, MIN_MEMORY_MB, MIN_SLEEP_AFTER } from '../limits.ts';
import { isVersion } from '../version.ts';
import { endpoint, exampleOf, noContent, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { databaseName, EXAMPLE_DATABASE, EXAMPLE_TIME, sleepAfter } from './contract/fields.ts';
import { pageOf, pageQuerySchema } from './contract/page.ts';
import { instanceSchema, probeSchema, usageSchema } from './instances.ts';

export const tag = {
  name: 'Databases',
  description: "Users' databases and the PocketBase instances that serve them.",
};
export const databaseParams = z.object({
  name: z
    .string()
    .refine((name) => name === 'global' || isDatabaseName(name), 'is not the name of a database')
    .meta({ description: 'Name of a database, or `global`.', examples: [EXAMPLE_DATABASE] }),
});

export const DATABASE_SORTS = ['name', 'phase', 'port', 'restarts', 'created_at', 'since'] as const;

export const listDatabases = endpoint({
  operationId: 'listDatabases',
  method: 'GET',
  path: '/api/v1/databases',
  tag,
  summary: 'List databases',
  description:
    'Users get their own database. Callers with access to all databases get the global one as well.',
  permission: 'databases.read',
  query: pageQuerySchema.extend({
    sort: z
      .enum([...DATABASE_SORTS, ...DATABASE_SORTS.map((field) => `-${field}` as const)])
      .default('name')
      .meta({ description: 'Field to sort by; `-field` is descending.' }),
    phase: z.string().max(20).optional().meta({ description: 'Only instances in this phase.' }),
    search: z.string().max(100).optional().meta({ description: 'A part of the name or e-mail address.' }),
  }),
  responses: { 200: { description: 'One page of instances.', schema: pageOf(instanceSchema) } },
});

export const getDatabase = endpoint({
  operationId: 'getDatabase',
  method: 'GET',
  path: '/api/v1/databases/{name}',
  tag,
  summary: 'Show a database',
  description: 'Owners may read their own.',
  permission: 'databases.read',
  params: databaseParams,
  responses: { 200: { description: 'The instance.', schema: instanceSchema } },
  errors: ['not_found'],
});

const operation = {
  method: 'POST',
  tag,
  permission: 'databases.operate',
  params: databaseParams,
  timeoutMs: OPERATION_TIMEOUT_MS,
} as const;
const reached = { 200: { description: 'The instance after the operation.', schema: instanceSchema } };
const errors = ['not_found', 'conflict', 'instance.failed', 'ports.exhausted'] as const;

export const startDatabase = endpoint({
  ...operation,
  operationId: 'startDatabase',
  path: '/api/v1/databases/{name}/start',
  summary: 'Start a database',
  description: 'Also starts a database in the phase `failed`. Responds when the instance runs.',
  audit: 'database.start',
  responses: reached,
  errors,
});

export const stopDatabase = endpoint({
  ...operation,
  operationId: 'stopDatabase',
  path: '/api/v1/databases/{name}/stop',
  summary: 'Stop a database',
  description: 'It stays stopped until it is started.',
  audit: 'database.stop',
  responses: reached,
  errors,
});

export const restartDatabase = endpoint({
  ...operation,
  operationId: 'restartDatabase',
  path: '/api/v1/databases/{name}/restart',
  summary: 'Restart a database',
  description: 'Works for `global` as well. Responds when the instance runs.',
  audit: 'database.restart',
  responses: reached,
  errors,
});

export const sleepDatabase = endpoint({
  ...operation,
  operationId: 'sleepDatabase',
  path: '/api/v1/databases/{name}/sleep',
  summary: 'Let a database sleep',
  description:
    'Ends its process. The next connection, sign-in or task wakes it. A database with open connections, or with jobs at fixed times, answers `conflict`. With `force`, connections without a request in progress are closed.',
  audit: 'database.sleep',
  body: z
    .object({ force: z.boolean().default(false) })
    .nullish()
    .meta({ examples: [{ force: true }] }),
  responses: reached,
  errors,
});

export const wakeDatabase = endpoint({
  ...operation,
  operationId: 'wakeDatabase',
  path: '/api/v1/databases/{name}/wake',
  summary: 'Wake a database that sleeps',
  description: 'Responds when the instance runs. Does nothing to one that runs.',
  audit: 'database.wake',
  responses: reached,
  errors,
});

const limitMb = z.int().min(0).max(MAX_LIMIT);

const databaseChangeSchema = z
  .strictObject({
    memory_mb: limitMb
      .refine((mb) => mb === 0 || mb >= MIN_MEMORY_MB, `is below ${MIN_MEMORY_MB}, the lowest limit`)
      .nullable()
      .optional()
      .meta({
        description: `Memory of the instance in MiB, at least ${MIN_MEMORY_MB}; 0 or none for the limit of the plan.`,
      }),
    disk_mb: limitMb
      .nullable()
      .optional()
      .meta({ description: 'Disk space of the database in MiB; 0 or none for the limit of the plan.' }),
    sleep_after: sleepAfter
      .nullable()
      .optional()
      .meta({
        description: `Minutes without use after which the database sleeps, at least ${MIN_SLEEP_AFTER}; 0 is never, null the time of the plan ('never' and 'default' in commands).`,
        'x-words': { never: 0, default: null },
      }),
    developer: z.boolean().optional().meta({
      description: 'Lets superusers, the dashboard and their routes through the edge; off for users only.',
    }),
    access: z
      .enum([...DATABASE_ACCESS, 'default'])
      .optional()
      .meta({
        description:
          'What the owner may use: app for records, developer for everything as a superuser, which includes --developer; default for that of OWNER_ACCESS. A database that runs restarts.',
      }),
  })
  .meta({ id: 'DatabaseChange', examples: [{ memory_mb: 512 }] });

export type DatabaseChange = z.infer<typeof databaseChangeSchema>;

export const updateDatabase = endpoint({
  operationId: 'updateDatabase',
  method: 'PATCH',
  path: '/api/v1/databases/{name}',
  tag,
  summary: 'Change the limits of a database, and who can reach it',
  description:
    'Applies at once. PocketBase itself learns of a new memory limit at its next start. Null sets the limit of the plan, as 0 does for memory and disk.',
  permission: 'databases.configure',
  audit: 'database.update',
  command: 'databases set',
  params: z.object({ name: databaseName }),
  body: databaseChangeSchema,
  responses: { 200: { description: 'The instance after the change.', schema: instanceSchema } },
  errors: ['not_found', 'conflict'],
});

const databasePinSchema = z
  .strictObject({
    version: z
      .string()
      .refine(isVersion, 'is not a version like 0.40.1')
      .nullable()
      .meta({ description: 'An installed version of PocketBase; null for that of the fleet.' }),
    without_backup: z
      .boolean()
      .default(false)
      .meta({ description: 'Also pins when the backup before it fails.' }),
  })
  .meta({ id: 'DatabasePin', examples: [{ version: '0.40.1' }] });

export const pinDatabase = endpoint({
  operationId: 'pinDatabase',
  method: 'POST',
  path: '/api/v1/databases/{name}/pin',
  tag,
  summary: 'Pin a database to a version of PocketBase',
  description:
    'Backs up the database first, unless BACKUP_BEFORE_CHANGES is off. Restarts an instance that runs another version. A database that sleeps or is stopped stays so. A version that is not installed, or older than the one that ran last on the database, answers `conflict`.',
  permission: 'databases.configure',
  audit: 'database.pin',
  params: z.object({ name: databaseName }),
  body: databasePinSchema,
  responses: reached,
  errors: ['not_found', 'conflict', 'backup.failed', 'instance.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const deleteDatabase = endpoint({
  operationId: 'deleteDatabase',
  method: 'DELETE',
  path: '/api/v1/databases/{name}',
  tag,
  summary: 'Delete a database',
  description:
    'Moves it to the trash for DATABASE_TRASH_DAYS, from which `undelete` brings it back. Its owner cannot sign in meanwhile. With DATABASE_TRASH_DAYS=0, all its data is erased at once, and an active owner gets a new, empty database.',
  permission: 'databases.delete',
  audit: 'database.delete',
  params: databaseParams,
  responses: noContent('The database is deleted.'),
  errors: ['not_found', 'conflict', 'instance.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** The end of a log. */
const logTailSchema = z
  .object({
    lines: z
      .array(
        z.object({
          at: z.iso.datetime(),
          text: z.string(),
          source: z.literal('requests').exactOptional(),
        }),
      )
      .meta({
        description: 'Each with its own timestamp, or that of the closest line that has one.',
      }),
    position: z.int().meta({
      description: 'Position after the last complete line: a subscription to `logs:NAME` continues there.',
    }),
    partial: z.boolean().meta({ description: 'The last line is incomplete.' }),
  })
  .meta({
    id: 'LogTail',
    examples: [
      {
        lines: [{ at: EXAMPLE_TIME, text: 'Server started at http://127.0.0.1:9123' }],
        position: 40,
        partial: false,
      },
    ],
  });

export type LogTail = z.infer<typeof logTailSchema>;

export const getDatabaseLogs = endpoint({
  operationId: 'getDatabaseLogs',
  method: 'GET',
  path: '/api/v1/databases/{name}/logs',
  tag,
  summary: 'Show the end of a log',
  description: 'The stream continues with `logs:NAME` from `position`.',
  permission: 'databases.read',
  params: databaseParams,
  query: z.object({
    tail: z.coerce.number().int().min(0).max(5000).default(200).meta({ description: 'Number of lines.' }),
    source: z.enum(LOG_SOURCES).default('output').meta({
      description:
        'The output of the process (`output`), the log of PocketBase about requests, mails and jobs (`requests`), or both by time (`all`). `requests` needs access to all databases.',
    }),
    level: z.enum(LOG_LEVELS).optional().meta({
      description:
        'Lowest level of entries from `requests`. The default is `info` for that source alone, and `warn` among the output.',
    }),
  }),
  responses: {
    200: {
      description: 'The last lines.',
      schema: logTailSchema,
    },
  },
  errors: ['not_found', 'instance.failed'],
});

export const getDatabaseMetrics = endpoint({
  operationId: 'getDatabaseMetrics',
  method: 'GET',
  path: '/api/v1/databases/{name}/metrics',
  tag,
  summary: 'Show usage and probes of a database',
  description: 'The last readings of one instance.',
  permission: 'databases.read',
  params: databaseParams,
  responses: {
    200: {
      description: 'Usage and the last probes.',
      schema: z
        .object({
          usage: usageSchema.nullable(),
          probe: probeSchema.nullable(),
          probes: z.array(probeSchema).meta({ description: 'The last probes, oldest first.' }),
          restarts: z.int(),
        })
        .meta({
          id: 'InstanceMetrics',
          examples: [
            {
              usage: exampleOf(usageSchema),
              probe: exampleOf(probeSchema),
              probes: [exampleOf(probeSchema)],
              restarts: 0,
            },
          ],
        }),
    },
  },
  errors: ['not_found'],
});

/** Time to wake the database, and to read it. */
const BROWSE_TIMEOUT_MS = 30_000;

const collectionSchema = z
  .object({
    name: z.string(),
    type: z.string(),
    system: z.boolean().meta({ description: "One of PocketBase's own." }),
    records: z.int().nullable().meta({ description: 'Null if they cannot be counted or read.' }),
    fields: z
      .array(
        z.object({
          name: z.string(),
          type: z.string(),
          hidden: z.boolean().meta({ description: 'Its values are not shown, searched or sorted by.' }),
        }),
      )
      .meta({ description: 'In the order of the schema, with the types of PocketBase.' }),
  })
  .meta({
    id: 'Collection',
    examples: [
      {
        name: 'documents',
        type: 'base',
        system: false,
        records: 12,
        fields: [{ name: 'title', type: 'text', hidden: false }],
      },
    ],
  });

export type Collection = z.infer<typeof collectionSchema>;

export const listCollections = endpoint({
  operationId: 'listCollections',
  method: 'GET',
  path: '/api/v1/databases/{name}/collections',
  tag,
  summary: 'List the collections of a database',
  description:
    "Owners may read their own database, without PocketBase's own collections. Wakes a database that sleeps.",
  permission: 'databases.browse',
  params: z.object({ name: databaseName }),
  query: pageQuerySchema.omit({ sort: true }),
  responses: { 200: { description: 'One page of collections.', schema: pageOf(collectionSchema) } },
  errors: ['not_found', 'instance.not_running', 'instance.failed'],
  timeoutMs: BROWSE_TIMEOUT_MS,
});

const recordSchema = z
  .record(z.string(), z.unknown())
  .meta({ id: 'DatabaseRecord', examples: [{ id: 'r1a2b3c4d5e6f7g', title: 'First' }] });

export type DatabaseRecord = z.infer<typeof recordSchema>;

export const listRecords = endpoint({
  operationId: 'listRecords',
  method: 'GET',
  path: '/api/v1/databases/{name}/collections/{collection}/records',
  tag,
  summary: 'List the records of a collection',
  description:
    "Owners may read their own database, without PocketBase's own collections, and at most 2 MiB at once. Values of secrets and hidden fields are left out. Wakes a database that sleeps.",
  permission: 'databases.browse',
  params: z.object({
    name: databaseName,
    collection: z
      .string()
      .regex(/^\w{1,255}$/, 'is not the name of a collection')
      .meta({ description: 'Name of a collection.', examples: ['documents'] }),
  }),
  query: pageQuerySchema.extend({
    search: z
      .string()
      .max(100)
      .regex(/^[^\0]*$/, 'has a null character')
      .optional()
      .meta({ description: 'A part of a text, in any case. A backslash matches any character.' }),
  }),
  responses: {
    200: {
      description: 'One page of records.',
      schema: pageOf(recordSchema),
    },
  },
  errors: ['not_found', 'instance.not_running', 'instance.failed'],
  timeoutMs: BROWSE_TIMEOUT_MS,
});

/** Methods of `client.databases`. */
export const databases = {
  list: listDatabases,
  get: getDatabase,
  start: startDatabase,
  stop: stopDatabase,
  restart: restartDatabase,
  sleep: sleepDatabase,
  wake: wakeDatabase,
  update: updateDatabase,
  pin: pinDatabase,
  delete: deleteDatabase,
  logs: getDatabaseLogs,
  metrics: getDatabaseMetrics,
  collections: listCollections,
  records: listRecords,
};
