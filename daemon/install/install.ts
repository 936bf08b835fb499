import { FathomError } from '../../shared/errors.ts';
import { settle } from './change.ts';
import { checkHost, isCheckout, isWanted, run, writeSystemFiles } from './host.ts';
import { CREDENTIALS, CURRENT, ENV_FILE, isRelease, RELEASES, SERVICE, SOCKET_UNIT } from './layout.ts';
import { linked, pointTo } from './links.ts';
import { copyOf, prune } from './release.ts';
import { writeSettings } from './settings.ts';
import type { Trial } from './trial.ts';

export interface InstallContext extends Trial {
  uid: number;
}

/** Makes the package that this runs from the installed Fathom. Done again, it mends what is missing. */
export async function install(root: string, context: InstallContext): Promise<void> {
  const { uid, say, interrupted } = context;
  await checkHost(uid);
  if (await isCheckout(root)) {
    throw new FathomError(
      'conflict',
      "this is a checkout; run 'npm pack', unpack the tarball, and run bin/fathom install in there",
    );
  }
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
  await prune();
  for (const path of written) say(`wrote ${path}`);
  if (before && !changed && written.length === 0)
    say(`Fathom ${release.version} is installed already; nothing had to be changed`);
  else say(`installed Fathom ${release.version} in ${RELEASES}/${release.name}`);
  if (await isWanted(SERVICE)) return;
  say(`next: look at ${ENV_FILE}, then 'systemctl start fathomd', then 'fathomd status'`);
  say(
    `the first administrator's password is in ${CREDENTIALS}/PB_ADMIN_PASSWORD; keep a copy of ${CREDENTIALS} in a safe place`,
  );
}
