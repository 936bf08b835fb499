import { until } from '../helpers/until.ts';
import type { Releases } from './releases.ts';
import { mustBe, mustMatch, type Report } from './report.ts';
import type { Processes, Stage } from './stage.ts';

const API = 'https://api.example.com';
const EXPOSURE_AT_MOST = 2;

interface Session {
  token: string;
  database: { url: string; token: string };
}

export async function checkService(stage: Stage, releases: Releases, report: Report): Promise<void> {
  const { container } = stage;
  let session: Session = { token: '', database: { url: '', token: '' } };
  const records = () => `${session.database.url}/api/collections/documents/records`;

  await report.check('systemd-analyze security', async () => {
    const scores = await Promise.all(
      ['fathomd.service', 'fathom-worker@1.service'].map(async (unit) => {
        const said = await container.run('systemd-analyze', ['security', '--no-pager', unit]);
        return Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1] ?? 10);
      }),
    );
    for (const score of scores)
      if (score > EXPOSURE_AT_MOST) throw new Error(`${score} is more than ${EXPOSURE_AT_MOST}`);
    return `fathomd ${scores[0]}, fathom-worker ${scores[1]}`;
  });
  await report.check('sign-up through nginx, a record and the stream as well', async () => {
    const body = { email: 'johndoe@example.com', password: 'correct-horse-battery' };
    const answer = await stage.call('POST', `${API}/api/v1/auth/register`, body);
    mustBe(answer.status, 201, 'the status');
    session = JSON.parse(answer.body) as Session;
    mustMatch(session.database.url, /^https:\/\/[\d-]+johndoe\.db\.example\.com$/, 'the URL');
    mustBe(
      (await stage.call('POST', records(), { title: 'first' }, session.database.token)).status,
      200,
      'the record',
    );
    mustMatch(
      await stage.connect(`${API}/ws`, `Bearer ${session.token}`),
      /"pong"/,
      'the answer of the stream',
    );
    return session.database.url;
  });
  await report.check('nginx closes the dashboard and the routes of superusers', async () => {
    const closed = [
      '_/',
      'api/settings',
      'api/SETTINGS',
      'api/%73ettings',
      'api/backups',
      'api/logs',
      'api/crons',
    ];
    const superusers = ['_superusers', '_SUPERUSERS', 'pbc_3142635823'];
    const paths = [
      ...closed,
      ...superusers.map((name) => `api/collections/${name}/auth-methods`),
      'api//settings',
    ];
    for (const origin of ['https://auth.example.com', session.database.url]) {
      for (const path of paths) {
        const { status } = await stage.call('GET', `${origin}/${path}`);
        mustBe(status, 404, `the status of ${origin}/${path}`);
      }
      const open = await stage.call('GET', `${origin}/api/collections/users/auth-methods`);
      mustBe(open.status, 200, `the status of sign-in methods at ${origin}`);
    }
    return `${paths.length} paths`;
  });
  await report.check(
    'a database sleeps; a request through nginx wakes it, also without a daemon',
    async () => {
      const name = new URL(session.database.url).hostname.split('.')[0] ?? '';
      const list = async () => {
        const { status } = await stage.call('GET', records(), null, session.database.token);
        mustBe(status, 200, 'the status');
      };
      // The proxy keeps its connection for a while.
      let answer = '';
      const isAsleep = async () => {
        const { code, text } = await container.try('fathomd', ['databases', 'sleep', name]);
        answer = text;
        return code === 0;
      };
      const sleep = async () => {
        await until(isAsleep, { what: () => `it to sleep: ${answer}`, timeoutMs: 120_000 });
        mustBe((await stage.processes()).users, [], 'the instances');
      };
      await sleep();
      await list();
      await sleep();
      const before = await stage.property('MainPID');
      await container.shell(`kill -9 ${before}`);
      await list();
      const seconds = await stage.untilReplaced(before, 60_000);
      await list();
      return `the daemon was away for ${seconds.toFixed(1)} s`;
    },
  );
  await report.check('no secret in the environment or the arguments of a process', async () => {
    // The global PocketBase is given the administrator's password to set; only the account itself can see it there.
    const found = await container.shell(`
      for file in /etc/fathom/credentials/*; do
        [ "$file" = /etc/fathom/credentials/PB_ADMIN_PASSWORD ] && places=cmdline || places="environ cmdline"
        for place in $places; do
          grep -lF -- "$(cat $file)" /proc/[0-9]*/$place 2>/dev/null || true
        done
      done
      daemon=$(systemctl show -P MainPID fathomd)
      grep -qF -- "$(cat /etc/fathom/credentials/PB_ADMIN_PASSWORD)" /proc/$daemon/environ && echo daemon || true`);
    mustBe(found, '', 'where secrets were found');
    return 'none in any process of the host';
  });
  await report.check('a worker of its own', async () => {
    await stage.systemctl('start', 'fathom-worker@1');
    const said = 'journalctl -u fathom-worker@1 -o cat | grep "^worker .* is up"';
    const up = await container.shell(`for i in $(seq 300); do ${said} && exit 0; sleep 0.1; done; exit 1`);
    await stage.systemctl('stop', 'fathom-worker@1');
    mustBe(await stage.systemctl('show', '-P', 'Result', 'fathom-worker@1'), 'success', 'the result');
    return up;
  });
  await checkUnderLoad(
    stage,
    () => ({ records: records(), token: session.database.token }),
    releases,
    report,
  );
  await report.check('systemctl stop ends the fleet in order, and nothing starts it again', async () => {
    const { users, global } = await stage.processes();
    const start = performance.now();
    await stage.systemctl('stop', 'fathomd');
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    mustBe(await stage.property('Result'), 'success', 'the result');
    const after = await stage.processes();
    mustBe([after.global, after.users], ['', []], 'instances that run');
    mustBe((await container.try('fathomd', ['status'])).code, 69, 'the exit code of a command');
    mustBe(await stage.property('ActiveState'), 'inactive', 'the service');
    return `${users.length + (global === '' ? 0 : 1)} instances ended in ${seconds} s`;
  });
}

/** While a user writes 60 records a second into a database, through nginx. */
async function checkUnderLoad(
  stage: Stage,
  target: () => { records: string; token: string },
  releases: Releases,
  report: Report,
): Promise<void> {
  const { container } = stage;
  const { records, token } = target();
  using load = stage.load(records, token);
  const sameInstances = async (before: Processes): Promise<Processes> => {
    const after = await stage.processes();
    mustBe(after.users, before.users, 'the instances');
    return after;
  };

  await report.check(
    'systemctl restart: every instance goes on, a command waits for the new daemon',
    async () => {
      const before = await stage.processes();
      const start = performance.now();
      await stage.systemctl('restart', '--no-block', 'fathomd');
      await until(async () => (await stage.property('MainPID')) !== before.daemon, { what: 'its end' });
      const answered = JSON.parse(await container.run('fathomd', ['status', '--json'])) as { pid: number };
      await stage.untilReplaced(before.daemon, 60_000);
      const seconds = (performance.now() - start) / 1000;
      mustBe(String(answered.pid), await stage.property('MainPID'), 'the daemon that answered');
      mustBe((await sameInstances(before)).global, before.global, 'the global PocketBase');
      // What it uploads has a place that outlived the daemon.
      await container.run('nsenter', [
        '-t',
        before.users[0] ?? '',
        '-m',
        'touch',
        '/var/lib/fathom/tmp/upload',
      ]);
      return `ready again after ${seconds.toFixed(1)} s`;
    },
  );
  await report.check('kill -9 of the daemon', async () => {
    const before = await stage.processes();
    await container.shell(`kill -9 ${before.daemon}`);
    const seconds = await stage.untilReplaced(before.daemon, 60_000);
    mustBe((await sameInstances(before)).global, before.global, 'the global PocketBase');
    return `ready again after ${seconds.toFixed(1)} s`;
  });
  await report.check('a daemon that hangs is replaced by the watchdog', async () => {
    const before = await stage.processes();
    await container.shell(`kill -STOP ${before.daemon}`);
    const seconds = await stage.untilReplaced(before.daemon, 60_000);
    await sameInstances(before);
    mustMatch(
      await container.run('journalctl', ['-u', 'fathomd', '-o', 'cat']),
      /Watchdog timeout/,
      'the journal',
    );
    return `WatchdogSec=5, ready again after ${seconds.toFixed(1)} s`;
  });
  await report.check('systemctl reload applies CORS under way', async () => {
    const before = await stage.processes();
    await container.shell("echo 'CORS_ORIGINS=https://app.example.com' >> /etc/fathom/fathom.env");
    await stage.systemctl('reload', 'fathomd');
    await container.shell(
      'for i in $(seq 100); do journalctl -u fathomd -o cat | grep -q "fathomd: .*reload" && exit 0; sleep 0.1; done; exit 1',
    );
    mustBe((await sameInstances(before)).daemon, before.daemon, 'the daemon');
    mustBe(await stage.property('ActiveState'), 'active', 'the service');
    return `same daemon, "${await stage.property('StatusText')}"`;
  });
  for (const [which, expected] of [
    ['broken', /this release is broken/],
    ['fragile', /this release is fragile/],
  ] as const) {
    await report.check(`an upgrade to a ${which} release goes back by itself`, async () => {
      const before = await stage.processes();
      const { code, text } = await container.try('fathomd', ['upgrade', `/root/${which}.tgz`]);
      mustBe(code, 1, 'the exit code');
      mustMatch(text, expected, 'what it says');
      mustBe(
        await container.run('readlink', ['/opt/fathom/current']),
        releases.version,
        'the current release',
      );
      await versionIs(stage, releases.version);
      await sameInstances(before);
      return text.split('\n').at(-1) ?? '';
    });
  }
  await report.check('an upgrade is taken back by Ctrl-C while the new release is watched', async () => {
    const before = await stage.processes();
    const said = await interrupt(stage, 'upgrade /root/next.tgz', 'INT');
    mustMatch(said, /exit 1$/, 'what it says');
    mustBe(await links(stage), `current ${releases.version}`, 'the links');
    await versionIs(stage, releases.version);
    await sameInstances(before);
    return 'nothing is left of it';
  });
  await report.check(
    'an upgrade that was killed then is found by the doctor and undone by rollback',
    async () => {
      const before = await stage.processes();
      await interrupt(stage, 'upgrade /root/next.tgz', 'KILL');
      const left = `current ${releases.nextVersion}\nfallback ${releases.version}`;
      mustBe(await links(stage), left, 'the links');
      mustMatch((await container.doctorTroubles()).join(), /\brelease\b/, 'the findings of the doctor');
      const said = await container.run('fathomd', ['rollback']);
      mustBe(await links(stage), `current ${releases.version}`, 'the links');
      await versionIs(stage, releases.version);
      await sameInstances(before);
      return said.split('\n').at(-1) ?? '';
    },
  );
  await report.check('an upgrade carries migrations over that were put into the release', async () => {
    const own = '/opt/fathom/current/pb_migrations/user/1800000000_notes.js';
    const text =
      "migrate((app) => app.save(new Collection({ type: 'base', name: 'notes', fields: [] })), (app) => {});";
    await container.shell(`cat > ${own} <<'EOF'\n${text}\nEOF`);
    await container.run('fathomd', ['upgrade', '/root/next.tgz']);
    await versionIs(stage, releases.nextVersion);
    const carried = '/var/lib/fathom/apps/local/migrations/1800000000_notes.js';
    mustBe(await container.run('stat', ['-c', '%U', carried]), 'fathom', 'its owner');
    const migrations = JSON.parse(await container.run('fathomd', ['migrations', 'status', '--json'])) as {
      in_use: boolean;
      files: { name: string; application: string }[];
    };
    const found = migrations.files.find(({ name }) => name === '1800000000_notes.js');
    mustBe([migrations.in_use, found?.application], [true, 'local'], 'whether it is used');
    const body = { email: 'janedoe@example.com', password: 'correct-horse-battery' };
    const answer = await stage.call('POST', `${API}/api/v1/auth/register`, body);
    const { database } = JSON.parse(answer.body) as { database: { name: string } };
    const list = ['databases', 'collections', database.name, '--json'];
    mustMatch(await container.run('fathomd', list), /"notes"/, 'the collections of a new database');
    await container.shell('echo janedoe@example.com | fathomd users delete janedoe@example.com');
    await container.run('fathomd', ['rollback']);
    await versionIs(stage, releases.version);
    return carried;
  });
  await report.check('an upgrade, which continues when its output is closed', async () => {
    const before = await stage.processes();
    const said = await container.shell(
      '{ fathomd upgrade /root/next.tgz; echo $? > /root/code; } | head -n 1; cat /root/code',
    );
    mustMatch(said, /\n0$/, 'the first line and the exit code');
    mustBe((await links(stage)).split('\n')[1], `previous ${releases.version}`, 'the way back');
    await versionIs(stage, releases.nextVersion);
    const after = await sameInstances(before);
    if (after.global === before.global)
      throw new Error('the global PocketBase runs the hooks of the old release');
    return `${releases.nextVersion} runs`;
  });
  await report.check('a rollback that is killed, and given again', async () => {
    const before = await stage.processes();
    await interrupt(stage, 'rollback', 'KILL');
    const said = await container.run('fathomd', ['rollback']);
    const left = `current ${releases.version}\nprevious ${releases.nextVersion}`;
    mustBe(await links(stage), left, 'the links');
    await versionIs(stage, releases.version);
    await sameInstances(before);
    return said.split('\n').at(-1) ?? '';
  });
  await report.check('zero failed requests of the user meanwhile', async () => {
    const { written, failed, first_failures, ...numbers } = await load.end();
    mustBe([failed, first_failures], [0, []], 'failures');
    const answer = await stage.call('GET', `${records}?perPage=1`, null, token);
    const { totalItems } = JSON.parse(answer.body) as { totalItems: number };
    mustBe(totalItems, written + 1, 'the number of records');
    return `${written} records written and kept, ${JSON.stringify(numbers)}`;
  });
}

/** Gives a command, and the signal to all of its process group, as Ctrl-C does, while the new release is watched. */
async function interrupt({ container }: Stage, command: string, signal: 'INT' | 'KILL'): Promise<string> {
  return container.shell(`
    setsid fathomd ${command} > /root/said 2>&1 &
    for i in $(seq 1200); do grep -q 'watching it' /root/said && break; sleep 0.1; done
    kill -${signal} -$!
    wait $! && code=0 || code=$?
    cat /root/said
    echo "exit $code"`);
}

/** Which links there are, and what they name. */
function links({ container }: Stage): Promise<string> {
  return container.shell('cd /opt/fathom && find . -type l -printf "%f %l\\n" -maxdepth 1 | sort');
}

async function versionIs({ container }: Stage, version: string): Promise<void> {
  const status = JSON.parse(await container.run('fathomd', ['status', '--json'])) as { version: string };
  mustBe(status.version, version, 'the version that runs');
}
