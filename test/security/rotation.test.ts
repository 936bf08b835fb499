import { randomBytes, randomInt } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Finding } from '../../daemon/host/doctor/finding.ts';
import { unseal } from '../../daemon/keys/envelope.ts';
import { masterKeysOf } from '../../daemon/keys/master-keys.ts';
import { readKeyUse } from '../../daemon/pocketbase/data/key-use.ts';
import type { SecretsStatus } from '../../shared/api/secrets.ts';
import { seeded } from '../chaos/random.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { untilReplaced } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { type Deployment, deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const TASKS = 60;
const USERS = 2;
/** Those, the users' databases, the key of the audit log, and the id of the session key. */
const SECRETS = TASKS + USERS + 2;
const KILLS = 2;

const secretOf = (task: number) => `a secret of task ${task}`;
const status = ({ client }: Deployment) => client.secrets.status();
const rotate = ({ client }: Deployment) => client.secrets.rotate();

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
    // The data key was wrapped again, and the value was not changed.
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
  await expect(fathom.client.audit.verify()).resolves.toMatchObject({ ok: true });
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
  // Killed, so that processes with the old key remain: they are restarted.
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
  await expect(fathom.client.audit.verify()).resolves.toMatchObject({ ok: true });
});

it('a master key that opens nothing seals nothing, and the start and the doctor name the right one', async () => {
  const fathom = await deployment();
  const right = fathom.env['AES_MASTER_KEY'] ?? '';
  const wrong = { AES_MASTER_KEY: randomBytes(32).toString('base64') };
  const place = join(fathom.dataDir, '.env');
  await writeFile(place, `AES_MASTER_KEY=${right}\n`, { mode: 0o600 });
  const first = await fathom.start();
  await signUp(fathom.url, 'before@example.com');
  const before = await status(fathom);
  // The daemon reads the same as the hooks of the control plane.
  expect(readKeyUse(globalData(fathom))).toEqual(sumByKey(before));
  await first.stop();

  const daemon = await fathom.start(wrong);
  expect(daemon.output()).toEqual(textWith('AES_MASTER_KEY', place));
  expect(daemon.output()).not.toContain(right);
  expect(await signUpStatus(fathom, 'refused@example.com')).toMatchObject({
    status: 500,
    body: { code: 'secret.undecryptable' },
  });
  const { queue } = fathom.client;
  await expect(
    queue.add({ type: 'noop', payload: { secrets: { value: 'a secret' } } }),
  ).rejects.toMatchObject({
    code: 'secret.undecryptable',
  });
  await queue.add({ type: 'noop', payload: { open: true } });
  const { secrets, current_key } = await status(fathom);
  expect(secrets.map(({ key_id }) => key_id)).not.toContain(current_key);
  expect(secrets.every(({ opens }) => !opens)).toBe(true);
  // Who is there already is served, and what cannot be opened is not rotated.
  expect((await signIn(fathom.url, 'before@example.com')).database.status).toBe('Running');
  expect(await rotate(fathom)).toMatchObject({ rotated: 0, failed: SEALED_AT_START + 1 });
  expect(await findings(fathom, wrong, 'master_key')).toMatchObject([
    { level: 'fatal', remedy: textWith('AES_MASTER_KEY', place) },
  ]);
  await daemon.stop();

  // A key under another name is found as well.
  const swapped = { ...wrong, AES_PREVIOUS_MASTER_KEY: '', PB_PREVIOUS_ENCRYPTION_KEY: right };
  await rm(place);
  expect(await findings(fathom, swapped, 'master_key')).toMatchObject([
    { level: 'fatal', remedy: textWith('PB_PREVIOUS_ENCRYPTION_KEY') },
  ]);
  await fathom.start();
  expect((await signIn(fathom.url, 'refused@example.com')).database.status).toBe('Running');
  expect(await findings(fathom, {}, 'master_key')).toMatchObject([{ level: 'ok' }]);
});

it('a control plane that is restored under the daemon and needs an older key is not written with the present one', async () => {
  const fathom = await deployment();
  const old = fathom.env['AES_MASTER_KEY'] ?? '';
  const fresh = { AES_MASTER_KEY: randomBytes(32).toString('base64') };
  const first = await fathom.start();
  await signUp(fathom.url, 'before@example.com');
  await (await controlPlane(fathom)).backups.create('before.zip');
  await first.stop();
  const both = await fathom.start({ ...fresh, AES_PREVIOUS_MASTER_KEY: old });
  expect(await rotate(fathom)).toMatchObject({ failed: 0 });
  await both.stop();

  await fathom.start(fresh);
  await signUp(fathom.url, 'fine@example.com');
  const { ino } = await stat(globalData(fathom));
  await (await controlPlane(fathom)).backups.restore('before.zip');
  await until(async () => (await stat(globalData(fathom)).catch(() => null))?.ino !== ino, {
    what: 'the backup to be in place',
  });
  await until(async () => (await status(fathom).catch(() => null))?.secrets.every(({ opens }) => !opens), {
    what: 'the restored secrets',
  });
  expect(await signUpStatus(fathom, 'after@example.com')).toMatchObject({
    body: { code: 'secret.undecryptable' },
  });
  const { secrets, current_key } = await status(fathom);
  expect(secrets.map(({ key_id }) => key_id)).not.toContain(current_key);
  const previous = { ...fresh, AES_PREVIOUS_MASTER_KEY: old };
  expect(await findings(fathom, previous, 'master_key')).toMatchObject([{ level: 'ok' }]);
});

it('another session key is noticed by the start and the doctor, unless the former one is kept', async () => {
  const fathom = await deployment();
  const former = fathom.env['JWT_SECRET'] ?? '';
  const fresh = { JWT_SECRET: randomBytes(64).toString('base64') };
  const first = await fathom.start();
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  await first.stop();
  expect(await findings(fathom, fresh, 'session_key')).toMatchObject([{ level: 'warning' }]);
  const kept = { ...fresh, JWT_PREVIOUS_SECRET: former };
  expect(await findings(fathom, kept, 'session_key')).toMatchObject([{ level: 'ok' }]);

  const both = await fathom.start(kept);
  expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(200);
  await both.stop();
  const third = await fathom.start({ JWT_SECRET: randomBytes(64).toString('base64') });
  const warnings = logLines(third.output()).filter(({ level }) => level === WARN);
  expect(warnings.filter(({ msg }) => msg.includes('JWT_PREVIOUS_SECRET'))).toHaveLength(1);
  expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(401);
});

/** The key of the audit log and the id of the session key. */
const SEALED_AT_START = 2;

const globalData = ({ dataDir }: Deployment) => join(dataDir, 'global', 'pb_data', 'data.db');

function sumByKey({ secrets }: SecretsStatus): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { key_id, count } of secrets) sums.set(key_id, (sums.get(key_id) ?? 0) + count);
  return sums;
}

async function findings(fathom: Deployment, env: Record<string, string>, id: string): Promise<Finding[]> {
  return (await doctorFindings(fathom, env)).filter((finding) => finding.id === id);
}

function signUpStatus(fathom: Deployment, email: string) {
  return call('POST', `${fathom.url}/api/v1/auth/register`, { body: { email, password: PASSWORD } });
}

async function taskRows(fathom: Deployment): Promise<TaskRow[]> {
  const plane = await controlPlane(fathom);
  return plane.collection<TaskRow>('global_queue').getFullList({ filter: "type = 'noop'", sort: 'id' });
}
