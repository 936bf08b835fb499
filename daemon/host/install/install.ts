import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { settle } from './change.ts';
import { isCheckout, isWanted, run, writeSystemFiles } from './host.ts';
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
import { linked, pointTo, unlink } from './release/links.ts';
import { copyOf, prune } from './release/release.ts';
import { writeSettings } from './release/settings.ts';
import type { Trial } from './trial.ts';
import { halfUninstalled, uninstalling } from './uninstalling.ts';

/** Installs the package that this program runs from. Another run restores what is missing. */
export async function install(root: string, context: Trial): Promise<void> {
  const { say, interrupted } = context;
  if (await isCheckout(root)) {
    throw new FathomError(
      'conflict',
      "this is a checkout; run 'npm pack', unpack the tarball, and run bin/fathom install in there",
    );
  }
  const left = await uninstalling();
  if (left === 'data') throw halfUninstalled(left);
  await settle('forward', context);
  const before = await linked(CURRENT);
  const release = isRelease(root) && before ? before : await copyOf(root, interrupted);
  if (interrupted.aborted) throw new FathomError('conflict', "interrupted; run 'install' again");
  if (before && before.name !== release.name) {
    throw new FathomError(
      'conflict',
      `${before.name} is installed; go to ${release.name} with 'fathomd upgrade <tarball>'`,
    );
  }
  await pointTo(CURRENT, release);
  const changed = await writeSystemFiles();
  const written = await writeSettings();
  await run('systemctl', ['enable', SERVICE, SOCKET_UNIT]);
  await unlink(UNINSTALLING);
  await prune();
  if (left !== null) say('an uninstall was interrupted; the program is put back');
  for (const path of written) say(`wrote ${path}`);
  if (await npmHasCommands(root)) {
    say(
      `npm counts ${COMMAND_FILES.join(' and ')} among its own: give '${CURRENT}/bin/fathomd install' after 'npm uninstall -g fathom'`,
    );
  }
  if (before && left === null && !changed && written.length === 0)
    say(`Fathom ${release.version} is installed already; nothing had to be changed`);
  else say(`installed Fathom ${release.version} in ${RELEASES}/${release.name}`);
  if (await isWanted(SERVICE)) return;
  say(`next: look at ${ENV_FILE}, then 'systemctl start fathomd', then 'fathomd status'`);
  say(
    `the first administrator's password is in ${CREDENTIALS}/PB_ADMIN_PASSWORD; keep a copy of ${CREDENTIALS} in a safe place`,
  );
}

/** `npm install -g` with Debian's prefix puts its links where the commands belong, and removes by their names what lies there. */
async function npmHasCommands(root: string): Promise<boolean> {
  return (await realpath('/usr/local/bin/fathom').catch(() => null)) === join(root, 'bin', 'fathom');
}
