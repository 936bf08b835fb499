import { z } from 'zod';
import { endpoint, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE } from './contract/fields.ts';
import { tag } from './databases.ts';
import { pendingSchema, problemSchema } from './migrations.ts';
import { planExample, planFields, rolloutOptions, rolloutSchema } from './rollouts.ts';

const applicationSchema = z.object({
  name: z.string(),
  /** Null without `app.json`. */
  version: z.string().nullable(),
  description: z.string(),
  directory: z.string(),
  /** Whether it is part of Fathom. */
  built_in: z.boolean(),
  /** Whether new databases get it, see `FATHOM_APPS`. */
  chosen: z.boolean(),
  /** The number of databases that have it. */
  databases: z.int(),
  /** Numbers of files. */
  migrations: z.int(),
  hooks: z.int(),
  public_files: z.int(),
});

export type ApplicationView = z.infer<typeof applicationSchema>;

export const listApplications = endpoint({
  operationId: 'listApplications',
  method: 'GET',
  path: '/api/v1/applications',
  tag,
  summary: 'List the applications of user databases',
  description: 'Those of Fathom, and those in `FATHOM_APP_DIR`.',
  permission: 'status.read',
  responses: {
    200: {
      description: 'The applications.',
      schema: z
        .object({
          applications: z.array(applicationSchema),
          /** Why databases do not get the files as they are; null when they do. */
          problem: problemSchema.nullable(),
        })
        .meta({
          id: 'Applications',
          examples: [
            {
              applications: [
                {
                  name: 'shop',
                  version: '1.2.0',
                  description: 'Orders and customers',
                  directory: '/var/lib/fathom/apps/shop',
                  built_in: false,
                  chosen: true,
                  databases: 12,
                  migrations: 3,
                  hooks: 1,
                  public_files: 0,
                },
              ],
              problem: null,
            },
          ],
        }),
    },
  },
});

const params = z.object({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/, 'is not the name of an application')
    .meta({ description: 'Name of an application.', examples: ['shop'] }),
});

const checkSchema = z
  .object({
    /** Null when the application works. */
    problem: problemSchema.nullable(),
    warnings: z.array(z.string()),
  })
  .meta({
    id: 'ApplicationCheck',
    examples: [
      {
        problem: {
          code: 'hook_broken',
          file: 'shop/hooks/main.pb.js',
          line: 3,
          message: 'shop/hooks/main.pb.js:3: ReferenceError: foo is not defined',
        },
        warnings: [],
      },
    ],
  });

export type ApplicationCheck = z.infer<typeof checkSchema>;

export const checkApplication = endpoint({
  operationId: 'checkApplication',
  method: 'POST',
  path: '/api/v1/applications/{name}/check',
  tag,
  summary: 'Test an application on a scratch database',
  description:
    'Applies its migrations, goes back, applies them again, and loads its hooks, without other applications. Changes no database.',
  permission: 'databases.configure',
  audit: null,
  params,
  responses: { 200: { description: 'What was found.', schema: checkSchema } },
  errors: ['not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

const changeSchema = z
  .strictObject(rolloutOptions)
  .meta({ id: 'ApplicationRolloutRequest', examples: [{ databases: [EXAMPLE_DATABASE] }] });

const planSchema = z
  .object({
    application: z.string(),
    /** Databases that will be changed, in their order. */
    databases: z.array(pendingSchema),
    ...planFields,
  })
  .meta({
    id: 'ApplicationRolloutPlan',
    examples: [
      {
        application: 'shop',
        databases: [{ name: EXAMPLE_DATABASE, pending: ['1800000000_orders.js', 'hooks and static files'] }],
        ...planExample,
      },
    ],
  });

/** A plan before the tests on clones. */
export type ApplicationPlanView = Omit<z.infer<typeof planSchema>, 'rehearsed'>;

const change = {
  method: 'POST',
  tag,
  permission: 'databases.configure',
  params,
  errors: ['conflict', 'not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
} as const;

export const planApplication = endpoint({
  ...change,
  operationId: 'planApplication',
  path: '/api/v1/applications/{name}/plan',
  summary: 'Show which databases would get or lose an application',
  description: 'Tests the applications that each database would have. Changes no database.',
  audit: null,
  body: z.strictObject({ action: z.enum(['add', 'remove']), ...rolloutOptions }).meta({
    id: 'ApplicationPlanRequest',
    examples: [{ action: 'add', databases: [EXAMPLE_DATABASE] }],
  }),
  responses: { 200: { description: 'The plan.', schema: planSchema } },
});

export const addApplication = endpoint({
  ...change,
  operationId: 'addApplication',
  path: '/api/v1/applications/{name}/add',
  summary: 'Add an application to databases in waves',
  description:
    'The response comes when the rollout has begun. Each database applies the migrations with a copy, a test and a way back.',
  audit: 'application.add',
  body: changeSchema,
  responses: { 202: { description: 'The rollout has begun.', schema: rolloutSchema } },
});

export const removeApplication = endpoint({
  ...change,
  operationId: 'removeApplication',
  path: '/api/v1/applications/{name}/remove',
  summary: 'Remove an application from databases in waves',
  description: 'Its hooks and static files end. Its collections and their records stay.',
  audit: 'application.remove',
  body: changeSchema,
  responses: { 202: { description: 'The rollout has begun.', schema: rolloutSchema } },
});

/** Methods of `client.applications`. */
export const applications = {
  list: listApplications,
  check: checkApplication,
  plan: planApplication,
  add: addApplication,
  remove: removeApplication,
};
