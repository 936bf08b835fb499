import type { Peer } from './peer.ts';

export interface PeerRule {
  /** The user and the process of this daemon. */
  uid: number;
  pid: number;
  /** The group that may use the socket; null without one. */
  gid: number | null;
  /** The pids of instances, and of the process that starts them. */
  instances: ReadonlySet<number>;
  /** Whether a process is in the cgroup of an instance. */
  isInInstance: (pid: number) => boolean;
  /** Pids of children of the daemon that may use the socket: programs of Fathom. */
  ownPrograms: ReadonlySet<number>;
  /** The parent and the session of a process; null when it has ended or belongs to another user. */
  relationsOf: (pid: number) => { parent: number; session: number } | null;
}

/** The number of ancestors that are checked. Processes of instances and handlers have few. */
const MAX_ANCESTORS = 64;

/** Why a process may not use the local socket; null when it may. */
export function peerProblem(peer: Peer, rule: PeerRule): string | null {
  if (peer.uid === rule.uid) {
    return isOwnProcess(peer.pid, rule)
      ? `pid ${peer.pid} is a process of an instance or of a handler, or has ended`
      : null;
  }
  if (peer.uid === 0) return null;
  if (rule.gid !== null && (peer.gid === rule.gid || peer.groups.includes(rule.gid))) return null;
  return `pid ${peer.pid} belongs to the user with uid ${peer.uid}, who is not a member of the group of the socket`;
}

/**
 * Whether the daemon started the process, itself or through others. Processes of instances keep the session of PocketBase.
 * A process that has ended counts as well: it may have given its connection to another one.
 */
function isOwnProcess(
  pid: number,
  { pid: daemon, instances, isInInstance, ownPrograms, relationsOf }: PeerRule,
): boolean {
  if (pid === daemon || pid === 0 || ownPrograms.has(pid)) return false;
  if (isInInstance(pid)) return true;
  let current = pid;
  for (let step = 0; step < MAX_ANCESTORS && current > 1; step += 1) {
    if (current === daemon || instances.has(current)) return true;
    const relations = relationsOf(current);
    if (relations === null) return current === pid;
    if (instances.has(relations.session)) return true;
    current = relations.parent;
  }
  return false;
}
