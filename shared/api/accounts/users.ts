import { z } from 'zod';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from '../contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME, idParams } from '../contract/fields.ts';
import { pageOf, pageQuerySchema } from '../contract/page.ts';
import { newAccountSchema } from './auth.ts';
import { ROLES } from './permissions.ts';
import { planName } from './plans.ts';

const tag = { name: 'Users', description: 'Accounts.' };
export const roleSchema = z.enum(ROLES).meta({ id: 'Role' });

const userSchema = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    role: roleSchema,
    is_active: z.boolean(),
    verified: z.boolean().meta({ description: 'The e-mail address is proved.' }),
    plan: z.string().meta({ description: 'Name of the plan with the limits of the user.' }),
    created: z.string(),
    database: z.string().nullable().meta({ description: 'Name of the database; null while there is none.' }),
    erase_at: z.iso.datetime().nullable().meta({
      description: 'When a deleted account is erased. Until then it can come back. Null for any other.',
    }),
  })
  .meta({
    id: 'User',
    examples: [
      {
        id: EXAMPLE_ID,
        email: 'johndoe@example.com',
        name: 'John Doe',
        role: 'user',
        is_active: true,
        verified: true,
        plan: 'default',
        created: EXAMPLE_TIME,
        database: EXAMPLE_DATABASE,
        erase_at: null,
      },
    ],
  });

export type User = z.infer<typeof userSchema>;

/** In a filter of PocketBase, a backslash escapes a quote. Any other backslash would change where the text ends. */
const comparable = z.string().regex(/^[^\\\p{C}]*$/u, 'contains a backslash or a control character');
const params = idParams('a user');
const verifiedSchema = z.boolean().optional().meta({
  description: 'The e-mail address counts as proved, as after a verification by mail.',
});

export const listUsers = endpoint({
  operationId: 'listUsers',
  method: 'GET',
  path: '/api/v1/users',
  tag,
  summary: 'List users',
  description: 'All filters can be combined.',
  permission: 'users.read',
  query: pageQuerySchema.extend({
    sort: z.enum(['email', '-email', 'created', '-created', 'role', '-role']).default('created').meta({
      description: 'Field to sort by; `-field` is descending.',
    }),
    email: comparable
      .max(255)
      .optional()
      .meta({ description: 'The e-mail address, regardless of case and Unicode composition.' }),
    search: comparable.max(100).optional().meta({ description: 'A part of the e-mail address or name.' }),
    role: roleSchema.optional(),
    plan: planName.optional(),
    is_active: z.enum(['true', 'false']).optional(),
  }),
  responses: { 200: { description: 'One page of users.', schema: pageOf(userSchema) } },
});

export const createUser = endpoint({
  operationId: 'createUser',
  method: 'POST',
  path: '/api/v1/users',
  tag,
  summary: 'Create a user',
  description: 'Creates the account and, for the role `user`, its database.',
  answeredBy: 'leader',
  permission: 'users.write',
  audit: 'user.create',
  body: newAccountSchema
    .extend({ role: roleSchema.optional(), plan: planName.optional(), verified: verifiedSchema })
    .meta({
      id: 'NewUser',
      examples: [{ email: 'johndoe@example.com', password: 'three-lucky-otters', role: 'user' }],
    }),
  responses: { 201: { description: 'The user.', schema: userSchema } },
  errors: [
    'auth.email_taken',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const getUser = endpoint({
  operationId: 'getUser',
  method: 'GET',
  path: '/api/v1/users/{id}',
  tag,
  summary: 'Show a user',
  description: 'Users may read their own account.',
  permission: 'users.read',
  params,
  responses: { 200: { description: 'The user.', schema: userSchema } },
  errors: ['not_found'],
});

export const updateUser = endpoint({
  operationId: 'updateUser',
  method: 'PATCH',
  path: '/api/v1/users/{id}',
  tag,
  summary: 'Change the role, plan, activity or verification of a user',
  description: 'An inactive account is signed out and cannot use its database.',
  answeredBy: 'leader',
  permission: 'users.write',
  audit: 'user.update',
  params,
  body: z
    .strictObject({
      role: roleSchema.optional(),
      plan: planName.optional(),
      is_active: z.boolean().optional(),
      verified: verifiedSchema,
    })
    .meta({ id: 'UserChange', examples: [{ is_active: false }] }),
  responses: { 200: { description: 'The user after the change.', schema: userSchema } },
  errors: ['not_found', 'database.deleted'],
});

export const deleteUser = endpoint({
  operationId: 'deleteUser',
  method: 'DELETE',
  path: '/api/v1/users/{id}',
  tag,
  summary: 'Delete a user',
  description:
    'The account and its database go to the trash for DATABASE_TRASH_DAYS: `undelete` of the database brings both back. An account without a database is erased at once, and so is everything with DATABASE_TRASH_DAYS=0.',
  answeredBy: 'leader',
  permission: 'users.write',
  audit: 'user.delete',
  params,
  responses: noContent('The user is deleted.'),
  errors: ['not_found', 'conflict', 'instance.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const sendVerificationMail = endpoint({
  operationId: 'sendVerificationMail',
  method: 'POST',
  path: '/api/v1/users/{id}/verification-mail',
  tag,
  summary: 'Send the mail that proves the address of a user',
  description: 'Reports errors of the mail server.',
  permission: 'users.write',
  audit: 'user.verification-mail',
  params,
  responses: noContent('The mail server has taken the mail.'),
  errors: ['not_found', 'conflict', 'mail.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.users`. */
export const users = {
  list: listUsers,
  add: createUser,
  get: getUser,
  update: updateUser,
  delete: deleteUser,
  verifyMail: sendVerificationMail,
};
