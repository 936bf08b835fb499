import type { FastifyRequest } from 'fastify';
import {
  deleteDatabase,
  getDatabase,
  getDatabaseLogs,
  getDatabaseMetrics,
  listDatabases,
  pinDatabase,
  restartDatabase,
  sleepDatabase,
  startDatabase,
  stopDatabase,
  updateDatabase,
  wakeDatabase,
} from '../../../shared/api/databases.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { UserLimits } from '../../accounts/plans/user-limits.ts';
import type { Clock } from '../../base/time/clock.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { redactInstance } from '../../http/redact.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import { FLEET_VERSION } from '../../pocketbase/binary/binaries.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { tailLogs } from '../../supervisor/instance-logs.ts';
import type { Catalog } from '../catalog.ts';
import type { DatabaseLifecycle } from '../lifecycle.ts';
import { type DatabaseTrash, requireNotTrashed } from '../trash/trash.ts';
import { listAll, listOwn, listRunners } from './database-list.ts';

export interface DatabaseRoutesDeps {
  fleet: Fleet;
  catalog: Catalog;
  lifecycle: DatabaseLifecycle;
  trash: DatabaseTrash;
  userLimits: UserLimits;
  /** Null when databases are not backed up before changes. @throws FathomError `backup.failed` */
  backUpBefore: ((name: string, change: { what: 'pin'; withoutBackup: boolean }) => Promise<void>) | null;
  clock: Clock;
}

const GLOBAL = 'global';

/** Registers the routes of databases. The global one is listed as well; only the daemon stops it. */
export function databaseRoutes(app: Api, deps: DatabaseRoutesDeps): void {
  const { fleet, catalog, lifecycle, trash, userLimits, backUpBefore, clock } = deps;

  const requireAccess = (request: FastifyRequest, name: string) => {
    const owner = catalog.find(name)?.row.user ?? catalog.trashed.find(name)?.user;
    requireOwnerOrAll(request, owner ?? null);
    requireNotTrashed(catalog, name);
  };

  serve(app, listDatabases, (request) => {
    const caller = requireCaller(request);
    const own = caller.kind === 'local' ? [] : listOwn(caller.userId, catalog);
    const all = seesAll(caller, 'databases.read');
    const visible = all ? listAll(fleet.sortedRunners(), catalog) : own;
    const { items, ...page } = slicePage(listRunners(visible, request.query), request.query);
    return { items: items.map(({ state }) => redactInstance(caller, state.view())), ...page };
  });

  serve(app, getDatabase, (request) => {
    requireAccess(request, request.params.name);
    return redactInstance(request.caller, fleet.get(request.params.name).state.view());
  });

  type Operation = typeof startDatabase | typeof stopDatabase | typeof restartDatabase | typeof wakeDatabase;
  const admitOperation = async (request: FastifyRequest, name: string, mayBeGlobal = false) => {
    requireAccess(request, name);
    if (name === GLOBAL && !mayBeGlobal) {
      const remedy = "'fathomd databases restart global' restarts it";
      throw new FathomError(
        'conflict',
        `the global database starts and stops with the daemon, and never sleeps; ${remedy}`,
      );
    }
    await countOwnRestart(request, userLimits);
  };
  const operate = (operation: Operation, run: (name: string) => Promise<Instance>) => {
    serve(app, operation, async (request) => {
      const { name } = request.params;
      await admitOperation(request, name, operation === restartDatabase);
      return redactInstance(request.caller, await run(name));
    });
  };
  // A requested start also leaves the phase `failed`.
  operate(startDatabase, (name) => lifecycle.start(name, { force: true }));
  operate(stopDatabase, (name) => lifecycle.stop(name));
  // The global instance can be restarted, but not stopped.
  operate(restartDatabase, (name) => (name === GLOBAL ? fleet.restart(GLOBAL) : lifecycle.restart(name)));
  serve(app, sleepDatabase, async (request) => {
    const { name } = request.params;
    await admitOperation(request, name);
    const instance = await lifecycle.sleep(name, { force: request.body?.force === true });
    return redactInstance(request.caller, instance);
  });
  operate(wakeDatabase, (name) => lifecycle.wake(name));

  serve(app, updateDatabase, async (request) => {
    const instance = await lifecycle.configure(request.params.name, request.body);
    return redactInstance(request.caller, instance);
  });

  serve(app, pinDatabase, async (request) => {
    const { name } = request.params;
    const { version, without_backup: withoutBackup } = request.body;
    const { entry } = await lifecycle.requirePinnable(name, version ?? FLEET_VERSION);
    if (entry.row.pocketbase_version !== (version ?? FLEET_VERSION))
      await backUpBefore?.(name, { what: 'pin', withoutBackup });
    return redactInstance(request.caller, await lifecycle.pin(name, version ?? FLEET_VERSION));
  });

  serve(app, deleteDatabase, async (request) => {
    await trash.delete(request.params.name, { withAccount: false });
  });

  serve(app, getDatabaseLogs, async (request) => {
    const { name } = request.params;
    requireAccess(request, name);
    const { source, ...query } = request.query;
    // PocketBase shows its log only to superusers, because it contains the addresses of all clients.
    const isAllowed = seesAll(requireCaller(request), 'databases.read');
    if (source === 'requests' && !isAllowed)
      throw new FathomError('auth.forbidden', "the source 'requests' is for administrators; use 'output'");
    return tailLogs(
      fleet.get(name).spec,
      { ...query, source: isAllowed ? source : ('output' as const) },
      clock,
    );
  });

  serve(app, getDatabaseMetrics, (request) => {
    requireAccess(request, request.params.name);
    const { state } = fleet.get(request.params.name);
    const { usage, probe, restarts } = state.view();
    return { usage, probe, probes: [...state.probes], restarts };
  });
}

/** Counts an operation of an owner. Administrators and operators are not limited. */
export async function countOwnRestart(request: FastifyRequest, userLimits: UserLimits): Promise<void> {
  if (!seesAll(request.caller, 'databases.operate'))
    await userLimits.countUse('restarts_per_hour', requireUserId(request));
}
