import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import type { Deployment } from '../helpers/deployment.ts';
import {
  instance,
  kill,
  signUp,
  type Tenant,
  untilInstance,
  untilRunning,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn } from '../helpers/http-call.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { textWith } from '../helpers/text-with.ts';

const shared = sharedDeployment({ RESTART_BACKOFF_BASE_MS: '20', RESTART_BACKOFF_MAX_S: '1' });

/** Kills the process as soon as it runs, and waits for the next one. */
async function crash(fathom: Deployment, before: Instance): Promise<Instance> {
  kill(before.pid, 'SIGKILL');
  return untilInstance(
    fathom,
    before.name,
    ({ restarts, phase }) => restarts > before.restarts && phase === 'running',
    'to run again',
  );
}

/** Kills each process that runs, until the database waits as it should: the waits are random, and the first one is none. */
async function killUntil(
  fathom: Deployment,
  { name }: Tenant,
  isSo: (one: Instance) => boolean,
): Promise<Instance> {
  let current = await instance(fathom, name);
  while (!isSo(current)) {
    const { pid } = current;
    kill(pid, 'SIGKILL');
    current = await untilInstance(
      fathom,
      name,
      (one) => isSo(one) || (one.phase === 'running' && one.pid !== pid),
      'to fail or to run',
    );
  }
  return current;
}

async function crashTimes(fathom: Deployment, { name }: Tenant, times: number): Promise<Instance> {
  let current = await instance(fathom, name);
  for (let round = 0; round < times; round += 1) current = await crash(fathom, current);
  return current;
}

it('a database that is killed 50 times in a row serves again within its back-off', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'before');
  const stream = new StreamReader(fathom);
  onTestFinished(() => stream.close());
  await stream.subscribe(1, 'instances');

  const last = await crashTimes(fathom, tenant, 50);
  expect(last).toMatchObject({ restarts: 50, max_attempts: null });
  await writeAndRead(fathom, tenant, 'after');

  const phases = stream
    .events('instances')
    .flatMap((event) => (event.kind === 'instance.phase' && event.name === tenant.name ? [event] : []));
  expect(phases.filter(({ to }) => to === 'failed')).toEqual([]);
  const waits = phases.flatMap(({ to, instance: { since, next_attempt_at: next } }) =>
    to === 'backing_off' && next !== null ? [Date.parse(next) - Date.parse(since)] : [],
  );
  expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
}, 300_000);

it('a crash loop is a problem everywhere, also while the database runs, until a person starts it', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const third = await crashTimes(fathom, tenant, 3);
  expect(third).toMatchObject({
    phase: 'running',
    crashes: { count: 3 },
    reason: { code: 'crashing', message: textWith('3 crashes in', 'SIGKILL') },
  });
  const cli = (...argv: string[]) =>
    runInProcess([...argv, '--socket', fathom.socketPath], { cwd: fathom.dataDir });
  expect(await cli('databases', 'list', '--check')).toMatchObject({ code: 1, out: textWith('3 crashes in') });
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  const { body } = await call<string>('GET', `${fathom.url}/metrics`, { token });
  expect(body).toContain(`fathom_instance_crashes{database="${tenant.name}",kind="user"} 3\n`);

  expect(await fathom.client.databases.restart(tenant.name)).toMatchObject({
    phase: 'running',
    reason: null,
    crashes: null,
  });
});

it('a database that has served is restarted without a limit, also by the next daemon', async () => {
  const fathom = await deployment({ RESTART_MAX_ATTEMPTS: '1', RESTART_BACKOFF_BASE_MS: '20' });
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'before');
  await daemon.stop();

  // The process cannot be started while its lock is no file.
  const lock = join(fathom.dataDir, 'user_dbs', tenant.name, 'lock');
  await rm(lock);
  await mkdir(lock);
  await fathom.start();
  const failing = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, attempt }) => phase === 'backing_off' && attempt > 3,
    'to fail several times',
  );
  expect(failing).toMatchObject({ max_attempts: null, reason: { code: 'spawn_failed' } });
  await rm(lock, { recursive: true });
  await untilRunning(fathom, tenant.name);
  await writeAndRead(fathom, tenant, 'after');
});

const isLongWait = ({ phase, next_attempt_at: next }: Instance) =>
  phase === 'backing_off' && Date.parse(next ?? '') - Date.now() > 10_000;

it('answers 503 with the reason during a long back-off, which a command ends at once', async () => {
  const fathom = await deployment({ RESTART_BACKOFF_BASE_MS: '60000', RESTART_BACKOFF_MAX_S: '3600' });
  await fathom.start();
  const tenant = await signUp(fathom);
  const { port } = await killUntil(fathom, tenant, isLongWait);
  const answer = await fetch(`http://127.0.0.1:${port}/api/health`);
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(1);
  expect(await answer.json()).toMatchObject({ data: { database: { code: 'killed' } } });
  await expect(fathom.client.databases.wake(tenant.name)).rejects.toMatchObject({
    code: 'instance.failed',
    message: expect.stringMatching(/will retry within \d+ s/),
  });
  const { database } = await signIn(fathom.url, tenant.email, PASSWORD);
  expect(database).toMatchObject({ url: null, token: null });

  expect(await fathom.client.databases.start(tenant.name)).toMatchObject({ phase: 'running', crashes: null });
});

it('a sign-in waits for a database that starts again soon', async () => {
  const fathom = await deployment({ RESTART_BACKOFF_BASE_MS: '2000', RESTART_BACKOFF_MAX_S: '2' });
  await fathom.start();
  const tenant = await signUp(fathom);
  await killUntil(fathom, tenant, ({ phase }) => phase === 'backing_off');
  const { database } = await signIn(fathom.url, tenant.email, PASSWORD);
  expect(database).toMatchObject({ url: expect.any(String), token: expect.any(String), status: 'Running' });
});

it('data that is away is waited for, and used when it is back', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'precious');
  const directory = join(fathom.dataDir, 'user_dbs', tenant.name);
  const { pid } = await instance(fathom, tenant.name);
  await rename(directory, `${directory}.away`);
  kill(pid, 'SIGKILL');
  const missed = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, attempt }) => phase === 'backing_off' && attempt > 5,
    'to be missed',
  );
  expect(missed).toMatchObject({ max_attempts: null, reason: { code: 'data_dir_missing' } });
  await rename(`${directory}.away`, directory);
  await untilRunning(fathom, tenant.name);
  await writeAndRead(fathom, tenant, 'more');
});
