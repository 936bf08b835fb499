import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { removeEdge } from './edge/install-edge.ts';
import { isLoaded, run } from './host.ts';
import {
  ACCOUNT,
  COMMAND_FILES,
  CURRENT,
  DATA,
  DROP_INS,
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
import { removeLink } from './release/links.ts';
import { removeUnusedReleases } from './release/release.ts';
import { removeTree } from './remove-tree.ts';
import { readUninstallMark, UNINSTALL_REMEDIES, writeUninstallMark } from './uninstall-mark.ts';
import type { InstallContext } from './verify-release.ts';

/** The text that an administrator types to confirm a purge. */
export const CONFIRMATION = 'delete all databases';

/**
 * Stops the fleet and removes the program. With `purge`, also removes the data, the settings, the secrets and the account.
 * After an interruption, the next uninstall continues: missing files are not an error.
 */
export async function uninstall(
  { purge }: { purge: boolean },
  { print, interrupted }: InstallContext,
): Promise<void> {
  const throwIfInterrupted = async (): Promise<void> => {
    if (!interrupted.aborted) return;
    const scope = (await readUninstallMark()) ?? 'program';
    throw new FathomError('conflict', `interrupted; ${UNINSTALL_REMEDIES[scope]}`);
  };
  if ((await readUninstallMark()) === null) await writeUninstallMark('program');
  await stopServices();
  await throwIfInterrupted();
  for (const path of UNIT_FILES) await rm(path, { force: true });
  // It stays when an administrator has put files into it.
  await rmdir(DROP_INS).catch(() => {});
  await run('systemctl', ['daemon-reload']);
  await removeTree('/run/fathom', { signal: interrupted });
  if (await removeEdge()) print('removed the site of the reverse proxy');
  if (purge) {
    await throwIfInterrupted();
    await writeUninstallMark('data');
    // The secrets last: without them, the rest of the data cannot be decrypted.
    try {
      await removeTree(DATA, { first: ['user_dbs'], signal: interrupted });
      await removeTree(SETTINGS, { signal: interrupted });
    } catch (error) {
      await throwIfInterrupted();
      throw removalError(error);
    }
    if (await accountExists()) await run('userdel', [ACCOUNT]);
  }
  await throwIfInterrupted();
  // Last, because a repeated uninstall needs the commands and the release that this program runs from.
  for (const path of COMMAND_FILES) await rm(path, { force: true });
  for (const link of [FALLBACK, PREVIOUS, CURRENT] as const) await removeLink(link);
  await removeUnusedReleases();
  await rm(RELEASES, { recursive: true, force: true });
  print(
    purge
      ? `removed Fathom, ${DATA}, ${SETTINGS} and the account ${ACCOUNT}; data in other directories (PB_USER_DBS_PATH) is kept`
      : `removed Fathom; kept ${DATA}, ${SETTINGS} and the account ${ACCOUNT} ('--purge' removes them)`,
  );
}

async function stopServices(): Promise<void> {
  const loaded: string[] = [];
  for (const unit of [SERVICE, SOCKET_UNIT]) if (await isLoaded(unit)) loaded.push(unit);
  await run('systemctl', ['stop', WORKERS, ...loaded]);
  // Instances whose daemon did not run, so that it could not stop them.
  await run('systemctl', ['kill', '--kill-whom=all', SERVICE]).catch(() => '');
  // In the order in which the unit files are removed. An interrupted uninstall may have removed some of them.
  for (const unit of [SERVICE, SOCKET_UNIT, WORKER_UNIT]) {
    if (await exists(join(UNIT_DIRECTORY, unit))) await run('systemctl', ['disable', unit]);
  }
}

function removalError(error: unknown): FathomError {
  const message = messageOf(error);
  const remedy = /busy/i.test(message) ? '; unmount the file system that is mounted there' : '';
  return new FathomError('conflict', `${message}${remedy}; ${UNINSTALL_REMEDIES.data}`, { cause: error });
}

async function accountExists(): Promise<boolean> {
  return run('id', ['--user', ACCOUNT]).then(
    () => true,
    () => false,
  );
}
