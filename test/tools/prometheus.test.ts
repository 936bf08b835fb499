import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, kill, signIn, signUp, type Tenant, untilReplaced } from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { call } from '../helpers/http-call.ts';
import { mayMount } from '../helpers/mounts.ts';
import { until } from '../helpers/until.ts';

const MONITORING = join(import.meta.dirname, '../../docs/monitoring');
const MIB = 1024 * 1024;
/** Less than the alert on a disk that gets full asks for. */
const DISK_MB = 200;
/** A twentieth of the disk, which is the most that is reserved. */
const RESERVE_MB = DISK_MB / 20;
/** Three databases, and one that finds no port. */
const PORTS = 3;

function isInstalled(...programs: string[]): boolean {
  try {
    for (const program of programs) execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isPossible = isInstalled('prometheus', 'promtool') && mayMount;
const why = isPossible ? '' : ' (skipped: needs root, and prometheus: apt-get install prometheus)';

/** The rules as they are, but for the time that a state has to last; `promtool test rules` below proves that. */
async function rulesAtOnce(): Promise<string> {
  const rules = await readFile(join(MONITORING, 'fathom.rules.yml'), 'utf8');
  return rules.replace(/^ +for: .*\n/gm, '');
}

function promtool(args: string[], input = '') {
  return execa('promtool', args, { cwd: import.meta.dirname, reject: false, all: true, input });
}

describe.skipIf(!isPossible)(`Prometheus${why}`, () => {
  let fathom: Deployment;
  let daemon: Daemon;
  let key: string;
  let tenants: Tenant[];
  let directory: string;
  let url: string;
  const resources = new AsyncDisposableStack();

  beforeAll(async () => {
    // A replica without its Litestream.
    const replica = await mkdtemp(join(tmpdir(), 'fathom-replica-'));
    resources.defer(() => rm(replica, { recursive: true, force: true }));
    const missing = join(replica, 'litestream');
    fathom = await createDeployment(
      {
        PB_HEALTH_INTERVAL: '1',
        DISK_RESERVE_MB: String(RESERVE_MB),
        REPLICA: replica,
        LITESTREAM_BINARY_PATH: missing,
      },
      { ports: PORTS },
    );
    resources.defer(() => fathom.dispose());
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=0700`, 'tmpfs', fathom.dataDir]);
    resources.defer(async () => {
      // Lazily: a test that failed may have left something running on it.
      await execa('umount', ['--lazy', fathom.dataDir]);
    });
    daemon = await fathom.start();
    resources.defer(async () => {
      await daemon.stop();
    });
    const made = await fathomd(
      ['keys', 'add', fathom.admin.email, '--name', 'prometheus', '--permission', 'metrics.read'],
      { env: fathom.env, cwd: fathom.dataDir },
    );
    key = made.stdout;
    tenants = [await signUp(fathom, 'down'), await signUp(fathom, 'stopped'), await signUp(fathom, 'often')];

    directory = await mkdtemp(join(tmpdir(), 'fathom-prometheus-'));
    resources.defer(() => rm(directory, { recursive: true, force: true }));
    await writeFile(join(directory, 'fathom.key'), key, { mode: 0o600 });
    await writeFile(join(directory, 'fathom.rules.yml'), await rulesAtOnce());
    await writeFile(join(directory, 'prometheus.yml'), await configuration());
    const port = await freePortRange(1);
    url = `http://127.0.0.1:${port}`;
    const prometheus = execa(
      'prometheus',
      [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: 'ignore', reject: false },
    );
    resources.defer(async () => {
      prometheus.kill('SIGTERM');
      await prometheus;
    });
    await until(() => isFound('up{job="fathom"} == 1'), { what: 'Prometheus to scrape' });
  });

  afterAll(() => resources.disposeAsync());

  /** The configuration as it is, for this daemon, more often, and once more without a key. */
  async function configuration(): Promise<string> {
    const shipped = await readFile(join(MONITORING, 'prometheus.yml'), 'utf8');
    const target = new URL(fathom.url).host;
    const here = shipped
      .replace(/^( +credentials_file: ).*$/m, `$1${join(directory, 'fathom.key')}`)
      .replace('127.0.0.1:3000', target)
      .replace('scrape_interval: 15s', 'scrape_interval: 1s');
    return `global:
  evaluation_interval: 1s
${here}  - job_name: without-key
    scrape_interval: 1s
    static_configs:
      - targets: ['${target}']
`;
  }

  async function query(
    expression: string,
  ): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const answer = await fetch(
      `${url}/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`,
    ).catch(() => null);
    // It is starting.
    if (answer === null || answer.status === 503) return [];
    const { status, error, data } = (await answer.json()) as {
      status: string;
      error?: string;
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (status !== 'success') throw new Error(`${expression}: ${error}`);
    return data.result;
  }

  const isFound = async (expression: string) => (await query(expression)).length > 0;

  /** Fired at some time since the beginning: an alert that resolves itself has ended by now. */
  const fired = (alert: string, labels = '') =>
    query(`max_over_time(ALERTS{alertname="${alert}", alertstate="firing"${labels}}[1h])`);

  const untilFired = (alert: string, labels?: string) =>
    until(async () => (await fired(alert, labels))[0], { what: `the alert ${alert}` });

  /** Leaves `left` bytes free. */
  async function fillDisk(left: number): Promise<() => Promise<void>> {
    const fillers: string[] = [];
    for (;;) {
      const { bavail, bsize } = await statfs(fathom.dataDir);
      const bytes = bavail * bsize - left;
      if (bytes <= 0) break;
      const path = join(fathom.dataDir, `filler.${randomUUID()}`);
      fillers.push(path);
      await writeFile(path, Buffer.alloc(Math.min(bytes, 64 * MIB))).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    }
    return async () => {
      for (const path of fillers) await rm(path);
    };
  }

  const tenant = (index: number): Tenant => {
    const found = tenants[index];
    if (!found) throw new Error('a tenant');
    return found;
  };

  it('accepts the metrics, the rules and the configuration', async () => {
    const { body } = await call<string>('GET', `${fathom.url}/metrics`, { token: key });
    expect(body).toContain(`database="${tenant(0).name}"`);
    const checks = await Promise.all([
      promtool(['check', 'metrics'], body),
      promtool(['check', 'rules', join(MONITORING, 'fathom.rules.yml')]),
      promtool(['check', 'config', '--syntax-only', join(MONITORING, 'prometheus.yml')]),
      promtool(['test', 'rules', 'fathom.rules.test.yml']),
    ]);
    for (const { exitCode, all } of checks) expect({ exitCode, all }).toMatchObject({ exitCode: 0 });
    expect(checks[0].all).toBe('');
  });

  it('keeps the label of the target apart from the name of the database', async () => {
    const [up] = await query(`fathom_instance_up{job="fathom", database="${tenant(0).name}"}`);
    expect(up?.metric).toMatchObject({ instance: new URL(fathom.url).host, kind: 'user' });
    expect(up?.metric).not.toHaveProperty('exported_instance');
    expect(await isFound('fathom_instance_up{job="without-key"}')).toBe(false);
  });

  it('fires FathomMetricsIncomplete for a scrape without a key, and not for the other', async () => {
    await untilFired('FathomMetricsIncomplete', ', job="without-key"');
    expect(await fired('FathomMetricsIncomplete', ', job="fathom"')).toEqual([]);
  });

  it('fires FathomDiskFull on a disk with less than 1 GiB', async () => {
    await untilFired('FathomDiskFull');
  });

  it('fires FathomReplicaDown without Litestream', async () => {
    await untilFired('FathomReplicaDown', ', job="fathom"');
    expect(await query('fathom_replica_lag_seconds')).toEqual([]);
  });

  it('fires FathomDatabaseDown and FathomInstancesInTrouble, and not for one that was stopped or sleeps', async () => {
    const [down, stopped, asleep] = [tenant(0), tenant(1), tenant(2)];
    await fathom.client.databases.stop(stopped.name);
    // Connections of earlier requests may still be open.
    await until(() => fathom.client.databases.sleep(asleep.name).catch(() => null), { what: 'the sleep' });
    await fathom.client.databases.stop(down.name);
    const data = join(fathom.dataDir, 'user_dbs', down.name, 'pb_data');
    await rename(data, `${data}.away`);
    await expect(fathom.client.databases.start(down.name)).rejects.toMatchObject({ code: 'instance.failed' });

    await untilFired('FathomDatabaseDown', `, database="${down.name}"`);
    await untilFired('FathomInstancesInTrouble');
    const trouble = await until(
      async () => (await query(`max_over_time(fathom_instance_trouble{database="${down.name}"}[1h])`))[0],
      { what: 'the reason to be scraped' },
    );
    expect(trouble.metric).toMatchObject({ reason: 'data_dir_missing' });
    for (const { name } of [stopped, asleep]) {
      expect(await isFound(`fathom_instance_up{database="${name}"}`), name).toBe(false);
      expect(await query(`ALERTS{database="${name}"}`), name).toEqual([]);
    }
    await fathom.client.databases.wake(asleep.name);

    await rename(`${data}.away`, data);
    await fathom.client.databases.start(down.name);
    await fathom.client.databases.start(stopped.name);
    await until(() => isFound('fathom_instances_in_trouble{job="fathom"} == 0'), { what: 'all to be fine' });
  });

  it('fires FathomDatabaseRestarts for one that ends again and again', async () => {
    const { name } = tenant(2);
    for (let round = 1; round <= 5; round++) {
      const before = await instance(fathom, name);
      kill(before.pid, 'SIGKILL');
      await untilReplaced(fathom, before);
      await until(
        () => isFound(`fathom_instance_restarts_total{job="fathom", database="${name}"} >= ${round}`),
        {
          what: `restart ${round} to be scraped`,
        },
      );
    }
    await untilFired('FathomDatabaseRestarts', `, database="${name}"`);
    expect(await fired('FathomDatabaseRestarts', `, database="${tenant(0).name}"`)).toEqual([]);
  });

  it('fires FathomProvisioningFails and FathomRequestsFail where there is no port left', async () => {
    await expect(signUp(fathom, 'none')).rejects.toMatchObject({ status: 503 });
    await untilFired('FathomProvisioningFails');
    await until(
      async () => {
        // Together they are more than the requests that succeed meanwhile.
        await Promise.allSettled(Array.from({ length: 8 }, () => signUp(fathom, 'none')));
        return (await fired('FathomRequestsFail'))[0];
      },
      { what: 'the alert FathomRequestsFail' },
    );
  });

  it('fires FathomTasksDead and FathomQueuePaused', async () => {
    await fathom.client.queue.add({ type: 'no.such.handler' });
    await untilFired('FathomTasksDead');
    await fathom.client.queue.pause();
    await untilFired('FathomQueuePaused');
    await fathom.client.queue.resume();
    const [attempts] = await query('fathom_queue_attempts_total{job="fathom", outcome="dead"}');
    expect(attempts?.metric).toMatchObject({ type: 'no.such.handler' });
  });

  it('fires FathomFilesExhausted near the limit of open files', async () => {
    const limitFiles = (nofile: string) =>
      execa('prlimit', ['--pid', String(daemon.pid), `--nofile=${nofile}`]);
    const { stdout: before } = await execa('prlimit', [
      '--pid',
      String(daemon.pid),
      '--nofile',
      '--output=SOFT,HARD',
      '--noheadings',
      '--raw',
    ]);
    const [soft, hard] = before.split(' ');
    await until(
      async () => {
        // Connections come and go, so the limit follows them: above the threshold, with descriptors left for the scrape.
        const open = (await readdir(`/proc/${daemon.pid}/fd`)).length;
        await limitFiles(`${Math.ceil(open / 0.85)}:${hard}`);
        return (await fired('FathomFilesExhausted'))[0];
      },
      { what: 'the alert FathomFilesExhausted' },
    );
    await limitFiles(`${soft}:${hard}`);
  });

  it('fires FathomWritesHeld on a disk that is nearly full, and not before', async () => {
    await until(() => isFound('fathom_writes_held{job="fathom"} == 0'), { what: 'the metric' });
    expect(await fired('FathomWritesHeld')).toEqual([]);
    // Less than half of the reserve beside it, and more than the quarter that releases it.
    const free = await fillDisk(RESERVE_MB * 0.4 * MIB);
    await untilFired('FathomWritesHeld', ', job="fathom"');
    await free();
    await until(() => isFound('fathom_writes_held{job="fathom"} == 0'), { what: 'the end of the hold' });
  });

  it('fires FathomDatabaseImpaired for one that runs on a full disk, with the reason', async () => {
    const frees: (() => Promise<void>)[] = [];
    await until(
      async () => {
        // Again, as the reserve is released on a full disk.
        frees.push(await fillDisk(0));
        return (await fired('FathomDatabaseImpaired', ', reason="disk_full"'))[0];
      },
      { what: 'the alert FathomDatabaseImpaired' },
    );
    for (const free of frees) await free();
  });

  it('answers every query of the dashboard', async () => {
    const dashboard = JSON.parse(await readFile(join(MONITORING, 'grafana-dashboard.json'), 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[];
    };
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(20);
    for (const expression of expressions) {
      const filled = expression
        .replaceAll('$job', '.+')
        .replaceAll('$instance', '.+')
        .replaceAll('$__rate_interval', '5m');
      // Of this one, nothing to show is good; that it is answered is enough.
      if (expression.includes('fathom_instance_trouble')) await query(filled);
      else await until(() => isFound(filled), { what: filled });
    }
  });

  it('fires FathomNotReady while the global PocketBase hangs', async () => {
    kill((await instance(fathom, 'global')).pid, 'SIGSTOP');
    await untilFired('FathomNotReady');
    await until(() => isFound('fathom_ready{job="fathom"} == 1'), { what: 'the daemon to be ready again' });
    expect((await signIn(fathom, tenant(0))).user.id).toBe(tenant(0).userId);
  });

  it('fires FathomDown without a daemon, and has fired every alert by then', async () => {
    await daemon.stop();
    await untilFired('FathomDown');
    const rules = await readFile(join(MONITORING, 'fathom.rules.yml'), 'utf8');
    // These need a slow host, a day, damaged backups, and targets or receivers that are away. `promtool test rules` fires them: the comma
    // begins the labels of an expected alert.
    const others = new Set([
      'FathomWakesSlow',
      'FathomBackupLate',
      'FathomBackupUnproven',
      'FathomErasurePending',
      'FathomReplicaLate',
      'FathomAlertsFail',
    ]);
    const ruleTests = await readFile(join(import.meta.dirname, 'fathom.rules.test.yml'), 'utf8');
    for (const name of others)
      expect(ruleTests).toContain(`ALERTS{alertname="${name}", alertstate="firing", `);
    const names = [...rules.matchAll(/- alert: (\w+)/g)].flatMap(([, name]) =>
      name === undefined || others.has(name) ? [] : name,
    );
    const all = new Set(
      (await query('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))')).map(
        ({ metric }) => metric['alertname'],
      ),
    );
    expect(all).toEqual(new Set(names));
  });
});
