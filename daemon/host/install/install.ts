import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { resolveInterruptedChange } from './change-release.ts';
import { getPocketBase } from './get-pocketbase.ts';
import { isCheckout, run, shouldRun, writeSystemFiles } from './host.ts';
import {
  COMMAND_FILES,
  CREDENTIALS,
  CURRENT,
  ENV_FILE,
  isRelease,
  RELEASES,
  SERVICE,
  SOCKET_UNIT,
  UNINSTALLING,
} from './release/layout.ts';
import { readLink, removeLink, setLink } from './release/links.ts';
import { copyRelease, removeUnusedReleases } from './release/release.ts';
import { writeSettings } from './release/settings.ts';
import { interruptedUninstallError, readUninstallMark } from './uninstall-mark.ts';
import type { InstallContext } from './verify-release.ts';

/** Installs the package that this program is part of. A second run restores what is missing. */
export async function install(root: string, context: InstallContext): Promise<void> {
  const { print, interrupted } = context;
  if (await isCheckout(root)) {
    throw new FathomError(
      'conflict',
      "this is a git checkout; run 'npm pack', unpack the tarball, then run bin/fathom install in the unpacked directory",
    );
  }
  const uninstallScope = await readUninstallMark();
  if (uninstallScope === 'data') throw interruptedUninstallError(uninstallScope);
  await resolveInterruptedChange('forward', context);
  const before = await readLink(CURRENT);
  const release = isRelease(root) && before ? before : await copyRelease(root, interrupted);
  if (interrupted.aborted) throw new FathomError('conflict', "interrupted; run 'install' again");
  if (before && before.name !== release.name) {
    throw new FathomError(
      'conflict',
      `release ${before.name} is installed; run 'fathomd upgrade TARBALL' to change to ${release.name}`,
    );
  }
  await setLink(CURRENT, release);
  const changed = await writeSystemFiles();
  const written = await writeSettings();
  await run('systemctl', ['enable', SERVICE, SOCKET_UNIT]);
  await removeLink(UNINSTALLING);
  await removeUnusedReleases();
  if (uninstallScope !== null) print('an uninstall was interrupted; the program is restored');
  for (const path of written) print(`wrote ${path}`);
  if (await isInstalledByNpm(root)) {
    print(
      `npm also owns ${COMMAND_FILES.join(' and ')}: after 'npm uninstall -g fathom', run '${CURRENT}/bin/fathomd install'`,
    );
  }
  if (before && uninstallScope === null && !changed && written.length === 0)
    print(`Fathom ${release.version} is already installed; nothing was changed`);
  else print(`installed Fathom ${release.version} in ${RELEASES}/${release.name}`);
  await getPocketBase(context);
  if (await shouldRun(SERVICE)) return;
  print(`next: check ${ENV_FILE}, then run 'systemctl start fathomd', then 'fathomd status'`);
  print(
    `the password of the first administrator is in ${CREDENTIALS}/PB_ADMIN_PASSWORD; keep a copy of ${CREDENTIALS} in a safe place`,
  );
}

/**
 * Whether `npm install -g` made the commands. With Debian's prefix, npm puts its links into the same directory, and
 * `npm uninstall` removes files by name.
 */
async function isInstalledByNpm(root: string): Promise<boolean> {
  return (await realpath('/usr/local/bin/fathom').catch(() => null)) === join(root, 'bin', 'fathom');
}
