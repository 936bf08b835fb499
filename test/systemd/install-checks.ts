import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKED_POCKETBASE, type Releases } from './releases.ts';
import { mustBe, mustMatch, type Report } from './report.ts';
import type { Stage } from './stage.ts';

const NAMES = 'DNS:api.example.com,DNS:auth.example.com,DNS:*.db.example.com';
const EDGE_TOKEN = '/etc/fathom/credentials/EDGE_TOKEN';
const SITE = '/etc/nginx/conf.d/fathom.conf';
const CERTIFICATE =
  '--certificate /etc/nginx/fathom/fullchain.pem --certificate-key /etc/nginx/fathom/privkey.pem';
const EDGE = `install --edge nginx --domain example.com ${CERTIFICATE}`.split(' ');
/** What an administrator does after the first install, before the first start. */
const PREPARE = `
  mkdir -p /etc/nginx/fathom
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=example.com -addext subjectAltName=${NAMES} \\
    -keyout /etc/nginx/fathom/privkey.pem -out /etc/nginx/fathom/fullchain.pem 2>/dev/null
  rm -f /etc/nginx/sites-enabled/default
  # Hung after 5 s instead of 30: the test waits for it.
  mkdir -p /etc/systemd/system/fathomd.service.d
  printf '[Service]\\nWatchdogSec=5\\n' > /etc/systemd/system/fathomd.service.d/test.conf
  systemctl daemon-reload
  systemctl restart nginx
`;
/** Begins an uninstall, and holds it where the units are gone already and systemd is to take note of that. */
const HOLD_UNINSTALL = `
  printf '#!/bin/sh\\n[ "$1" = daemon-reload ] || exec /usr/bin/systemctl "$@"\\necho $$ > /root/held\\nexec sleep infinity\\n' \\
    > /usr/local/sbin/systemctl
  chmod 755 /usr/local/sbin/systemctl
  setsid fathomd uninstall > /root/said 2>&1 &
  echo $! > /root/uninstall
  for i in $(seq 1200); do [ -s /root/held ] && break; sleep 0.1; done
  rm /usr/local/sbin/systemctl
`;
const KILL_UNINSTALL = 'kill -9 $(cat /root/uninstall /root/held)';
const STATE =
  'cd / && find /opt/fathom /usr/local /etc/fathom -not -path "*/node_modules/*" -not -path /opt/fathom -not -path /opt/fathom/current | sort | xargs -d "\\n" stat -c "%n %a %u %g %Y"';

export async function checkInstall({ container }: Stage, releases: Releases, report: Report): Promise<void> {
  const systemctl = (...args: string[]) => container.run('systemctl', args);
  await copyFile(releases.tarball, join(container.root, 'root/fathom.tgz'));
  for (const name of ['next', 'broken', 'fragile', 'old'] as const) {
    for (const suffix of ['', '.minisig']) {
      await copyFile(`${releases[name]}${suffix}`, join(container.root, `root/${name}.tgz${suffix}`));
    }
  }

  let said = '';
  await report.check('install from the tarball', async () => {
    await container.shell('mkdir /root/unpacked && tar -xzf /root/fathom.tgz -C /root/unpacked');
    said = await container.run('/root/unpacked/package/bin/fathom', ['install']);
    const size = await container.shell('du -sm /opt/fathom | cut -f1');
    mustBe(
      (await container.try('find', ['/opt/fathom', '-name', '*.h'])).text,
      '',
      'headers that are not used',
    );
    mustBe(await container.run('readlink', ['/opt/fathom/current']), releases.version, 'the current release');
    mustBe(await container.run('fathomd', ['--version']), releases.version, 'the version of the command');
    return `version ${releases.version}, ${size} MB on disk`;
  });
  await report.check(
    'the recommended PocketBase is installed where a source has it, and nothing runs it',
    async () => {
      const list = JSON.parse(await container.run('fathomd', ['pocketbase', 'list', '--json'])) as {
        version: string;
        source: string;
        path: string;
        chosen: boolean;
        problem: string | null;
      }[];
      const installed = list.filter(({ source }) => source === 'installed');
      if (!releases.hasPocketBase) {
        mustBe(installed, [], 'the installed releases of PocketBase');
        mustMatch(said, /recommended PocketBase is not installed: .*github/, 'the output of install');
        return 'no source, and install says so';
      }
      mustMatch(said, new RegExp(`installed PocketBase ${PACKED_POCKETBASE}`), 'the output of install');
      mustBe(
        installed.map(({ version, chosen, problem }) => ({ version, chosen, problem })),
        [{ version: PACKED_POCKETBASE, chosen: false, problem: null }],
        'the installed releases of PocketBase',
      );
      mustBe(
        await container.run('stat', ['-c', '%a %U', installed[0]?.path ?? '']),
        '700 fathom',
        'mode and owner of the executable',
      );
      return `${PACKED_POCKETBASE} from the package`;
    },
  );
  await report.check('install again changes nothing', async () => {
    const before = await container.shell(STATE);
    await container.run('/root/unpacked/package/bin/fathom', ['install']);
    mustBe(await container.shell(STATE), before, 'the installed files');
    return `${before.split('\n').length} files as before`;
  });
  await report.check('settings and secrets are for those alone whom they concern', async () => {
    const modes = await container.shell(
      'stat -c "%a %U:%G %n" /etc/fathom /etc/fathom/fathom.env /etc/fathom/credentials /etc/fathom/credentials/* /run/fathom /var/lib/fathom',
    );
    mustBe(
      modes.split('\n'),
      [
        '750 root:fathom /etc/fathom',
        '640 root:fathom /etc/fathom/fathom.env',
        '700 root:root /etc/fathom/credentials',
        ...['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ADMIN_PASSWORD', 'PB_ENCRYPTION_KEY'].map(
          (name) => `600 root:root /etc/fathom/credentials/${name}`,
        ),
        '750 root:fathom /run/fathom',
        '700 fathom:fathom /var/lib/fathom',
      ],
      'modes',
    );
    return '4 credentials, mode 600, root';
  });
  await report.check('install --edge refuses what it did not write, and what it cannot use', async () => {
    await container.shell(`echo '# own' > ${SITE}`);
    const foreign = await container.try('fathomd', EDGE);
    mustBe([foreign.code, await container.shell(`cat ${SITE}`)], [1, '# own'], 'a foreign file');
    await container.shell(`rm ${SITE}`);
    const before = await container.shell('cat /etc/fathom/fathom.env');
    const absent = await container.try('fathomd', EDGE);
    mustBe(absent.code, 1, 'the exit code without a certificate');
    mustBe(await container.shell('cat /etc/fathom/fathom.env'), before, 'the settings');
    mustBe((await container.try('fathomd', ['install', '--edge', 'nginx'])).code, 2, 'without a domain');
    return absent.text.trim();
  });
  await report.check('systemctl start fathomd', async () => {
    await container.run('mkdir', ['-m', '755', '/etc/fathom/release-keys']);
    await writeFile(join(container.root, 'etc/fathom/release-keys/test.pub'), releases.publicKey);
    await container.shell(PREPARE);
    await container.run('fathomd', EDGE);
    const start = performance.now();
    await systemctl('start', 'fathomd');
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    // It is ready when it says so: nothing is waited for here.
    const status = JSON.parse(await container.run('fathomd', ['status', '--json'])) as { ready: boolean };
    mustBe(status.ready, true, 'ready');
    return `ready after ${seconds} s, "${await systemctl('show', '-P', 'StatusText', 'fathomd')}"`;
  });
}

export async function checkUninstall(stage: Stage, releases: Releases, report: Report): Promise<void> {
  const { container } = stage;
  const there = (path: string) => container.try('test', ['-e', path]).then(({ code }) => code === 0);
  const left = async (paths: readonly string[]) => {
    const found = await Promise.all(paths.map(there));
    return paths.filter((_, index) => found[index]);
  };
  const PROGRAM = [
    '/opt/fathom',
    '/usr/local/bin/fathomd',
    '/usr/local/share/man/man8/fathomd.8',
    '/usr/local/share/man/man1/fathom-tui.1',
    '/usr/local/lib/systemd/system/fathomd.service',
    '/run/fathom',
  ];
  const DATA = [
    '/var/lib/fathom/global/pb_data/data.db',
    '/etc/fathom/fathom.env',
    '/etc/fathom/credentials/AES_MASTER_KEY',
  ];

  await report.check('uninstall leaves the data, and a new install finds it', async () => {
    await stage.systemctl('start', 'fathomd');
    await container.run('fathomd', ['uninstall']);
    mustBe(
      await left([...PROGRAM, ...DATA, SITE, EDGE_TOKEN, '/var/cache/fathom-edge']),
      DATA,
      'what is left',
    );
    mustBe(
      (await container.try('grep', ['-q', '^TRUSTED_PROXIES', '/etc/fathom/fathom.env'])).code,
      1,
      'proxies',
    );
    mustBe((await stage.processes()).users, [], 'instances that run');
    await container.run('/root/unpacked/package/bin/fathom', ['install']);
    await stage.systemctl('start', 'fathomd');
    const list = await container.run('fathomd', ['databases', 'list', '--json']);
    mustMatch(list, /johndoe/, 'the list of databases');
    return `${DATA.length} of ${DATA.length} kept, version ${releases.version} runs on them`;
  });
  await report.check(
    'one command at a time; an uninstall that is killed can be finished, or taken back',
    async () => {
      const data = () =>
        container.shell(
          'cd / && find /var/lib/fathom /etc/fathom -type f -not -name "*-shm" -not -name "*-wal" | sort',
        );
      await container.shell(HOLD_UNINSTALL);
      const before = await data();
      const again = '/root/unpacked/package/bin/fathom';
      const refused = await container.try(again, ['install']);
      mustBe(refused.code, 1, 'the exit code of a second command');
      const holder = await container.shell('cat /root/uninstall');
      mustMatch(refused.text, new RegExp(`fathomd uninstall .*${holder}`), 'the error');

      await container.shell(KILL_UNINSTALL);
      mustMatch((await container.doctorTroubles()).join(), /\brelease\b/, 'the findings of the doctor');
      const change = await container.try('fathomd', ['upgrade', '/root/next.tgz']);
      mustMatch(change.text, /'fathomd install'/, 'what upgrade says');
      await container.run('fathomd', ['install']);
      mustBe(await left(PROGRAM), PROGRAM, 'what is there');
      mustBe(await data(), before, 'the data');
      await stage.systemctl('start', 'fathomd');
      return refused.text;
    },
  );
  await report.check('a purge that fails half-way leaves no half of the data to go on with', async () => {
    const kept = '/var/lib/fathom/global/pb_data/data.db';
    await container.shell(`mount --bind ${kept} ${kept}`);
    const failed = await container.try('fathomd', ['uninstall', '--purge'], 'delete all databases\n');
    mustMatch(failed.text, /busy/i, 'why it fails');
    await container.shell(`umount ${kept}`);
    mustBe(await left([kept, '/var/lib/fathom/user_dbs']), [kept], 'what is left');
    const refused = await container.try('fathomd', ['install']);
    mustMatch(refused.text, /'fathomd uninstall --purge'/, 'what install says');
    const done = await container.try('fathomd', ['uninstall', '--purge'], 'delete all databases\n');
    mustBe(done.code, 0, 'the exit code');
    mustBe(await left([...PROGRAM, '/etc/fathom', '/var/lib/fathom']), [], 'what is left');
    await container.run('/root/unpacked/package/bin/fathom', ['install']);
    await stage.systemctl('start', 'fathomd');
    return refused.text;
  });
  await report.check('uninstall --purge wants it typed, and then removes everything', async () => {
    const refused = await container.try('fathomd', ['uninstall', '--purge'], 'yes\n');
    mustBe(refused.code, 2, 'the exit code');
    mustBe(await stage.property('ActiveState'), 'active', 'the service');
    // A link in place of a directory: its target is kept.
    await stage.systemctl('stop', 'fathomd');
    await container.shell(
      'mkdir -p /srv/kept; touch /srv/kept/file; mv /var/lib/fathom/user_dbs /var/lib/fathom/old; ln -s /srv/kept /var/lib/fathom/user_dbs',
    );
    const done = await container.try('fathomd', ['uninstall', '--purge'], 'delete all databases\n');
    mustBe(done.code, 0, 'the exit code');
    mustBe(await there('/srv/kept/file'), true, 'the target of a link');
    mustBe(await left([...PROGRAM, ...DATA, '/etc/fathom', '/var/lib/fathom']), [], 'what is left');
    mustBe((await container.try('id', ['fathom'])).code, 1, 'the account');
    return 'nothing is left';
  });
}
