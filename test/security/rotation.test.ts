import { randomBytes, randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { unseal } from '../../daemon/security/envelope.ts';
import { masterKeysOf } from '../../daemon/security/master-keys.ts';
import type { RotationResult, SecretsStatus } from '../../shared/secrets.ts';
import { seeded } from '../chaos/random.ts';
import { untilReplaced } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { type Deployment, deployment } from '../helpers/harness.ts';
import { call, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const TASKS = 60;
const USERS = 2;
/** Those, the users' databases, and the key of the audit log. */
const SECRETS = TASKS + USERS + 1;
const KILLS = 2;

const secretOf = (task: number) => `a secret of task ${task}`;
const status = ({ client }: Deployment) => client.http.request<SecretsStatus>('GET', '/api/v1/secrets');
const rotate = ({ client }: Deployment) =>
  client.http.request<RotationResult>('POST', '/api/v1/secrets/rotate');

async function withSecrets(fathom: Deployment): Promise<void> {
  for (let user = 0; user < USERS; user += 1) await signUp(fathom.url, `user${user}@example.com`);
  await fathom.client.queue.pause();
  await Promise.all(
    Array.from({ length: TASKS }, (_, task) =>
      fathom.client.queue.add({ type: 'noop', payload: { task, secrets: { value: secretOf(task) } } }),
    ),
  );
}

interface TaskRow {
  id: string;
  payload: { task: number };
  secrets: string;
}

it('the master key is changed online, whenever that is cut short it goes on, and the old one may go', async () => {
  const seed = randomInt(2 ** 31);
  console.info(`seed ${seed}`);
  const random = seeded(seed);
  const fathom = await deployment();
  const old = fathom.env['AES_MASTER_KEY'] ?? '';
  const fresh = randomBytes(32).toString('base64');
  const both = { AES_MASTER_KEY: fresh, AES_PREVIOUS_MASTER_KEY: old };
  const first = await fathom.start();
  await withSecrets(fathom);
  const before = await status(fathom);
  expect(before.secrets.reduce((sum, { count }) => sum + count, 0)).toBe(SECRETS);
  const tasksBefore = await taskRows(fathom);
  await first.stop();

  const killAt = Array.from({ length: KILLS }, () => Math.floor(random() * SECRETS)).toSorted(
    (a, b) => a - b,
  );
  for (const rotated of killAt) {
    const daemon = await fathom.start(both);
    const plane = await controlPlane(fathom);
    const { current_key } = await status(fathom);
    const cutShort = rotate(fathom).catch(() => null);
    await until(
      async () => {
        const { counts } = await plane.send<{ counts: SecretsStatus['secrets'] }>('/api/fathom/secrets', {});
        const done = counts.filter(({ key_id }) => key_id === current_key);
        return done.reduce((sum, { count }) => sum + count, 0) >= rotated;
      },
      { what: `${rotated} of ${SECRETS} to be rotated (seed ${seed})` },
    );
    daemon.signal('SIGKILL');
    await Promise.all([cutShort, daemon.exited]);
  }

  const daemon = await fathom.start(both);
  expect(await rotate(fathom)).toMatchObject({ failed: 0 });
  expect(await rotate(fathom)).toEqual({ rotated: 0, current: SECRETS, failed: 0 });
  const after = await status(fathom);
  expect(after.rotating).toBe(false);
  expect(new Set(after.secrets.map(({ key_id }) => key_id))).toEqual(new Set([after.current_key]));
  expect(after.current_key).not.toBe(before.current_key);
  await daemon.stop();

  await fathom.start({ AES_MASTER_KEY: fresh });
  const tasks = await taskRows(fathom);
  const masters = masterKeysOf({
    aesMasterKey: Buffer.from(fresh, 'base64'),
    previousAesMasterKey: null,
  });
  for (const [at, { id, payload, secrets }] of tasks.entries()) {
    const opened = unseal(masters, secrets, `global_queue/${id}/secrets`).toString();
    expect(JSON.parse(opened)).toEqual({ secrets: { value: secretOf(payload.task) } });
    // The key was wrapped anew, and the value left as it was.
    expect(secrets.split('.')[3]).toBe(tasksBefore[at]?.secrets.split('.')[3]);
  }
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  const databases = (await fathom.client.databases.all()).filter(({ kind }) => kind === 'user');
  expect(databases).toHaveLength(USERS);
  for (const { name } of databases) {
    // What is looked into as the superuser of that instance.
    await fathom.client.databases.start(name);
    const collections = `${fathom.url}/api/v1/databases/${name}/collections`;
    expect((await call('GET', collections, { token })).status).toBe(200);
  }
  await expect(fathom.client.http.request('GET', '/api/v1/audit/verification')).resolves.toMatchObject({
    ok: true,
  });
}, 180_000);

it('the key of the settings is changed by one start with both; settings hold no secret in the open', async () => {
  const fathom = await deployment();
  const old = { PB_PREVIOUS_ENCRYPTION_KEY: fathom.env['PB_ENCRYPTION_KEY'] ?? '' };
  const fresh = { PB_ENCRYPTION_KEY: randomBytes(32).toString('base64') };
  const first = await fathom.start();
  const [running, stopped] = [
    (await signUp(fathom.url, 'running@example.com')).database.name,
    (await signUp(fathom.url, 'stopped@example.com')).database.name,
  ];
  await fathom.client.databases.stop(stopped);
  const smtp = {
    enabled: true,
    host: 'mail.example.com',
    username: 'mailer',
    password: 'a password for mail',
  };
  await (await controlPlane(fathom)).settings.update({ smtp });
  const files = join(fathom.dataDir, 'global', 'pb_data');
  for (const file of (await readdir(files)).filter((name) => name.startsWith('data.db'))) {
    expect((await readFile(join(files, file))).includes(smtp.password), file).toBe(false);
  }
  // Killed, so that processes are there which have the old key: they are started anew.
  const before = await fathom.client.databases.get(running);
  first.signal('SIGKILL');
  await first.exited;
  const both = await fathom.start({ ...old, ...fresh });
  await untilReplaced(fathom, before);
  await both.stop();

  await fathom.start(fresh);
  for (const name of [running, stopped]) {
    expect(await fathom.client.databases.start(name)).toMatchObject({ phase: 'running' });
  }
  const kept = await (await controlPlane(fathom)).settings.getAll();
  expect(kept['smtp']).toMatchObject({ host: smtp.host, username: smtp.username });
  await expect(fathom.client.http.request('GET', '/api/v1/audit/verification')).resolves.toMatchObject({
    ok: true,
  });
});

async function taskRows(fathom: Deployment): Promise<TaskRow[]> {
  const plane = await controlPlane(fathom);
  return plane.collection<TaskRow>('global_queue').getFullList({ filter: "type = 'noop'", sort: 'id' });
}
