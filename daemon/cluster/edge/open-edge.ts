import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { ClusterConfig } from '../../config/cluster.ts';
import type { EdgeHosts } from '../../config/edge-hosts.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import type { Coordinator } from '../coordinator.ts';
import { EtcdCoordinator } from '../etcd/etcd-coordinator.ts';
import { EtcdGateway } from '../etcd/gateway.ts';
import { readAccess } from '../open-cluster.ts';
import { OWNERS } from '../records.ts';
import { EdgeAgent } from './edge-agent.ts';
import { HaproxyMap } from './haproxy-map.ts';
import { RouteTable } from './route-table.ts';

const RETRY_MS = 1_000;
/** In the directory of the edge: what HAProxy reads when it starts. */
export const ROUTES_MAP = 'routes.map';

/** Keeps the routes of a running HAProxy until the signal aborts. @throws FathomError `config.invalid`, `conflict` */
export async function runEdge(
  { cluster, hosts }: { cluster: ClusterConfig; hosts: EdgeHosts },
  {
    directory,
    socketPath,
    signal,
    clock,
    log,
  }: { directory: string; socketPath: string; signal: AbortSignal; clock: Clock; log: Logger },
): Promise<void> {
  const gateway = new EtcdGateway(await readAccess(cluster));
  const coordinator = new EtcdCoordinator(gateway, { cluster: cluster.name, clock, log });
  try {
    const fleet = cluster.fleetId ?? (await findFleet(coordinator, { signal, clock, log }));
    if (fleet === null) return;
    const mapFile = join(directory, ROUTES_MAP);
    const agent = new EdgeAgent({
      coordinator,
      table: new RouteTable({ fleet, controlPlane: GLOBAL_NAME, hosts }),
      fleet,
      map: new HaproxyMap(socketPath, mapFile),
      mapFile,
      clock,
      log,
    });
    await agent.run(signal);
  } finally {
    coordinator.close();
  }
}

/** The one fleet of the cluster. Waits for etcd and for its first node; null when the signal aborts. */
async function findFleet(
  coordinator: Coordinator,
  { signal, clock, log }: { signal: AbortSignal; clock: Clock; log: Logger },
): Promise<string | null> {
  let shown = '';
  while (!signal.aborted) {
    let waitsFor = 'the first node of the cluster';
    try {
      const fleets = [...new Set((await coordinator.list(OWNERS)).map(({ key }) => key.split('/')[1] ?? ''))];
      if (fleets.length > 1)
        throw new FathomError(
          'conflict',
          `the cluster has ${fleets.length} fleets (${fleets.join(', ')}); set FATHOM_FLEET_ID to that of this edge`,
        );
      if (fleets[0] !== undefined) return fleets[0];
    } catch (error) {
      if (!(error instanceof FathomError) || error.code !== 'cluster.unavailable') throw error;
      waitsFor = error.message;
    }
    if (shown !== waitsFor) log.warn(`the edge waits: ${waitsFor}`);
    shown = waitsFor;
    await clock.sleep(RETRY_MS, signal);
  }
  return null;
}
