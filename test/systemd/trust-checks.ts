import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Releases, signWithAnotherKey } from './releases.ts';
import { mustBe, mustMatch, type Report } from './report.ts';
import type { Stage } from './stage.ts';

/** A release that records that root ran it. */
const MAKE_EVIL = `
  cp -r /root/unpacked /root/evil
  printf '#!/bin/sh\\necho ran >> /root/executed\\n' > /root/evil/package/bin/fathomd
  tar -C /root/evil -c --use-compress-program='gzip -1' -f /root/evil.tgz package
`;
/** A program of the service account in place of PocketBase. */
const PLANT_EXECUTABLE = `
  runuser -u fathom -- mkdir -p /var/lib/fathom/pocketbase/9.9.9
  printf '#!/bin/sh\\nid -un >> /var/lib/fathom/ran-as\\necho pocketbase version 9.9.9\\n' > /root/planted
  runuser -u fathom -- sh -c 'cat > /var/lib/fathom/pocketbase/9.9.9/pocketbase' < /root/planted
  runuser -u fathom -- chmod 755 /var/lib/fathom/pocketbase/9.9.9/pocketbase
`;

/** What root does not run, follow or install. Expects the service to run, and leaves it so. */
export async function checkTrust(stage: Stage, releases: Releases, report: Report): Promise<void> {
  const { container } = stage;
  const refused = async (args: string): Promise<string> => {
    const { code, text } = await container.try('/bin/sh', ['-c', `fathomd upgrade ${args}`]);
    mustBe(code, 1, `the exit code of upgrade ${args}`);
    mustBe((await container.try('test', ['-e', '/root/executed'])).code, 1, 'whether the tarball was run');
    mustBe(await container.run('readlink', ['/opt/fathom/current']), releases.version, 'the current release');
    return text;
  };

  await report.check('root runs nothing of a tarball without a valid signature', async () => {
    await container.shell(MAKE_EVIL);
    mustMatch(await refused('/root/evil.tgz'), /evil\.tgz\.minisig/, 'the error without a signature');
    await container.shell('cp /root/next.tgz.minisig /root/evil.tgz.minisig');
    mustMatch(await refused('/root/evil.tgz'), /signature/, 'the error with the signature of another file');
    const foreign = await signWithAnotherKey(join(container.root, 'root/evil.tgz'), releases.nextVersion);
    await writeFile(join(container.root, 'root/evil.tgz.minisig'), foreign);
    mustMatch(await refused('/root/evil.tgz'), /not trusted/, 'the error with an unknown key');
    return 'three tarballs rejected';
  });
  await report.check('a signed release that is older is rejected', async () => {
    const text = await refused('/root/old.tgz');
    mustMatch(text, /--allow-downgrade/, 'the error');
    return text;
  });
  await report.check('an upgrade of a node is refused without a cluster', async () => {
    const text = await refused('/root/next.tgz --cluster');
    mustMatch(text, /FATHOM_CLUSTER is not set/, 'the error');
    return text;
  });
  await report.check('root does not run a program of the service account', async () => {
    await container.shell(PLANT_EXECUTABLE);
    await container.shell('fathomd pocketbase list --json > /dev/null; fathomd doctor > /dev/null || true');
    await container.shell(
      'PB_BINARY_PATH=/var/lib/fathom/pocketbase/9.9.9/pocketbase fathomd doctor > /dev/null || true',
    );
    const users = await container.shell('sort -u /var/lib/fathom/ran-as');
    mustBe(users, 'fathom', 'the users that ran it');
    const serve = await container.try('fathomd', ['serve']);
    mustBe(serve.code, 77, 'the exit code of serve as root');
    await container.shell('rm -rf /var/lib/fathom/pocketbase /var/lib/fathom/ran-as');
    return 'only fathom ran it';
  });
  await report.check('root follows no link of the service account', async () => {
    const victim = '/srv/victim';
    const socket = 'runuser -u fathom -- ln -sf /etc/shadow /run/fathom/fathomd.sock';
    mustBe((await container.try('/bin/sh', ['-c', socket])).code, 1, 'the exit code of replacing the socket');
    await container.shell(`mkdir -m 755 ${victim}; echo kept > ${victim}/file`);
    await stage.systemctl('stop', 'fathomd');
    await container.shell(`
      cd /var/lib/fathom
      mkdir /root/before
      mv logs tmp /root/before
      runuser -u fathom -- ln -s ${victim} logs
      runuser -u fathom -- ln -s ${victim} tmp
      runuser -u fathom -- ln -s ${victim} pocketbase
      fathomd doctor --fix > /dev/null 2>&1 || true
      fathomd pocketbase install 9.9.9 --from http://127.0.0.1:1 2> /dev/null || true
      fathomd install > /dev/null 2>&1 || true
      rm logs tmp pocketbase
      mv /root/before/* .
      systemctl start fathomd`);
    mustBe(await container.run('stat', ['-c', '%U %a', victim]), 'root 755', 'owner and mode');
    return `${victim} is unchanged`;
  });
}
