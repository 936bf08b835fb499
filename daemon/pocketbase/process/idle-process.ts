import { readdirSync } from 'node:fs';
import { openSockets, threadState } from './procfs.ts';
import { sendSignal } from './signals.ts';

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
 * @returns whether it was killed
 */
export async function endIdleProcess(pid: number, hasWaiting: () => boolean): Promise<boolean> {
  sendSignal(-pid, 'SIGSTOP');
  let isIdle = false;
  try {
    isIdle = (await stops(pid)) && openSockets(pid) === SOCKETS_WITHOUT_CLIENTS && !hasWaiting();
  } finally {
    // Also when the look fails: a process that stays stopped does not answer.
    sendSignal(-pid, isIdle ? 'SIGKILL' : 'SIGCONT');
  }
  return isIdle;
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
