import { createUser, deleteUser, getUser, listUsers, updateUser } from '../../shared/api/accounts/users.ts';
import { FathomError } from '../../shared/errors.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Catalog } from '../databases/catalog.ts';
import type { DatabaseLifecycle } from '../databases/lifecycle.ts';
import type { DatabaseAccessDeps } from '../databases/owner/database-access.ts';
import { summarizeOwnDatabase, withAccountCreated } from '../databases/owner/database-access.ts';
import { requireOwnerOrAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import type { User, UserRepository } from './user-repository.ts';

export interface UserRoutesDeps extends DatabaseAccessDeps {
  users: UserRepository;
  catalog: Catalog;
  lifecycle: DatabaseLifecycle;
}

/** Registers the routes of user accounts, for administrators. */
export function userRoutes(app: Api, deps: UserRoutesDeps): void {
  // The plan in the catalog must be the one that was stored last.
  const updates = new KeyedMutex();

  const withDatabase = (user: User) => ({
    ...user,
    database: deps.catalog.findByUser(user.id)?.row.name ?? null,
  });

  const requirePlan = (plan: string | undefined): void => {
    if (plan !== undefined && !deps.plans.has(plan)) {
      const message = `is not the name of a plan; see 'fathomd plans list'`;
      throw new FathomError('request.invalid', `there is no plan '${plan}'`, {
        fields: [{ path: 'plan', message }],
      });
    }
  };

  serve(app, listUsers, async (request) => {
    requireOwnerOrAll(request, null);
    const { is_active, ...filters } = request.query;
    const users = await deps.users.list({
      ...filters,
      is_active: is_active === undefined ? undefined : is_active === 'true',
    });
    return { ...users, items: users.items.map(withDatabase) };
  });

  serve(app, createUser, async (request) => {
    const { email, password, name, role, plan, verified, ...customFields } = request.body;
    requirePlan(plan);
    const account = { email, password, name, role, plan, verified, customFields };
    const user = await deps.users.create(account).catch((error: unknown) => {
      throw withRemedy(error, email);
    });
    try {
      await summarizeOwnDatabase(user, deps);
    } catch (error) {
      throw withAccountCreated(error);
    }
    return withDatabase(user);
  });

  serve(app, getUser, async (request) => {
    requireOwnerOrAll(request, request.params.id);
    return withDatabase(await deps.users.get(request.params.id));
  });

  serve(app, updateUser, async (request) => {
    const { plan } = request.body;
    requirePlan(plan);
    const { id } = request.params;
    await deps.users.get(id);
    return updates.run(id, async () => {
      const user = await deps.users.update(id, request.body);
      const entry = deps.catalog.findByUser(id);
      if (entry && plan !== undefined) {
        entry.row.plan = plan;
        entry.runner.state.update({});
      }
      return withDatabase(user);
    });
  });

  serve(app, deleteUser, async (request) => {
    const user = await deps.users.get(request.params.id);
    // An inactive user gets no new database, neither now nor after an interrupted deletion.
    await deps.users.update(user.id, { is_active: false });
    await deps.provisioner.settled(user.id);
    const entry = deps.catalog.findByUser(user.id);
    if (entry) await deps.lifecycle.delete(entry.row.name);
    await deps.users.delete(user.id);
  });
}

/** Administrators may know who has the address; a sign-up gets a message that does not say so. */
function withRemedy(error: unknown, email: string): unknown {
  if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') return error;
  const message = `there is a user with the e-mail address ${email} already; see 'fathomd users show ${email}'`;
  return new FathomError(error.code, message, { cause: error });
}
