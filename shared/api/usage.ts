import { z } from 'zod';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, pageQuerySchema } from './contract/page.ts';
import { databaseParams, tag } from './databases.ts';
import { limitsSchema } from './instances.ts';

const EXAMPLE_SAMPLE = {
  at: EXAMPLE_TIME,
  disk_bytes: 52_428_800,
  memory_bytes: 18_874_368,
  cpu_percent: 0.4,
};

const sampleSchema = z
  .object({
    at: z.iso.datetime().meta({ description: 'Time of the last reading.' }),
    disk_bytes: z.number().nullable().meta({ description: 'The last size.' }),
    memory_bytes: z.number().nullable().meta({ description: 'The most memory.' }),
    cpu_percent: z.number().nullable().meta({ description: 'Mean, in percent of one core.' }),
  })
  .meta({
    id: 'UsageSample',
    description: 'The usage in an hour or a day (UTC); null where it was not read.',
    examples: [EXAMPLE_SAMPLE],
  });

export type UsageSample = z.infer<typeof sampleSchema>;

const EXAMPLE_SUMMARY = {
  name: EXAMPLE_DATABASE,
  email: 'johndoe@example.com',
  disk_bytes: 52_428_800,
  memory_bytes: 18_874_368,
  cpu_percent: 0.4,
  limits: { memory_bytes: null, disk_bytes: 104_857_600, sleep_after: 30 },
  disk_bytes_per_day: 1_048_576,
  days_until_limit: 50,
  last_used_at: EXAMPLE_TIME,
  archive_at: null,
};

const summarySchema = z
  .object({
    name: z.string(),
    email: z.string().nullable(),
    ...sampleSchema.omit({ at: true }).shape,
    limits: limitsSchema,
    disk_bytes_per_day: z.number().nullable().meta({
      description: 'Change of the size per day over the last week; null until half a day is known.',
    }),
    days_until_limit: z.number().nullable().meta({
      description:
        'When the limit is reached if it goes on like this; null if it is not, or later than in ten years.',
    }),
    last_used_at: z.iso.datetime().nullable().meta({
      description:
        'Last known use: connections, sign-ins and tasks. Null when none is known, and for the global database.',
    }),
    archive_at: z.iso.datetime().nullable().meta({
      description:
        'When it is archived unless it is used before. Null until its owner got a mail about it, and without DATABASE_INACTIVE_DAYS.',
    }),
  })
  .meta({
    id: 'DatabaseUsage',
    examples: [EXAMPLE_SUMMARY],
  });

export type DatabaseUsage = z.infer<typeof summarySchema>;

const historySchema = summarySchema
  .extend({
    hours: z.array(sampleSchema).meta({ description: 'Of the last 7 days, the oldest first.' }),
    days: z.array(sampleSchema).meta({ description: 'Of the last 365 days, the oldest first.' }),
  })
  .meta({
    id: 'UsageHistory',
    examples: [{ ...EXAMPLE_SUMMARY, hours: [EXAMPLE_SAMPLE], days: [EXAMPLE_SAMPLE] }],
  });

export type UsageHistory = z.infer<typeof historySchema>;

export const listUsage = endpoint({
  operationId: 'listUsage',
  method: 'GET',
  path: '/api/v1/usage',
  tag,
  summary: 'List the usage of databases',
  description: 'The largest first. Users get their own database.',
  permission: 'databases.read',
  query: pageQuerySchema.omit({ sort: true }),
  responses: { 200: { description: 'One page of databases.', schema: pageOf(summarySchema) } },
});

export const getUsage = endpoint({
  operationId: 'getUsage',
  method: 'GET',
  path: '/api/v1/databases/{name}/usage',
  tag,
  summary: 'Show the history of the usage of a database',
  description: 'Owners may read their own. Hours and days without a reading are left out.',
  permission: 'databases.read',
  params: databaseParams,
  responses: { 200: { description: 'The history.', schema: historySchema } },
  errors: ['not_found'],
});

/** Methods of `client.usage`. */
export const usage = {
  list: listUsage,
  get: getUsage,
};
