import { z } from 'zod';
import { endpoint, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE } from './contract/fields.ts';
import { tag } from './databases.ts';
import { planExample, planFields, rolloutOptions, rolloutSchema } from './rollouts.ts';

/** Why the migrations are not used. */
export const problemSchema = z.object({
  code: z.enum([
    'failed',
    'syntax',
    'timed_out',
    'unreadable',
    'not_utf8',
    'duplicate',
    'not_a_migration',
    'accounts_lost',
    'manifest',
    'hook_broken',
    'unusable',
  ]),
  /** Null if no single file is the cause. */
  file: z.string().nullable(),
  line: z.int().nullable(),
  message: z.string(),
});

/** A file that was changed or removed after databases applied it. */
const driftSchema = z.object({
  file: z.string(),
  change: z.enum(['changed', 'missing']),
  databases: z.array(z.string()),
});

const statusSchema = z.object({
  /** The current files. */
  files: z.array(
    z.object({ name: z.string(), application: z.string(), path: z.string(), sha256: z.string() }),
  ),
  /** Whether databases get these files. If not, `problem` or `untried` says why. */
  in_use: z.boolean(),
  problem: problemSchema.nullable(),
  /** Files that were added, changed or removed since the daemon tried the migrations out. */
  untried: z.array(z.string()),
  warnings: z.array(z.string()),
  drift: z.array(driftSchema),
});

export type MigrationProblem = z.infer<typeof problemSchema>;
export type MigrationDrift = z.infer<typeof driftSchema>;
export type MigrationStatus = z.infer<typeof statusSchema>;

export const getMigrations = endpoint({
  operationId: 'getMigrations',
  method: 'GET',
  path: '/api/v1/migrations',
  tag,
  summary: 'Show the migrations of user databases',
  description:
    'Errors, files that are not tested yet, warnings, and files that changed after databases applied them.',
  permission: 'status.read',
  responses: {
    200: {
      description: 'The files and their problems.',
      schema: statusSchema.meta({
        id: 'MigrationStatus',
        examples: [
          {
            files: [
              {
                name: '1800000000_notes.js',
                application: 'notes',
                path: '/var/lib/fathom/apps/notes/migrations/1800000000_notes.js',
                sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
              },
            ],
            in_use: false,
            problem: {
              code: 'syntax',
              file: '1800000000_notes.js',
              line: 2,
              message: '1800000000_notes.js:2: SyntaxError: Unexpected token ;',
            },
            untried: [],
            warnings: [],
            drift: [],
          },
        ],
      }),
    },
  },
});

const requestSchema = z
  .strictObject(rolloutOptions)
  .meta({ id: 'MigrationRolloutRequest', examples: [{ canary: 2, wave: 20 }] });

export type MigrationRolloutRequest = z.input<typeof requestSchema>;

/** A database, and the files that it will apply. */
export const pendingSchema = z.object({ name: z.string(), pending: z.array(z.string()) });

const planSchema = z
  .object({
    /** Of the set of migrations. */
    hash: z.string(),
    /** Databases that lack migrations, in their order. */
    databases: z.array(pendingSchema),
    ...planFields,
  })
  .meta({
    id: 'MigrationRolloutPlan',
    examples: [
      {
        hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
        databases: [{ name: EXAMPLE_DATABASE, pending: ['1800000000_notes.js'] }],
        ...planExample,
      },
    ],
  });

/** A plan before the tests on clones. */
export type MigrationPlanView = Omit<z.infer<typeof planSchema>, 'rehearsed'>;

export const planMigrations = endpoint({
  operationId: 'planMigrations',
  method: 'POST',
  path: '/api/v1/migrations/plan',
  tag,
  summary: 'Show which databases lack which migrations',
  description: 'Tests the files if they have changed. Changes no database.',
  permission: 'databases.configure',
  audit: null,
  body: requestSchema,
  responses: { 200: { description: 'The plan.', schema: planSchema } },
  errors: ['conflict', 'not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const applyMigrations = endpoint({
  operationId: 'applyMigrations',
  method: 'POST',
  path: '/api/v1/migrations/apply',
  tag,
  summary: 'Apply migrations to databases in waves',
  description: 'The response comes when the rollout has begun. Databases do not wait for their next start.',
  permission: 'databases.configure',
  audit: 'rollout.start',
  body: requestSchema,
  responses: { 202: { description: 'The rollout has begun.', schema: rolloutSchema } },
  errors: ['conflict', 'not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.migrations`. */
export const migrations = {
  status: getMigrations,
  plan: planMigrations,
  apply: applyMigrations,
};
