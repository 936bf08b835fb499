import { z } from 'zod';
import type { DrainPurpose } from '../../shared/api/nodes.ts';
import { messageOf } from '../../shared/errors.ts';
import { isLoopbackHost } from '../../shared/host.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import { readEntries } from './etcd/etcd-coordinator.ts';
import { EtcdGateway } from './etcd/gateway.ts';
import { type EtcdServer, inspectServer } from './etcd/servers.ts';
import { readAccess } from './open-cluster.ts';
import { DRAINS, NODES, parseDrain, parseNode } from './records.ts';

/** The cluster as the doctor sees it. */
export interface ClusterFacts {
  servers: readonly EtcdServer[];
  /** Number of servers that etcd itself knows; null when none answers. */
  members: number | null;
  /** Registered nodes with their version of Fathom; empty when none answers. */
  nodes: readonly { node: string; version: string; drain?: { left: number } | undefined }[];
  /** Nodes that are drained, and for what. */
  drained: readonly { node: string; purpose: DrainPurpose }[];
  /** Whether passwords or data cross a network without encryption. */
  isExposed: boolean;
  /** Why nothing could be asked: a file of the settings. */
  problem: string | null;
}

const membersSchema = z.object({ members: z.array(z.unknown()) });
/** Asks every server of etcd. Never rejects. */
export async function inspectCluster(config: ClusterConfig): Promise<ClusterFacts> {
  const isExposed = config.endpoints.some((endpoint) => {
    const { protocol, hostname } = new URL(endpoint);
    return protocol === 'http:' && !isLoopbackHost(hostname);
  });
  const none: ClusterFacts = { servers: [], members: null, nodes: [], drained: [], isExposed, problem: null };
  let gateway: EtcdGateway;
  try {
    gateway = new EtcdGateway(await readAccess(config));
  } catch (error) {
    return { ...none, problem: messageOf(error) };
  }
  try {
    const servers = await Promise.all(config.endpoints.map((endpoint) => inspectServer(gateway, endpoint)));
    if (servers.every(({ problem }) => problem !== null)) return { ...none, servers };
    const { members } = await gateway.call('/v3/cluster/member/list', {}, membersSchema);
    const nodes = (await readEntries(gateway, config.name, NODES)).map(parseNode);
    const drains = await readEntries(gateway, config.name, DRAINS);
    const drained = drains.map((entry) => ({
      node: entry.key.slice(DRAINS.length),
      purpose: parseDrain(entry).purpose,
    }));
    return { ...none, servers, members: members.length, nodes, drained };
  } catch (error) {
    return { ...none, problem: messageOf(error) };
  } finally {
    gateway.close();
  }
}
