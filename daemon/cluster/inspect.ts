import { z } from 'zod';
import { messageOf } from '../../shared/errors.ts';
import { isLoopbackHost } from '../../shared/host.ts';
import type { ClusterConfig } from '../config/cluster.ts';
import { readEntries } from './etcd/etcd-coordinator.ts';
import { EtcdGateway } from './etcd/gateway.ts';
import { readAccess } from './open-cluster.ts';
import { DRAINS, NODES, parseNode } from './records.ts';

/** One server of etcd, as seen from this host. */
export interface EtcdServer {
  endpoint: string;
  /** Why it cannot be used; null when it can. */
  problem: string | null;
  version: string | null;
  /** Null when its command line cannot be read. */
  preVote: boolean | null;
  /** How far its clock is ahead of this host's, in milliseconds; within a second. */
  clockAheadMs: number | null;
}

/** The cluster as the doctor sees it. */
export interface ClusterFacts {
  servers: readonly EtcdServer[];
  /** Number of servers that etcd itself knows; null when none answers. */
  members: number | null;
  /** Registered nodes with their version of Fathom; empty when none answers. */
  nodes: readonly { node: string; version: string; drain?: { left: number } | undefined }[];
  /** Names of nodes that are drained. */
  drained: readonly string[];
  /** Whether passwords or data cross a network without encryption. */
  isExposed: boolean;
  /** Why nothing could be asked: a file of the settings. */
  problem: string | null;
}

const statusSchema = z.object({ version: z.string(), leader: z.string().default('0') });
const membersSchema = z.object({ members: z.array(z.unknown()) });
const variablesSchema = z.object({ cmdline: z.array(z.string()) });

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
    const drained = drains.map(({ key }) => key.slice(DRAINS.length));
    return { ...none, servers, members: members.length, nodes, drained };
  } catch (error) {
    return { ...none, problem: messageOf(error) };
  } finally {
    gateway.close();
  }
}

async function inspectServer(gateway: EtcdGateway, endpoint: string): Promise<EtcdServer> {
  const server = { endpoint, problem: null, version: null, preVote: null, clockAheadMs: null };
  try {
    const { text, date } = await gateway.callAt(endpoint, '/v3/maintenance/status', {});
    const { version, leader } = statusSchema.parse(JSON.parse(text));
    const second = date === null ? Number.NaN : Date.parse(date);
    return {
      ...server,
      problem: leader === '0' ? 'it has no leader: fewer than half of the servers are connected' : null,
      version,
      preVote: await readPreVote(gateway, endpoint),
      clockAheadMs: Number.isNaN(second) ? null : clockAhead(second, Date.now()),
    };
  } catch (error) {
    return { ...server, problem: messageOf(error) };
  }
}

/** @param second of the other clock, whose fraction was cut */
export function clockAhead(second: number, now: number): number {
  if (now < second) return second - now;
  return Math.min(0, second + 1000 - now);
}

/** Servers from 3.5 on have it by default. Environment and configuration file of an earlier one cannot be seen. */
async function readPreVote(gateway: EtcdGateway, endpoint: string): Promise<boolean | null> {
  try {
    const { text } = await gateway.callAt(endpoint, '/debug/vars', null);
    const { cmdline } = variablesSchema.parse(JSON.parse(text));
    const flag = cmdline.findLast((word) => /^--?pre-vote(?:=|$)/.test(word));
    return flag === undefined ? null : !/=(?:0|f|false)$/i.test(flag);
  } catch {
    // A proxy in front of it, or another form in a later release.
    return null;
  }
}
