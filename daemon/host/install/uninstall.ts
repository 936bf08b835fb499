import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { isLoaded, run } from './host.ts';
import {
  ACCOUNT,
  COMMAND_FILES,
  CURRENT,
  DATA,
  FALLBACK,
  PREVIOUS,
  RELEASES,
  SERVICE,
  SETTINGS,
  SOCKET_UNIT,
  UNIT_DIRECTORY,
  UNIT_FILES,
  WORKER_UNIT,
  WORKERS,
} from './release/layout.ts';
import { unlink } from './release/links.ts';
import { prune } from './release/release.ts';
import type { Trial } from './trial.ts';
import { markUninstalling, uninstalling, WAYS_ON } from './uninstalling.ts';

/** What has to be typed before everything is deleted. */
export const CONFIRMATION = 'delete all databases';

/**
 * Stops the fleet and removes the program; with `purge` also the data, settings, secrets and the account. After an
 * interruption, the next uninstall continues: files that are gone already are not an error.
 */
export async function uninstall({ purge }: { purge: boolean }, { say, interrupted }: Trial): Promise<void> {
  const unlessInterrupted = async (): Promise<void> => {
    if (!interrupted.aborted) return;
    throw new FathomError('conflict', `interrupted; ${WAYS_ON[(await uninstalling()) ?? 'program']}`);
  };
  if ((await uninstalling()) === null) await markUninstalling('program');
  await stopServices();
  await unlessInterrupted();
  for (const path of UNIT_FILES) await rm(path, { force: true });
  await run('systemctl', ['daemon-reload']);
  await rm('/run/fathom', { recursive: true, force: true });
  if (purge) {
    await unlessInterrupted();
    await markUninstalling('data');
    // The secrets last: without them what is left of the data is worth nothing.
    for (const path of [join(DATA, 'user_dbs'), DATA, SETTINGS]) await removeAll(path, unlessInterrupted);
    if (await accountExists()) await run('userdel', [ACCOUNT]);
  }
  await unlessInterrupted();
  // Last, and from here on to the end: what runs here lies in there, and the commands are what an uninstall is repeated with.
  for (const path of COMMAND_FILES) await rm(path, { force: true });
  for (const link of [FALLBACK, PREVIOUS, CURRENT] as const) await unlink(link);
  await prune();
  await rm(RELEASES, { recursive: true, force: true });
  say(
    purge
      ? `Fathom is gone, with ${DATA}, ${SETTINGS} and the account ${ACCOUNT}; data that a setting kept elsewhere (PB_USER_DBS_PATH) is left`
      : `Fathom is gone; ${DATA}, ${SETTINGS} and the account ${ACCOUNT} are left ('--purge' removes them)`,
  );
}

async function stopServices(): Promise<void> {
  const loaded: string[] = [];
  for (const unit of [SERVICE, SOCKET_UNIT]) if (await isLoaded(unit)) loaded.push(unit);
  await run('systemctl', ['stop', WORKERS, ...loaded]);
  // Left by a daemon that could not stop its fleet, because it did not run any more.
  await run('systemctl', ['kill', '--kill-whom=all', SERVICE]).catch(() => '');
  // In the order in which their files go, of which an earlier uninstall may have removed some.
  for (const unit of [SERVICE, SOCKET_UNIT, WORKER_UNIT]) {
    if (await exists(join(UNIT_DIRECTORY, unit))) await run('systemctl', ['disable', unit]);
  }
}

/** One after the other, so that Ctrl-C ends it soon. */
async function removeAll(directory: string, unlessInterrupted: () => Promise<void>): Promise<void> {
  try {
    for (const name of (await exists(directory)) ? await readdir(directory) : []) {
      await unlessInterrupted();
      await rm(join(directory, name), { recursive: true, force: true });
    }
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    if (error instanceof FathomError) throw error;
    const why = `${messageOf(error)}${(error as NodeJS.ErrnoException).code === 'EBUSY' ? '; unmount what is mounted there' : ''}`;
    throw new FathomError('conflict', `${why}; ${WAYS_ON.data}`, { cause: error });
  }
}

async function accountExists(): Promise<boolean> {
  return run('id', ['--user', ACCOUNT]).then(
    () => true,
    () => false,
  );
}
