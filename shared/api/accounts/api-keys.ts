import { z } from 'zod';
import { endpoint, noContent } from '../contract/endpoint.ts';
import { EXAMPLE_ID, EXAMPLE_TIME, idParams, recordId } from '../contract/fields.ts';
import { pageOf, pageQuerySchema } from '../contract/page.ts';
import { PERMISSION_NAMES } from './permissions.ts';
import { roleSchema } from './users.ts';

const tag = { name: 'API keys', description: 'Keys for programs.' };
const permissionSchema = z.enum(PERMISSION_NAMES).meta({ id: 'Permission' });
const ofUser = { user_id: recordId('a user').optional() };

const EXAMPLE_KEY = {
  id: EXAMPLE_ID,
  user_id: EXAMPLE_ID,
  name: 'monitoring',
  prefix: 'a1b2c3d4',
  permissions: ['status.read'],
  roles: ['viewer' as const],
  parent_id: null,
  expires_at: null,
  last_used_at: null,
  created: EXAMPLE_TIME,
};

const apiKeySchema = z
  .object({
    id: z.string(),
    user_id: z.string(),
    name: z.string(),
    prefix: z.string(),
    permissions: z.array(permissionSchema),
    roles: z.array(roleSchema).meta({
      description: 'Roles at the time when the key was made. The key may do only what each of them allows.',
    }),
    parent_id: z.string().nullable().meta({ description: 'The key that made this key; it ends with it.' }),
    expires_at: z.string().nullable(),
    last_used_at: z.string().nullable(),
    created: z.string(),
  })
  .meta({ id: 'ApiKey', examples: [EXAMPLE_KEY] });

export type ApiKey = z.infer<typeof apiKeySchema>;

export const listApiKeys = endpoint({
  operationId: 'listApiKeys',
  method: 'GET',
  path: '/api/v1/api-keys',
  tag,
  summary: 'List API keys',
  description: "The caller's own keys. Administrators get all keys, or those of `user_id`.",
  permission: 'api-keys.read',
  query: pageQuerySchema.omit({ sort: true }).extend(ofUser),
  responses: { 200: { description: 'One page of keys.', schema: pageOf(apiKeySchema) } },
});

export const createApiKey = endpoint({
  operationId: 'createApiKey',
  method: 'POST',
  path: '/api/v1/api-keys',
  tag,
  summary: 'Create an API key',
  description:
    'Send the key as `Authorization: Bearer fk_…`. Only this response shows it. A key that another key makes ends with that key, at the latest.',
  permission: 'api-keys.write',
  audit: 'api-key.create',
  body: z
    .strictObject({
      name: z.string().min(1).max(120),
      permissions: z
        .array(permissionSchema)
        .min(1)
        .max(PERMISSION_NAMES.length)
        .optional()
        .meta({ description: 'All permissions of the user, if left out.' }),
      expires_at: z.iso
        .datetime()
        .optional()
        .meta({ description: 'Never, or when the calling key ends, if left out.' }),
      ...ofUser,
    })
    .meta({ id: 'NewApiKey', examples: [{ name: 'monitoring', permissions: ['status.read'] }] }),
  responses: {
    201: {
      description: 'The key.',
      schema: apiKeySchema
        .extend({ key: z.string() })
        .meta({ id: 'CreatedApiKey', examples: [{ ...EXAMPLE_KEY, key: 'fk_a1b2c3d4_secret' }] }),
    },
  },
  errors: ['not_found', 'conflict', 'limit.reached'],
});

export const deleteApiKey = endpoint({
  operationId: 'deleteApiKey',
  method: 'DELETE',
  path: '/api/v1/api-keys/{id}',
  tag,
  summary: 'Delete an API key',
  description: 'The key ends at once, with all keys that it made. Users may delete their own keys.',
  permission: 'api-keys.write',
  audit: 'api-key.revoke',
  params: idParams('an API key'),
  responses: noContent('The key is deleted.'),
  errors: ['not_found'],
});

/** Methods of `client.apiKeys`. */
export const apiKeys = {
  list: listApiKeys,
  add: createApiKey,
  revoke: deleteApiKey,
};
