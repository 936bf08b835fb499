import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { messageOf } from '../../shared/errors.ts';
import { createNode } from '../helpers/cluster-node.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { signUpMany, type Tenant } from '../helpers/fleet-actions.ts';
import { type ClusterEdge, EDGE_SETTINGS, startClusterEdge } from '../helpers/haproxy.ts';
import { TEST_TASKS } from '../helpers/queue.ts';
import { startS3Server } from '../helpers/s3-server.ts';
import { createStandby, replicaOf } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';
import { startMembers } from './etcd-members.ts';
import { createNetwork, type Host } from './network.ts';
import { OwnershipLog } from './ownership-log.ts';
import { ProcessWatch } from './process-watch.ts';
import { Server, serveAt } from './server.ts';

const CONCURRENT_MOVES = 4;

export interface TestCluster {
  servers: readonly Server[];
  edge: ClusterEdge;
  owners: OwnershipLog;
  watch: ProcessWatch;
  store: Host;
  tenants: readonly Tenant[];
}

/**
 * Three servers, an S3 server, an edge, and databases on the first server.
 *
 * @param options.moto directory of the S3 server
 */
export async function createCluster({
  moto,
  databases,
  leaseSeconds,
}: {
  moto: string;
  databases: number;
  leaseSeconds: number;
}): Promise<TestCluster> {
  const network = await createNetwork(['h1', 'h2', 'h3', 'edge', 's3']);
  const hosts = [network.h1, network.h2, network.h3];
  const { urls, members } = await startMembers(hosts);
  const s3 = await startS3Server(moto, network.s3);
  onTestFinished(() => s3[Symbol.asyncDispose]());
  await s3.createBucket('replica');
  const replica = `s3://replica/fleet?endpoint=${s3.url}&region=us-east-1`;
  const settingsOf = ({ address }: Host) => ({
    ...EDGE_SETTINGS,
    ...s3.credentials,
    FATHOM_NODE_ADDRESS: address,
    SERVER_HOST: address,
    PB_BIND_ADDRESS: address,
    TRUSTED_PROXIES: network.edge.address,
    FATHOM_LEASE_SECONDS: String(leaseSeconds),
    FATHOM_TASKS_DIR: TEST_TASKS,
  });
  const options = { ports: databases * 2 + 40 };
  const etcd = { url: urls };
  const settings = { ...replicaOf(replica), ...settingsOf(network.h1) };
  const first = await createNode(etcd, 'n1', settings, options);
  const daemon = await first.start({}, serveAt(network.h1));
  const tenants = await signUpMany(first, databases);
  const fleet = (await readFile(join(first.dataDir, 'fleet-id'), 'utf8')).trim();
  const fathoms: Deployment[] = [first];
  for (const [index, host] of hosts.entries())
    if (index > 0) fathoms.push(await createStandby(etcd, `n${index + 1}`, first, settingsOf(host), options));
  const servers = fathoms.map(
    (fathom, index) =>
      new Server({
        name: `n${index + 1}`,
        host: hosts[index] as Host,
        member: members[index] as (typeof members)[number],
        fathom,
        settings: { FATHOM_FLEET_ID: fleet },
      }),
  );
  for (const [index, server] of servers.entries()) server.begin(index === 0 ? daemon : null);
  const edge = await startClusterEdge(etcd, network.edge);
  const owners = new OwnershipLog(urls);
  const watch = new ProcessWatch(new Map(servers.map(({ name, fathom }) => [name, fathom.dataDir])));
  return { servers, edge, owners, watch, store: network.s3, tenants };
}

/** Waits until all daemons are ready, and each database has a complete replica of its owner that is not behind. */
export async function untilSettled({ servers, owners }: TestCluster): Promise<void> {
  const settle = async (server: Server) => {
    let seen: unknown = null;
    const at = Date.now();
    await until(
      async () => {
        const askedAt = Date.now();
        const status = await server.fathom.client.daemon.status().catch(String);
        seen = status;
        if (typeof status === 'string' || !status.ready) return false;
        const lag = status.backups.replica?.lag_seconds ?? null;
        // A node without databases has nothing to replicate.
        if (owners.ownedBy(server.name).length === 0) return true;
        return lag !== null && askedAt - lag * 1000 > at;
      },
      { timeoutMs: 120_000, what: () => `${server.name}: ${JSON.stringify(seen)}` },
    );
  };
  await Promise.all(servers.map(settle));
  const unprotected = () => [...owners.owners].filter(([, owner]) => !owner.isProtected || owner.isOffered);
  await until(() => unprotected().length === 0, {
    timeoutMs: 120_000,
    what: () => `complete replicas: ${JSON.stringify(unprotected())}`,
  });
}

interface Move {
  name: string;
  from: Server;
  to: string;
}

/**
 * Moves databases until each server has about as many.
 *
 * @returns how long each move took, in milliseconds
 */
export async function spread({ servers, owners }: TestCluster): Promise<number[]> {
  const moves: Move[] = [];
  const counts = servers.map((server) => ({ server, names: owners.ownedBy(server.name) }));
  for (;;) {
    counts.sort((a, b) => a.names.length - b.names.length);
    const [least, most] = [counts[0], counts.at(-1)];
    if (!least || !most || most.names.length - least.names.length < 2) break;
    const name = most.names.pop();
    if (name === undefined) break;
    least.names.push(name);
    moves.push({ name, from: most.server, to: least.server.name });
  }
  const took: number[] = [];
  const work = async () => {
    for (let move = moves.pop(); move !== undefined; move = moves.pop()) {
      took.push(await moveOne(move));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_MOVES }, work));
  return took;
}

/** Tries again while the replica of a database that has just signed up is not complete. Resolves with how long the move took. */
async function moveOne({ name, from, to }: Move): Promise<number> {
  let tookMs = 0;
  let refusal = '';
  await until(
    async () => {
      const began = performance.now();
      try {
        await from.fathom.client.nodes.move(name, { node: to });
      } catch (error) {
        refusal = messageOf(error);
        if (refusal.includes('is not complete yet')) return false;
        throw error;
      }
      tookMs = performance.now() - began;
      return true;
    },
    { timeoutMs: 60_000, what: () => refusal },
  );
  return tookMs;
}
