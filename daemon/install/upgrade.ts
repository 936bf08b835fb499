import { FathomClient } from '../../shared/client/fathom-client.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { DaemonStatus } from '../../shared/status.ts';
import { systemClock } from '../base/clock.ts';
import { checkHost, isActive, lastWords, run, writeSystemFiles } from './host.ts';
import type { InstallContext } from './install.ts';
import { CURRENT, PREVIOUS, SERVICE, SOCKET, WORKERS } from './layout.ts';
import { linked, pointTo, prune, type Release, unpack } from './release.ts';

/** More than TimeoutStopSec and TimeoutStartSec of the unit together. */
const RESTART_TIMEOUT_MS = 300_000;
/** How long a new release is watched once it is ready, and how often it is looked at. */
const PROBATION_MS = 20_000;
const LOOK_EVERY_MS = 1_000;

/** @returns whether the new release runs; when not, the old one does again */
export async function upgrade(tarball: string, context: InstallContext): Promise<boolean> {
  await checkHost(context.uid);
  await installed();
  return switchTo(await unpack(tarball), context);
}

/** Back to the release before. */
export async function rollBack(context: InstallContext): Promise<boolean> {
  await checkHost(context.uid);
  await installed();
  const previous = await linked(PREVIOUS);
  if (!previous)
    throw new FathomError('conflict', 'there is no earlier release; name a tarball to upgrade to');
  return switchTo(previous, context);
}

async function installed(): Promise<Release> {
  const release = await linked(CURRENT);
  if (!release) throw new FathomError('conflict', "Fathom is not installed here; see 'fathom install'");
  return release;
}

async function switchTo(next: Release, { say }: InstallContext): Promise<boolean> {
  const before = await installed();
  if (next.name === before.name) {
    say(`${next.name} is what is installed already; nothing was done`);
    return true;
  }
  const runs = await isActive(SERVICE);
  await activate(next);
  if (runs) {
    say(`restarting the daemon as ${next.name}; the instances go on`);
    let problem = await restart(next);
    if (problem !== null) say(`${next.name} does not become ready: ${problem}`);
    else {
      say(`it is ready, and watched for ${PROBATION_MS / 1000} seconds`);
      problem = await probation();
      if (problem !== null) say(`${next.name} does not last: ${problem}`);
    }
    if (problem !== null) {
      for (const line of await lastWords()) say(`  ${line}`);
      await activate(before);
      const worse = await restart(before);
      await prune();
      say(
        worse === null
          ? `${before.name} runs again`
          : `${before.name} does not run again: ${worse}; look at 'journalctl -u fathomd'`,
      );
      return false;
    }
    await run('systemctl', ['try-restart', WORKERS]);
  }
  await pointTo(PREVIOUS, before);
  await prune();
  say(
    runs
      ? `${next.name} runs; 'fathomd rollback' goes back to ${before.name}`
      : `${next.name} is installed; the service does not run, start it with 'systemctl start fathomd'`,
  );
  return true;
}

async function activate(release: Release): Promise<void> {
  await pointTo(CURRENT, release);
  await writeSystemFiles();
}

/** Null when that very release is ready, else why not. */
async function restart({ version }: Release): Promise<string | null> {
  try {
    await run('systemctl', ['reset-failed', SERVICE]).catch(() => '');
    await run('systemctl', ['restart', SERVICE], RESTART_TIMEOUT_MS);
    const status = await daemonStatus();
    return status.version === version ? unready(status) : `version ${status.version} answers`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Null when the daemon that is ready goes on being so, else why not: what ends soon afterwards is no release to stay with. */
async function probation(): Promise<string | null> {
  try {
    let status = await daemonStatus();
    const { pid } = status;
    for (let waited = 0; waited < PROBATION_MS; waited += LOOK_EVERY_MS) {
      await systemClock.sleep(LOOK_EVERY_MS);
      status = await daemonStatus();
      if (status.pid !== pid) return 'it ended soon after it was ready';
    }
    return unready(status);
  } catch (error) {
    return messageOf(error);
  }
}

function daemonStatus(): Promise<DaemonStatus> {
  return new FathomClient({ target: { socketPath: SOCKET } }).status();
}

function unready({ ready, waiting_for }: DaemonStatus): string | null {
  return ready ? null : `it waits for ${waiting_for}`;
}
