import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { messageOf } from '../../../shared/errors.ts';
import { systemClock } from '../../base/time/clock.ts';
import { run } from './host.ts';
import { SERVICE, SOCKET } from './release/layout.ts';
import type { Release } from './release/links.ts';

/** More than TimeoutStopSec and TimeoutStartSec of the unit together. */
const RESTART_TIMEOUT_MS = 300_000;
/** How long a release is watched after it is ready, and how often it is checked. */
const WATCH_MS = 20_000;
const CHECK_EVERY_MS = 1_000;

/** What every command that changes the installation gets. */
export interface InstallContext {
  print: (line: string) => void;
  interrupted: AbortSignal;
}

/**
 * Restarts the daemon with a release and watches it.
 *
 * @returns null when the release stays ready, otherwise what is wrong
 */
export async function verifyRelease(
  release: Release,
  { print, interrupted }: InstallContext,
): Promise<string | null> {
  print(`restarting the daemon with release ${release.name}; instances keep running`);
  const startProblem = await restartDaemon(release, interrupted);
  if (startProblem !== null) return `release ${release.name} does not become ready: ${startProblem}`;
  print(`the daemon is ready; watching it for ${WATCH_MS / 1000} seconds`);
  const problem = await watchDaemon(interrupted);
  return problem === null ? null : `release ${release.name} does not stay ready: ${problem}`;
}

/** Restarts the daemon. @returns null when the given release is ready, otherwise what is wrong */
export async function restartDaemon({ version }: Release, signal?: AbortSignal): Promise<string | null> {
  try {
    await run('systemctl', ['reset-failed', SERVICE]).catch(() => '');
    await run('systemctl', ['restart', SERVICE], {
      timeoutMs: RESTART_TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
    const status = await readDaemonStatus();
    return status.version === version ? notReadyReason(status) : `the daemon has version ${status.version}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** @returns null when the same daemon process stays ready, otherwise what is wrong */
async function watchDaemon(interrupted: AbortSignal): Promise<string | null> {
  try {
    let status = await readDaemonStatus();
    const { pid } = status;
    for (let waited = 0; waited < WATCH_MS; waited += CHECK_EVERY_MS) {
      await systemClock.sleep(CHECK_EVERY_MS, interrupted);
      if (interrupted.aborted) return 'interrupted';
      status = await readDaemonStatus();
      if (status.pid !== pid) return 'the daemon ended after it was ready';
    }
    return notReadyReason(status);
  } catch (error) {
    return messageOf(error);
  }
}

function readDaemonStatus(): Promise<DaemonStatus> {
  return createClient({ target: { socketPath: SOCKET } }).daemon.status();
}

function notReadyReason({ ready, waiting_for }: DaemonStatus): string | null {
  return ready ? null : `it waits for ${waiting_for}`;
}
