import { z } from 'zod';
import { endpoint, noContent } from '../contract/endpoint.ts';
import { EXAMPLE_ID, EXAMPLE_TIME, idParams, recordId } from '../contract/fields.ts';
import { pageOf, pageQuerySchema } from '../contract/page.ts';

const tag = { name: 'Sessions', description: 'Sessions of accounts.' };
const ofUser = { user_id: recordId('a user').optional() };

const sessionRowSchema = z
  .object({
    id: z.string(),
    user_id: z.string(),
    user_agent: z.string(),
    address: z.string(),
    created: z.string(),
    expires_at: z.string(),
    current: z.boolean().meta({ description: 'The session of this request.' }),
  })
  .meta({
    id: 'SessionRow',
    examples: [
      {
        id: EXAMPLE_ID,
        user_id: EXAMPLE_ID,
        user_agent: 'Mozilla/5.0',
        address: '192.0.2.7',
        created: EXAMPLE_TIME,
        expires_at: EXAMPLE_TIME,
        current: true,
      },
    ],
  });

export type SessionRow = z.infer<typeof sessionRowSchema>;

export const listSessions = endpoint({
  operationId: 'listSessions',
  method: 'GET',
  path: '/api/v1/sessions',
  tag,
  summary: 'List sessions',
  description: "The caller's own sessions. Administrators may list those of `user_id`, or of all users.",
  permission: 'sessions.read',
  command: 'sessions list',
  query: pageQuerySchema.omit({ sort: true }).extend({
    ...ofUser,
    all: z.enum(['true', 'false']).default('false').meta({ description: 'The sessions of all users.' }),
  }),
  responses: { 200: { description: 'One page of sessions.', schema: pageOf(sessionRowSchema) } },
});

export const endSessions = endpoint({
  operationId: 'endSessions',
  method: 'DELETE',
  path: '/api/v1/sessions',
  tag,
  summary: 'Sign out everywhere',
  description:
    "Ends the caller's sessions, API keys, and tokens at the global PocketBase and the own database, or those of `user_id` for administrators.",
  permission: 'sessions.end',
  audit: 'sessions.end',
  query: z.object({
    ...ofUser,
    keys: z.enum(['true', 'false']).default('true').meta({
      description:
        'Delete API keys as well, which needs the permission api-keys.write, too. `false` keeps them.',
    }),
  }),
  responses: noContent('The sessions have ended.'),
  errors: ['conflict'],
});

export const endSession = endpoint({
  operationId: 'endSession',
  method: 'DELETE',
  path: '/api/v1/sessions/{id}',
  tag,
  summary: 'End a session',
  description: 'Users may end their own sessions.',
  permission: 'sessions.end',
  audit: 'session.end',
  command: 'sessions end',
  params: idParams('a session'),
  responses: noContent('The session has ended.'),
  errors: ['not_found'],
});

/** Methods of `client.sessions`. */
export const sessions = {
  list: listSessions,
  end: endSession,
  endAll: endSessions,
};
