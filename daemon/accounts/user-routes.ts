import { createUser, deleteUser, getUser, listUsers, updateUser } from '../../shared/api/users.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { DatabaseLifecycle } from '../databases/lifecycle.ts';
import type { DatabaseAccessDeps } from '../databases/owner/database-access.ts';
import { accountExists, databaseFor } from '../databases/owner/database-access.ts';
import { requireOwnerOrAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { User, UserRepository } from './user-repository.ts';

export interface UserRoutesDeps extends DatabaseAccessDeps {
  users: UserRepository;
  catalog: Catalog;
  lifecycle: DatabaseLifecycle;
}

/** The people of Fathom, for administrators. */
export function userRoutes(app: Api, deps: UserRoutesDeps): void {
  const withDatabase = (user: User) => ({
    ...user,
    database: deps.catalog.findByUser(user.id)?.row.name ?? null,
  });

  const existing = async (id: string): Promise<User> => {
    const user = await deps.users.find(id);
    if (!user) throw new FathomError('not_found', `there is no user '${id}'`);
    return user;
  };

  serve(app, listUsers, async (request) => {
    requireOwnerOrAll(request, null);
    const { page, per_page, is_active, ...wanted } = request.query;
    const { items, total } = await deps.users.list({
      ...wanted,
      is_active: is_active === undefined ? undefined : is_active === 'true',
      page,
      perPage: per_page,
    });
    return { items: items.map(withDatabase), page, per_page, total };
  });

  serve(app, createUser, async (request) => {
    const { email, password, name, role, ...further } = request.body;
    const user = await deps.users.create({ email, password, name, role, further }).catch((error: unknown) => {
      throw takenByUser(error, email);
    });
    try {
      await databaseFor(user, deps);
    } catch (error) {
      throw accountExists(error);
    }
    return withDatabase(user);
  });

  serve(app, getUser, async (request) => {
    requireOwnerOrAll(request, request.params.id);
    return withDatabase(await existing(request.params.id));
  });

  serve(app, updateUser, async (request) => {
    await existing(request.params.id);
    return withDatabase(await deps.users.update(request.params.id, request.body));
  });

  serve(app, deleteUser, async (request) => {
    const user = await existing(request.params.id);
    // Whoever is not active is not given a database: not meanwhile, and not if this is cut short halfway.
    await deps.users.update(user.id, { is_active: false });
    await deps.provisioner.settled(user.id);
    const entry = deps.catalog.findByUser(user.id);
    if (entry) await deps.lifecycle.delete(entry.row.name);
    await deps.users.delete(user.id);
  });
}

/** To whoever signs up, the same refusal tells nothing of the account. */
function takenByUser(error: unknown, email: string): unknown {
  if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') return error;
  const message = `there is a user with the e-mail address ${email} already; 'fathomd users show ${email}' tells of it`;
  return new FathomError(error.code, message, { cause: error });
}
