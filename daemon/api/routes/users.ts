import { z } from 'zod';
import { FathomError } from '../../../shared/errors.ts';
import { pageOf, pageQuerySchema, problemSchema, registerSchema } from '../../../shared/protocol.ts';
import type { User } from '../../control-plane/users.ts';
import { ROLES } from '../../security/permissions.ts';
import { requireOwnerOrAll } from '../caller.ts';
import { accountExists, databaseFor } from '../database-access.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const roleSchema = z.enum(ROLES);

const userSchema = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    role: roleSchema,
    is_active: z.boolean(),
    created: z.string(),
    /** Name of the database, null while there is none. */
    database: z.string().nullable(),
  })
  .meta({ id: 'User' });

const idParams = z.object({ id: z.string().regex(/^[a-z0-9]{15}$/, 'is not the id of a user') });
/** PocketBase's filters know no backslash but one that escapes a quote: any other would end the text elsewhere. */
const comparable = z.string().regex(/^[^\\\p{C}]*$/u, 'holds a backslash or a control character');
const SORTABLE = z.enum(['email', '-email', 'created', '-created', 'role', '-role']).default('created');

/** The people of Fathom, for administrators. */
export function userRoutes(app: Api, deps: ApiDeps): void {
  const withDatabase = (user: User) => ({
    ...user,
    database: deps.catalog.findByUser(user.id)?.row.name ?? null,
  });

  const existing = async (id: string): Promise<User> => {
    const user = await deps.users.find(id);
    if (!user) throw new FathomError('not_found', `there is no user '${id}'`);
    return user;
  };

  app.get(
    '/api/v1/users',
    {
      config: { permission: 'users.read' },
      schema: {
        querystring: pageQuerySchema.extend({
          sort: SORTABLE,
          email: comparable.max(255).optional(),
          search: comparable.max(100).optional(),
          role: roleSchema.optional(),
          is_active: z.enum(['true', 'false']).optional(),
        }),
        response: { 200: pageOf(userSchema) },
      },
    },
    async (request) => {
      requireOwnerOrAll(request, null);
      const { page, per_page, is_active, ...wanted } = request.query;
      const { items, total } = await deps.users.list({
        ...wanted,
        is_active: is_active === undefined ? undefined : is_active === 'true',
        page,
        perPage: per_page,
      });
      return { items: items.map(withDatabase), page, per_page, total };
    },
  );

  app.post(
    '/api/v1/users',
    {
      config: { permission: 'users.write', audit: 'user.create' },
      schema: {
        body: registerSchema.extend({ role: roleSchema.optional() }),
        response: { 201: userSchema, 400: problemSchema, 409: problemSchema },
      },
    },
    async (request, reply) => {
      const user = await deps.users.create(request.body).catch((error: unknown) => {
        throw takenByUser(error, request.body.email);
      });
      try {
        await databaseFor(user, deps);
      } catch (error) {
        throw accountExists(error);
      }
      return reply.code(201).send(withDatabase(user));
    },
  );

  app.get(
    '/api/v1/users/:id',
    {
      config: { permission: 'users.read' },
      schema: { params: idParams, response: { 200: userSchema, 404: problemSchema } },
    },
    async (request) => {
      requireOwnerOrAll(request, request.params.id);
      return withDatabase(await existing(request.params.id));
    },
  );

  app.patch(
    '/api/v1/users/:id',
    {
      config: { permission: 'users.write', audit: 'user.update' },
      schema: {
        params: idParams,
        body: z.strictObject({ role: roleSchema.optional(), is_active: z.boolean().optional() }),
        response: { 200: userSchema, 404: problemSchema },
      },
    },
    async (request) => {
      await existing(request.params.id);
      return withDatabase(await deps.users.update(request.params.id, request.body));
    },
  );

  app.delete(
    '/api/v1/users/:id',
    {
      config: { permission: 'users.write', audit: 'user.delete' },
      schema: { params: idParams, response: { 204: z.null(), 404: problemSchema } },
    },
    async (request, reply) => {
      const user = await existing(request.params.id);
      // Whoever is not active is not given a database: not meanwhile, and not if this is cut short halfway.
      await deps.users.update(user.id, { is_active: false });
      await deps.provisioner.settled(user.id);
      const entry = deps.catalog.findByUser(user.id);
      if (entry) await deps.lifecycle.delete(entry.row.name);
      await deps.users.delete(user.id);
      return reply.code(204).send(null);
    },
  );
}

/** To whoever signs up, the same refusal tells nothing of the account. */
function takenByUser(error: unknown, email: string): unknown {
  if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') return error;
  const message = `there is a user with the e-mail address ${email} already; 'fathomd users show ${email}' tells of it`;
  return new FathomError(error.code, message, { cause: error });
}
