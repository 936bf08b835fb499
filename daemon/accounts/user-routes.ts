import { createUser, deleteUser, getUser, listUsers, updateUser } from '../../shared/api/accounts/users.ts';
import { foldAddress } from '../../shared/email-address.ts';
import { FathomError } from '../../shared/errors.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Catalog } from '../databases/catalog.ts';
import { deletedAfterMove } from '../databases/elsewhere/databases-elsewhere.ts';
import type { DatabaseAccessDeps } from '../databases/owner/database-access.ts';
import { summarizeOwnDatabase, withAccountCreated } from '../databases/owner/database-access.ts';
import type { DatabaseTrash } from '../databases/trash/trash.ts';
import { deletedDatabase } from '../databases/trash/trashed-databases.ts';
import { requireOwnerOrAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import { toIsoTime } from '../pocketbase/data/sqlite.ts';
import { type OwnAccountRoutesDeps, ownAccountRoutes } from './own-account-routes.ts';
import type { User, UserRepository } from './user-repository.ts';

export interface UserRoutesDeps extends DatabaseAccessDeps, OwnAccountRoutesDeps {
  users: UserRepository;
  catalog: Catalog;
  trash: DatabaseTrash;
}

/** Registers the routes of user accounts: those of administrators, and those of the own account. */
export function userRoutes(app: Api, deps: UserRoutesDeps): void {
  // The plan in the catalog must be the one that was stored last.
  const updates = new KeyedMutex();

  const withDatabase = (user: User) => {
    const trashed = deps.catalog.trashed.findByUser(user.id);
    const [own, other] = [deps.catalog.findByUser(user.id), deps.catalog.elsewhere.findByUser(user.id)];
    return {
      ...user,
      database: (own ?? other)?.row.name ?? trashed?.name ?? null,
      erase_at: trashed?.with_account === true ? toIsoTime(trashed.erase_at) : null,
    };
  };

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
    const trashed = deps.catalog.trashed.findByUser(id);
    if (trashed?.with_account === true) throw deletedDatabase(trashed.name, trashed.erase_at);
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

  /** True when the account is in the trash now, with its database. */
  const deleteWithDatabase = async (id: string, byOwner: boolean): Promise<boolean> => {
    const { catalog, trash } = deps;
    const other = catalog.elsewhere.findByUser(id);
    if (other !== null) throw deletedAfterMove(other);
    const name = catalog.findByUser(id)?.row.name ?? catalog.trashed.findByUser(id)?.name;
    if (name !== undefined) await trash.delete(name, { withAccount: true, byOwner }).catch(unlessGone);
    return catalog.trashed.findByUser(id) !== null;
  };

  // The deletion of one account at a time: the next one finds it deleted.
  const deleteAccount = (userId: string, { byOwner }: { byOwner: boolean }): Promise<void> =>
    updates.run(userId, async () => {
      const { id } = await deps.users.get(userId);
      await deps.provisioner.settled(id);
      if (await deleteWithDatabase(id, byOwner)) return;
      // An inactive user gets no new database, neither now nor after an interrupted deletion.
      await deps.users.update(id, { is_active: false });
      await deps.provisioner.settled(id);
      if (!(await deleteWithDatabase(id, byOwner))) await deps.users.delete(id);
    });

  const undeleteAccount = async (email: string): Promise<void> => {
    const address = foldAddress(email);
    const trashed = deps.catalog.trashed
      .all()
      .find((one) => one.deleted_by_owner && foldAddress(one.email ?? '') === address);
    // A superuser may have given the address to another account.
    if (!trashed || foldAddress((await deps.users.get(trashed.user)).email) !== address)
      throw new FathomError('conflict', 'this account is being erased, and cannot come back');
    await updates.run(trashed.user, () => deps.trash.undelete(trashed.name));
  };

  serve(app, deleteUser, ({ params }) => deleteAccount(params.id, { byOwner: false }));

  ownAccountRoutes(app, deps, {
    deleteAccount: (id) => deleteAccount(id, { byOwner: true }),
    undeleteAccount,
  });
}

/** For a database that another request has deleted. @throws every other error */
function unlessGone(error: unknown): void {
  if (!(error instanceof FathomError) || error.code !== 'not_found') throw error;
}

/** Administrators may know who has the address; a sign-up gets a message that does not say so. */
function withRemedy(error: unknown, email: string): unknown {
  if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') return error;
  const message = `there is a user with the e-mail address ${email} already; see 'fathomd users show ${email}'`;
  return new FathomError(error.code, message, { cause: error });
}
