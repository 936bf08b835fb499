import { z } from 'zod';
import { endpoint, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { tag } from './databases.ts';
import { problemSchema } from './migrations.ts';

const applicationSchema = z.object({
  name: z.string(),
  /** Null without `app.json`. */
  version: z.string().nullable(),
  description: z.string(),
  directory: z.string(),
  /** Whether it is part of Fathom. */
  built_in: z.boolean(),
  /** Whether databases get it, see `FATHOM_APPS`. */
  chosen: z.boolean(),
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
  params: z.object({
    name: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/, 'is not the name of an application')
      .meta({ description: 'Name of an application.', examples: ['shop'] }),
  }),
  responses: { 200: { description: 'What was found.', schema: checkSchema } },
  errors: ['not_found'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.applications`. */
export const applications = {
  list: listApplications,
  check: checkApplication,
};
