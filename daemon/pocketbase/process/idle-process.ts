import { readdirSync } from 'node:fs';
import type { ConnectionState } from '../sockets/client-connections.ts';
import { openSockets, threadState } from './procfs.ts';
import { sendSignal } from './signals.ts';

/** `quiet_clients`: it continues, and none of its connections has a request in progress. */
export type IdleEnd = 'ended' | 'quiet_clients' | 'clients';

export interface IdleOptions {
  /** Of its clients. Called while it is stopped. */
  connections: () => ConnectionState;
  /** Also ends it when none of its connections has a request in progress. */
  closeQuiet: boolean;
}

const WITHOUT_CLIENTS: IdleOptions = { connections: () => 'busy', closeQuiet: false };

/** The socket with which it listens. */
const SOCKETS_WITHOUT_CLIENTS = 1;
/** Each thread stops when it runs next. */
const MAX_LOOKS = 50;
const LOOK_EVERY_MS = 1;

/**
 * Ends the process group of a PocketBase that has no client; otherwise it continues. It is stopped (SIGSTOP) before the
 * look, and killed without running again: after SIGTERM it could still accept a connection, whose request would be lost.
 * What it has acknowledged is in its files.
 *
 * @param hasWaiting whether a connection waits to be accepted
 */
export async function endIdleProcess(
  pid: number,
  hasWaiting: () => boolean,
  { connections, closeQuiet } = WITHOUT_CLIENTS,
): Promise<IdleEnd> {
  sendSignal(-pid, 'SIGSTOP');
  let clients: ConnectionState | 'none' = 'busy';
  const isIdle = () => clients === 'none' || (clients === 'quiet' && closeQuiet);
  try {
    if ((await stops(pid)) && !hasWaiting())
      clients = openSockets(pid) === SOCKETS_WITHOUT_CLIENTS ? 'none' : connections();
  } finally {
    // Also when the look fails: a process that stays stopped does not answer.
    sendSignal(-pid, isIdle() ? 'SIGKILL' : 'SIGCONT');
  }
  if (isIdle()) return 'ended';
  return clients === 'quiet' ? 'quiet_clients' : 'clients';
}

async function stops(pid: number): Promise<boolean> {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    if (look > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    if (hasStopped(pid)) return true;
  }
  return false;
}

/** Whether all threads are stopped, so that none is in a system call. */
function hasStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => threadState(pid, thread) === 'T');
  } catch {
    return false;
  }
}
