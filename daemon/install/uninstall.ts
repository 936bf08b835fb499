import { rm } from 'node:fs/promises';
import { checkHost, run } from './host.ts';
import type { InstallContext } from './install.ts';
import { ACCOUNT, DATA, RELEASES, SERVICE, SETTINGS, SOCKET_UNIT, SYSTEM_FILES, WORKERS } from './layout.ts';

/** What has to be typed before everything is deleted. */
export const CONFIRMATION = 'delete all databases';

/** Stops the fleet and removes the program; with `purge` the data, settings, secrets and the account as well. */
export async function uninstall(
  { purge }: { purge: boolean },
  { uid, say }: Pick<InstallContext, 'uid' | 'say'>,
): Promise<void> {
  await checkHost(uid);
  await run('systemctl', ['stop', WORKERS, SERVICE, SOCKET_UNIT]);
  // Left by a daemon that could not stop its fleet, because it did not run any more.
  await run('systemctl', ['kill', '--kill-whom=all', SERVICE]).catch(() => '');
  await run('systemctl', ['disable', SERVICE, SOCKET_UNIT]);
  for (const { to } of SYSTEM_FILES) await rm(to, { force: true });
  await run('systemctl', ['daemon-reload']);
  await rm('/run/fathom', { recursive: true, force: true });
  if (purge) {
    for (const path of [DATA, SETTINGS]) await rm(path, { recursive: true, force: true });
    await run('userdel', [ACCOUNT]);
  }
  // Last: what runs here lies in there.
  await rm(RELEASES, { recursive: true, force: true });
  say(
    purge
      ? 'Fathom and all its data are gone'
      : `Fathom is gone; ${DATA}, ${SETTINGS} and the account ${ACCOUNT} are left ('--purge' removes them)`,
  );
}
