import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../daemon/base/files/dir.ts';
import { readEntries } from '../../daemon/cluster/etcd/etcd-coordinator.ts';
import { EtcdGateway } from '../../daemon/cluster/etcd/gateway.ts';
import { OWNERS, parseOwner } from '../../daemon/cluster/records.ts';
import { createNode, secretsOf } from './cluster-node.ts';
import type { Deployment, DeploymentOptions } from './deployment.ts';
import type { Etcd } from './etcd.ts';
import { NO_TLS } from './etcd-coordinator.ts';
import { fleetIdOf, keeperOf } from './leaks.ts';
import { litestream, statusOf } from './replication.ts';
import { until } from './until.ts';

/** Settings with which a node can be replaced by another one. */
export const replicaOf = (target: string) => ({
  FATHOM_FENCE: 'on',
  REPLICA: target,
  LITESTREAM_BINARY_PATH: litestream ?? '',
});

/** An empty node that takes over the fleet of another one. */
export async function createStandby(
  etcd: Pick<Etcd, 'url'>,
  node: string,
  of: Deployment,
  more: Record<string, string> = {},
  options: Pick<DeploymentOptions, 'ports'> = {},
): Promise<Deployment> {
  const fleet = (await readFile(join(of.dataDir, 'fleet-id'), 'utf8')).trim();
  const env = { ...secretsOf(of), ...replicaOf(of.env['REPLICA'] ?? ''), FATHOM_FLEET_ID: fleet, ...more };
  return createNode(etcd, node, env, { ...options, empty: true });
}

export async function ownersIn(etcd: Pick<Etcd, 'url'>) {
  const gateway = new EtcdGateway({
    endpoints: etcd.url.split(','),
    tls: NO_TLS,
    credentials: null,
  });
  try {
    return (await readEntries(gateway, 'default', OWNERS)).map(parseOwner);
  } finally {
    gateway.close();
  }
}

/** How many databases each node owns, the control plane included. */
export async function sharesIn(etcd: Pick<Etcd, 'url'>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { node } of await ownersIn(etcd)) counts[String(node)] = (counts[String(node)] ?? 0) + 1;
  return counts;
}

/** Waits until the replicas have everything that was written before now. */
export async function untilReplicated(
  etcd: Pick<Etcd, 'url'>,
  fathom: Deployment,
  node: string,
): Promise<void> {
  const at = Date.now();
  await until(
    async () =>
      (await ownersIn(etcd)).every(
        (owner) => owner.node === node && owner.source?.includes(`/e${owner.epoch}`),
      ),
    { what: async () => `replicas of all databases: ${JSON.stringify(await ownersIn(etcd))}` },
  );
  let seen: unknown = null;
  await until(
    async () => {
      // Before the question: the lag is as old as the answer.
      const askedAt = Date.now();
      const { databases, lag_seconds: lag } = await statusOf(fathom);
      seen = { databases, lag };
      return databases === 2 && lag !== null && askedAt - lag * 1000 > at;
    },
    { what: () => `replicas without a lag: ${JSON.stringify(seen)}` },
  );
}

/** Waits until the replicas of the present owners are complete: then their databases can move. */
export async function untilMovable(etcd: Pick<Etcd, 'url'>): Promise<void> {
  await until(
    async () => (await ownersIn(etcd)).every(({ source, epoch }) => source?.endsWith(`/e${epoch}`)),
    { what: async () => JSON.stringify(await ownersIn(etcd)) },
  );
}

/** Waits until a target has the files of uploads of a fleet. */
export async function untilFilesStored(target: string, fathom: Deployment, files: number): Promise<void> {
  const fleet = (await readFile(join(fathom.dataDir, 'fleet-id'), 'utf8')).trim();
  await until(
    async () => {
      const paths = await readdir(join(target, fleet), { recursive: true }).catch(unlessMissing);
      const headers = (paths ?? []).filter((path) => path.endsWith('.json'));
      const stored = await Promise.all(headers.map((path) => readFile(join(target, fleet, path), 'utf8')));
      return stored.filter((header) => !header.includes('.attrs')).length === files;
    },
    { what: () => `${files} files in the target` },
  );
}

/** Waits until a member has become the node with the control plane. */
export async function untilLeader(daemon: { output(): string }): Promise<void> {
  await until(() => daemon.output().split('the daemon is ready').length > 2, { what: () => daemon.output() });
}

/** As when the server loses its power: everything of Fathom is killed, and the kernel ends the databases. */
export async function killServer(
  fathom: Deployment,
  daemon: { signal(name: NodeJS.Signals): void; exited: Promise<unknown> },
) {
  const { replica } = (await fathom.client.daemon.status()).backups;
  const keeper = await keeperOf(fleetIdOf(fathom.dataDir));
  daemon.signal('SIGKILL');
  for (const pid of [keeper, replica?.pid ?? 0]) process.kill(pid, 'SIGKILL');
  await daemon.exited;
}
