import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { messageOf } from '../../../shared/errors.ts';
import { systemClock } from '../../base/time/clock.ts';
import { run } from './host.ts';
import { SERVICE, SOCKET } from './release/layout.ts';
import type { Release } from './release/links.ts';

/** More than TimeoutStopSec and TimeoutStartSec of the unit together. */
const RESTART_TIMEOUT_MS = 300_000;
/** How long a release is watched once it is ready, and how often it is looked at. */
const PROBATION_MS = 20_000;
const LOOK_EVERY_MS = 1_000;

export interface Trial {
  say: (line: string) => void;
  interrupted: AbortSignal;
}

/** Restarts the daemon as that release and watches it. Null when it is one to stay with, else why not. */
export async function tryOut(release: Release, { say, interrupted }: Trial): Promise<string | null> {
  say(`restarting the daemon as ${release.name}; the instances go on`);
  const late = await restart(release, interrupted);
  if (late !== null) return `${release.name} does not become ready: ${late}`;
  say(`it is ready, and watched for ${PROBATION_MS / 1000} seconds`);
  const ended = await probation(interrupted);
  return ended === null ? null : `${release.name} does not last: ${ended}`;
}

/** Null when that very release is ready, else why not. */
export async function restart({ version }: Release, signal?: AbortSignal): Promise<string | null> {
  try {
    await run('systemctl', ['reset-failed', SERVICE]).catch(() => '');
    await run('systemctl', ['restart', SERVICE], {
      timeoutMs: RESTART_TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
    const status = await daemonStatus();
    return status.version === version ? unready(status) : `version ${status.version} answers`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Null when the daemon that is ready goes on being so, else why not: what ends soon afterwards is no release to stay with. */
async function probation(interrupted: AbortSignal): Promise<string | null> {
  try {
    let status = await daemonStatus();
    const { pid } = status;
    for (let waited = 0; waited < PROBATION_MS; waited += LOOK_EVERY_MS) {
      await systemClock.sleep(LOOK_EVERY_MS, interrupted);
      if (interrupted.aborted) return 'interrupted';
      status = await daemonStatus();
      if (status.pid !== pid) return 'it ended soon after it was ready';
    }
    return unready(status);
  } catch (error) {
    return messageOf(error);
  }
}

function daemonStatus(): Promise<DaemonStatus> {
  return createClient({ target: { socketPath: SOCKET } }).daemon.status();
}

function unready({ ready, waiting_for }: DaemonStatus): string | null {
  return ready ? null : `it waits for ${waiting_for}`;
}
