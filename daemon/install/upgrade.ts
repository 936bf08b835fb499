import { FathomClient } from '../../shared/client/fathom-client.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { checkHost, isActive, lastWords, run, writeSystemFiles } from './host.ts';
import type { InstallContext } from './install.ts';
import { CURRENT, PREVIOUS, SERVICE, SOCKET, WORKERS } from './layout.ts';
import { linked, pointTo, prune, type Release, unpack } from './release.ts';

/** More than TimeoutStopSec and TimeoutStartSec of the unit together. */
const RESTART_TIMEOUT_MS = 300_000;

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
    const problem = await restart(next);
    if (problem !== null) {
      say(`${next.name} does not become ready: ${problem}`);
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
    const status = await new FathomClient({ target: { socketPath: SOCKET } }).status();
    if (status.version !== version) return `version ${status.version} answers`;
    return status.ready ? null : `it waits for ${status.waiting_for}`;
  } catch (error) {
    return messageOf(error);
  }
}
