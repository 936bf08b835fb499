import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Logger } from '../base/log/log.ts';
import { bootTime } from '../base/time/boot-time.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Config } from '../config/config.ts';
import type { ChildProcessDriver } from '../pocketbase/process/process-driver.ts';
import { sendSignal } from '../pocketbase/process/signals.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { GLOBAL_NAME, globalDirOf } from '../supervisor/global-instance.ts';
import type { Cluster, NodeLoad } from './cluster.ts';
import { type CopiesDeps, prepareCopies, prepareCopy, RestoreSlots, receiveCopy } from './copies.ts';

/** Resolves with the names of databases that their start restores. */
export type RestoreDatabases = () => Promise<ReadonlySet<string>>;

/**
 * Joins the cluster, and waits until this node owns the fleet. Ends what runs of a fleet that another node owns. Restores the
 * control plane.
 *
 * @param options.onLost called when another node owns the fleet later on: then the daemon must stop
 * @returns restores the databases of this node, except those whose start does it. Call it before one starts
 */
export async function joinFleet(
  cluster: Cluster,
  { fleet, driver, clock, log }: { fleet: Fleet; driver: ChildProcessDriver; clock: Clock; log: Logger },
  {
    config,
    replicas,
    stopping,
    onLost,
    onLeaderChanged,
  }: {
    config: Pick<Config, 'dataDir' | 'userDatabasesDir'>;
    replicas: Pick<CopiesDeps, 'ownReplica' | 'restore' | 'fetchFiles'>;
    /** Aborts when the daemon ends, also without its databases. */
    stopping: AbortSignal;
    onLost: (error: FathomError) => void;
    /** Called when a member must start again, to use another control plane or to run it. */
    onLeaderChanged: () => void;
  },
): Promise<RestoreDatabases> {
  const copies: CopiesDeps = {
    ownershipOf: (name) => cluster.ownershipOf(name),
    directoryOf: (name) =>
      name === GLOBAL_NAME ? globalDirOf(config.dataDir) : join(config.userDatabasesDir, name),
    ...replicas,
    perName: new KeyedMutex(),
    slots: new RestoreSlots(),
    clock,
    stopping,
    controlPlane: GLOBAL_NAME,
    log,
  };
  await cluster.join({
    load: () => loadOf(fleet),
    onLost: (name, { message }) => {
      log.error({ instance: name }, message);
      if (name === GLOBAL_NAME) onLost(new FathomError('conflict', message));
      else void endCopy(fleet, name, log);
    },
    onLease: (until) => {
      // The keeper ends them too, also when this process does not run any more.
      driver.setLease(bootTime() + until - clock.monotonic());
      // It is also called to end one.
      if (until > clock.monotonic())
        for (const runner of fleet.runners()) runner.retry('cluster_unreachable');
    },
    onLeaseOver: () => {
      log.error('the lease of this node is over: its databases end, and start again with the next lease');
      for (const pid of fleet.pids()) sendSignal(-pid, 'SIGKILL');
    },
    prepareCopy: (name) => prepareCopy(name, copies),
    receiveCopy: (copy, options) => receiveCopy(copy, options, copies),
    onLeaderChanged,
  });
  await cluster.claimFleet(async (mayRun) => {
    for (const process of await driver.find()) if (!mayRun(process.instance)) await fleet.endFound(process);
  });
  if (!cluster.allowsTakeover) return async () => new Set();
  // Its start needs nothing of the others, and all sign-ins need it.
  const [names] = await Promise.all([cluster.claimAll(), prepareCopy(GLOBAL_NAME, copies)]);
  return () => prepareCopies(names, copies);
}

/** Its next start shows the reason, and waits until this node owns it. */
async function endCopy(fleet: Fleet, name: string, log: Logger): Promise<void> {
  try {
    await fleet.restart(name);
  } catch (error) {
    log.warn({ instance: name }, messageOf(error));
  }
}

function loadOf(fleet: Fleet): NodeLoad {
  const databases = fleet.runners(({ spec }) => spec.kind === 'user');
  return {
    databases: databases.length,
    running: databases.filter(({ state }) => state.observed.pid !== null).length,
    load_1m: loadavg()[0] ?? 0,
    processors: availableParallelism(),
    memory_total_bytes: totalmem(),
    memory_free_bytes: freemem(),
  };
}
