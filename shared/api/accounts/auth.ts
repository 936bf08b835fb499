import { z } from 'zod';
import { LIFECYCLE_STATUSES } from '../../instance.ts';
import { endpoint, exampleOf, noContent, OPERATION_TIMEOUT_MS } from '../contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from '../contract/fields.ts';
import { newPasswordSchema, passwordSchema } from './passwords.ts';
import { ROLES } from './permissions.ts';

const tag = { name: 'Sign-in', description: 'Sign up, sign in, and use the own account.' };

export const credentialsSchema = z
  .strictObject({
    // Wider than for a registration: accounts made directly in PocketBase may have longer addresses.
    email: z.string().min(1).max(255),
    password: passwordSchema,
  })
  .meta({ id: 'Credentials', examples: [{ email: 'johndoe@example.com', password: 'three-lucky-otters' }] });

/** Other properties are fields that the administrator has added to the accounts. */
export type Credentials = z.input<typeof credentialsSchema>;

export const newAccountSchema = z
  .looseObject({
    email: z.string().min(1).max(254).meta({
      format: 'idn-email',
      description: 'The global PocketBase validates the address: see docs/security.md.',
    }),
    password: newPasswordSchema.min(8, 'needs at least 8 characters'),
    name: z
      .string()
      .max(255)
      .refine((text) => !/\p{Cc}/u.test(text), 'has a control character, such as a line break')
      .optional(),
  })
  .meta({
    id: 'NewAccount',
    examples: [{ email: 'johndoe@example.com', password: 'three-lucky-otters', name: 'John Doe' }],
  });

export const registerSchema = newAccountSchema
  .extend({
    // Odd values are refused like unknown ones.
    invitation: z.unknown().optional().meta({
      description: 'Token of an invitation. Required with `SIGN_UP_MODE=invited`.',
    }),
  })
  .meta({
    id: 'Registration',
    examples: [{ email: 'johndoe@example.com', password: 'three-lucky-otters', name: 'John Doe' }],
  });

export type Registration = z.input<typeof registerSchema>;

const EXAMPLE_SUMMARY = {
  name: EXAMPLE_DATABASE,
  url: 'http://127.0.0.1:9123',
  port: 9123,
  status: 'Running',
};

export const databaseSummarySchema = z
  .object({
    name: z.string().meta({ description: 'Empty with the status `awaiting_verification`.' }),
    url: z.string().nullable(),
    port: z.int().nullable(),
    status: z.enum([...LIFECYCLE_STATUSES, 'awaiting_verification']).meta({
      description: '`awaiting_verification`: the database is created after the e-mail address is proved.',
    }),
    asleep: z
      .literal(true)
      .exactOptional()
      .meta({ description: 'The database is `Stopped` until the next request at its URL, which starts it.' }),
  })
  .meta({ id: 'DatabaseSummary', examples: [EXAMPLE_SUMMARY] });

export type DatabaseSummary = z.infer<typeof databaseSummarySchema>;

/** `token` signs the owner in at this database; null, like `url`, while it does not run and does not sleep. */
export const databaseAccessSchema = databaseSummarySchema.extend({ token: z.string().nullable() }).meta({
  id: 'DatabaseAccess',
  examples: [{ ...EXAMPLE_SUMMARY, token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }],
});

export type DatabaseAccess = z.infer<typeof databaseAccessSchema>;

const EXAMPLE_USER = { id: EXAMPLE_ID, email: 'johndoe@example.com', role: 'user' };

export const userSummarySchema = z
  .object({
    id: z.string(),
    email: z.string(),
    role: z.string(),
  })
  .meta({ id: 'UserSummary', examples: [EXAMPLE_USER] });

export const sessionSchema = z
  .object({
    token: z.string(),
    expires_at: z.iso.datetime(),
    user: userSummarySchema,
    /** Null for accounts without a database (administrators). */
    database: databaseAccessSchema.nullable(),
  })
  .meta({
    id: 'Session',
    description:
      "Use `token` for this API, and `database.token` for the account's own PocketBase: `pb.authStore.save(token)`.",
    examples: [
      {
        token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature',
        expires_at: EXAMPLE_TIME,
        user: EXAMPLE_USER,
        database: { ...EXAMPLE_SUMMARY, token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' },
      },
    ],
  });

export type Session = z.infer<typeof sessionSchema>;

export const ticketSchema = z
  .object({ ticket: z.string(), expires_at: z.iso.datetime() })
  .meta({ id: 'Ticket', examples: [{ ticket: 'q7Jt0w3zV5bN', expires_at: EXAMPLE_TIME }] });

export type Ticket = z.infer<typeof ticketSchema>;

export const register = endpoint({
  operationId: 'register',
  method: 'POST',
  path: '/api/v1/auth/register',
  tag,
  summary: 'Sign up',
  description:
    'Creates an account and its database, and signs in. Takes the fields that the administrator has added to the accounts.',
  answeredBy: 'leader',
  permission: 'public',
  audit: 'sign-up',
  body: registerSchema,
  responses: { 201: { description: 'The account is created and signed in.', schema: sessionSchema } },
  errors: [
    'auth.email_taken',
    'sign_up.closed',
    'invitation.required',
    'invitation.invalid',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const login = endpoint({
  operationId: 'login',
  method: 'POST',
  path: '/api/v1/auth/login',
  tag,
  summary: 'Sign in',
  description: 'Creates the database of the account if it has none.',
  permission: 'public',
  whileStarting: 'accounts',
  audit: 'sign-in',
  body: credentialsSchema,
  responses: { 200: { description: 'A new session.', schema: sessionSchema } },
  errors: [
    'auth.failed',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
});

export const exchangeToken = endpoint({
  operationId: 'exchangeToken',
  method: 'POST',
  path: '/api/v1/auth/exchange',
  tag,
  summary: 'Exchange a token of the global PocketBase for a session',
  description: 'For accounts that sign in at the global PocketBase, also by a provider or a code.',
  permission: 'public',
  whileStarting: 'accounts',
  audit: 'sign-in',
  body: z
    .strictObject({ token: z.string().min(1).max(4000) })
    .meta({ id: 'GlobalToken', examples: [{ token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }] }),
  responses: { 200: { description: 'A new session.', schema: sessionSchema } },
  errors: [
    'auth.failed',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

const signInProviderSchema = z
  .object({
    name: z.string(),
    display_name: z.string(),
    auth_url: z.string().meta({ description: 'Ends with `redirect_uri=`: append the encoded address.' }),
    state: z.string().meta({ description: 'The provider returns it. Refuse another one.' }),
    code_verifier: z.string().meta({ description: 'Keep it until the code arrives.' }),
  })
  .meta({
    id: 'SignInProvider',
    examples: [
      {
        name: 'oidc',
        display_name: 'House',
        auth_url: 'https://id.example.com/authorize?client_id=fathom&state=q7Jt0w3zV5bN&redirect_uri=',
        state: 'q7Jt0w3zV5bN',
        code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
      },
    ],
  });

export type SignInProvider = z.infer<typeof signInProviderSchema>;

export const listSignInProviders = endpoint({
  operationId: 'listSignInProviders',
  method: 'GET',
  path: '/api/v1/auth/providers',
  tag,
  summary: 'List the sign-in providers',
  description:
    'Each with the address at which a sign-in begins. State and verifier are new in each response.',
  permission: 'public',
  responses: {
    200: {
      description: 'The configured providers.',
      schema: z
        .object({ items: z.array(signInProviderSchema) })
        .meta({ id: 'SignInProviders', examples: [{ items: [exampleOf(signInProviderSchema)] }] }),
    },
  },
});

export const signInByProvider = endpoint({
  operationId: 'signInByProvider',
  method: 'POST',
  path: '/api/v1/auth/providers/{provider}',
  tag,
  summary: 'Sign in with the code of a provider',
  description:
    'Creates the account at the first sign-in, if sign-ups allow it, and the database of the account if it has none.',
  permission: 'public',
  audit: 'sign-in',
  params: z.object({
    provider: z
      .string()
      .regex(/^[a-z]{1,20}$/, 'is not the name of a provider')
      .meta({ description: 'Name of a provider in the list.', examples: ['oidc'] }),
  }),
  body: z
    .strictObject({
      code: z.string().min(1).max(4000),
      code_verifier: z.string().min(1).max(200),
      redirect_url: z.string().min(1).max(2000).meta({ description: 'The same as at the beginning.' }),
    })
    .meta({
      id: 'ProviderCode',
      examples: [
        {
          code: 'SplxlOBeZQQYbYS6WxSbIA',
          code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
          redirect_url: 'https://api.example.com/',
        },
      ],
    }),
  responses: { 200: { description: 'A new session.', schema: sessionSchema } },
  errors: [
    'auth.failed',
    'auth.email_taken',
    'database.deleted',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const refreshSession = endpoint({
  operationId: 'refreshSession',
  method: 'POST',
  path: '/api/v1/auth/refresh',
  tag,
  summary: 'Renew the session',
  description:
    'Returns a new token. The old token ends. With `role`, the new session is limited to what this role may do as well, and so are those that are renewed from it, and API keys that it makes.',
  permission: 'account.use',
  whileStarting: 'accounts',
  // Not recorded: it changes nothing but the token.
  audit: null,
  body: z
    .strictObject({ role: z.enum(ROLES).optional() })
    .nullish()
    .meta({ examples: [{ role: 'viewer' }] }),
  responses: { 200: { description: 'The renewed session.', schema: sessionSchema } },
  errors: ['conflict', 'databases.limit_reached', 'instance.failed', 'ports.exhausted', 'provision.failed'],
});

export const logout = endpoint({
  operationId: 'logout',
  method: 'POST',
  path: '/api/v1/auth/logout',
  tag,
  summary: 'Sign out',
  description: 'Ends the session of the token.',
  permission: 'account.use',
  whileStarting: 'accounts',
  audit: 'sign-out',
  responses: noContent('The session has ended.'),
  errors: ['conflict'],
});

export const getMe = endpoint({
  operationId: 'getMe',
  method: 'GET',
  path: '/api/v1/me',
  tag,
  summary: 'Show the signed-in account',
  description: 'Id, e-mail address and role.',
  permission: 'account.use',
  whileStarting: 'accounts',
  responses: { 200: { description: 'The account.', schema: userSummarySchema } },
  errors: ['conflict'],
});

export const getMyDatabase = endpoint({
  operationId: 'getMyDatabase',
  method: 'GET',
  path: '/api/v1/me/database',
  tag,
  summary: 'Show the database of the signed-in account',
  description: 'Creates the database if there is none. Only accounts with the role `user` have one.',
  permission: 'account.use',
  responses: { 200: { description: 'The database.', schema: databaseSummarySchema } },
  errors: [
    'not_found',
    'conflict',
    'databases.limit_reached',
    'instance.failed',
    'ports.exhausted',
    'provision.failed',
  ],
});

export const createTicket = endpoint({
  operationId: 'createTicket',
  method: 'POST',
  path: '/api/v1/ws-ticket',
  tag,
  summary: 'Create a ticket for the stream',
  description: 'The ticket opens one WebSocket at `/ws?ticket=TICKET`, within 30 seconds.',
  permission: 'stream.open',
  audit: null,
  responses: { 201: { description: 'The ticket.', schema: ticketSchema } },
});

/** Methods of `client.auth`. */
export const auth = {
  register,
  login,
  exchange: exchangeToken,
  providers: listSignInProviders,
  signInByProvider,
  refresh: refreshSession,
  logout,
  me: getMe,
  database: getMyDatabase,
  ticket: createTicket,
};
