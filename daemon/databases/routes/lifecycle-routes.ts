import type { LifecycleInstance } from '../../../shared/api/lifecycle.ts';
import {
  getInstanceStatus,
  initInstance,
  listInstances,
  stopInstance,
} from '../../../shared/api/lifecycle.ts';
import { FathomError } from '../../../shared/errors.ts';
import { lifecycleStatus } from '../../../shared/instance.ts';
import type { UserLimits } from '../../accounts/plans/user-limits.ts';
import type { UserRepository } from '../../accounts/user-repository.ts';
import { requireOwnerOrAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';
import type { DatabaseLifecycle } from '../lifecycle.ts';
import type { Provisioner } from '../provisioning/provisioner.ts';
import { countOwnRestart } from './database-routes.ts';

export interface LifecycleRoutesDeps {
  catalog: Catalog;
  fleet: Fleet;
  lifecycle: DatabaseLifecycle;
  provisioner: Provisioner;
  users: UserRepository;
  userLimits: UserLimits;
}

/** Registers the lifecycle API of earlier clients: other paths and another form of errors for the same fleet. */
export function lifecycleRoutes(app: Api, deps: LifecycleRoutesDeps): void {
  const { catalog, fleet, lifecycle, provisioner, users, userLimits } = deps;

  serve(app, initInstance, async (request) => {
    const { id } = request.params;
    requireOwnerOrAll(request, id);
    const user = await users.get(id);
    const before = catalog.findByUser(id);
    const entry = await provisioner.ensure(user);
    const isRestart = request.body?.force_restart === true && before !== null;
    // Clients also send this to learn the address of a database that runs.
    if (before && (isRestart || entry.row.desired === 'stopped')) await countOwnRestart(request, userLimits);
    if (isRestart) await lifecycle.restart(entry.row.name);
    else if (entry.runner.state.phase === 'failed') throw failedInstance(entry);
    else await lifecycle.start(entry.row.name, { force: false });
    const instance = toLifecycle(entry);
    return {
      success: true as const,
      message: `PocketBase instance initialized on port ${instance.port}`,
      instance,
    };
  });

  serve(app, getInstanceStatus, async (request) => {
    const { id } = request.params;
    requireOwnerOrAll(request, id);
    const entry = catalog.findByUser(id);
    if (!entry) await users.get(id);
    return { user_id: id, instance: entry && toLifecycle(entry) };
  });

  serve(app, stopInstance, async (request) => {
    const { id } = request.params;
    requireOwnerOrAll(request, id);
    const entry = catalog.findByUser(id);
    if (!entry) throw new FathomError('not_found', `the user '${id}' has no instance`);
    await countOwnRestart(request, userLimits);
    await lifecycle.stop(entry.row.name);
    return { success: true as const, message: 'PocketBase instance stopped successfully' };
  });

  serve(app, listInstances, () => {
    const instances: Record<string, LifecycleInstance> = {};
    for (const entry of catalog.entries()) {
      if (fleet.find(entry.row.name)) instances[entry.row.user] = toLifecycle(entry);
    }
    return { instances, count: Object.keys(instances).length };
  });
}

function failedInstance({ row, runner }: CatalogEntry): FathomError {
  return new FathomError(
    'instance.failed',
    `${row.name} has failed: ${runner.state.reason?.message ?? 'no reason is known'}; send force_restart to try again`,
  );
}

function toLifecycle({ row, runner }: CatalogEntry): LifecycleInstance {
  const view = runner.state.view();
  return {
    user_id: row.user,
    port: view.port ?? 0,
    db_path: view.db_path,
    url: view.url ?? '',
    status: lifecycleStatus(view.phase),
    ...(view.phase === 'asleep' && { asleep: true as const }),
    created_at: view.created_at,
    last_health_check: view.probe?.at ?? null,
  };
}
