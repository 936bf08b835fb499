import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { instance, kill, signUp, untilInstance, untilReplaced } from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { startProber, statusOf } from '../helpers/status-prober.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();
/** A connection that the ended process had accepted. */
const ACCEPTED_BEFORE = ['ECONNRESET', 'EPIPE'];

function failuresIn(counts: ReadonlyMap<number | string, number>): (number | string)[] {
  return [...counts.keys()].filter((status) => status !== 200 && !ACCEPTED_BEFORE.includes(String(status)));
}

it('refuses no connection while an instance is killed or restarted', async () => {
  const { fathom } = shared;
  const { name } = await signUp(fathom);
  let current = await instance(fathom, name);
  const port = current.port as number;
  const prober = startProber(port);
  for (let round = 0; round < 3; round += 1) {
    kill(current.pid, 'SIGKILL');
    current = await untilReplaced(fathom, current);
    await fathom.client.databases.restart(name);
    current = await instance(fathom, name);
  }
  const counts = await prober.stop();
  expect(current.port).toBe(port);
  expect(counts.get(200)).toBeGreaterThan(0);
  expect(failuresIn(counts)).toEqual([]);
});

it('answers 503 with the reason while a database is failed, and serves it after its start', async () => {
  const { fathom } = shared;
  const { name } = await signUp(fathom);
  const { port } = await instance(fathom, name);
  const file = join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'data.db');
  await fathom.client.databases.stop(name);
  const whole = await readFile(file);
  await writeFile(file, '');
  await expect(fathom.client.databases.start(name)).rejects.toMatchObject({ code: 'instance.failed' });
  await untilInstance(fathom, name, ({ phase }) => phase === 'failed', 'to be failed');
  const answer = await until(
    () =>
      fetch(`http://127.0.0.1:${port}/api/collections/users/records`, { method: 'POST', body: '{}' }).catch(
        () => null,
      ),
    { what: 'an answer' },
  );
  expect(answer.status).toBe(503);
  expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  expect(await answer.json()).toMatchObject({
    status: 503,
    data: { database: { code: 'database_corrupt' } },
  });
  await writeFile(file, whole);
  await fathom.client.databases.start(name);
  expect(await statusOf(port as number)).toBe(200);
});

it('refuses no connection while the daemon is away, also when the instance ends meanwhile', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const { name } = await signUp(fathom);
  const before = await instance(fathom, name);
  const prober = startProber(before.port as number);
  daemon.signal('SIGKILL');
  await daemon.exited;
  kill(before.pid, 'SIGKILL');
  await fathom.start();
  expect(await untilReplaced(fathom, before)).toMatchObject({ port: before.port });
  const counts = await prober.stop();
  expect(counts.get(200)).toBeGreaterThan(0);
  expect(failuresIn(counts)).toEqual([]);
});

it('holds the sockets of running instances again after the keeper was killed', async () => {
  const { fathom } = shared;
  const { name } = await signUp(fathom);
  const before = await instance(fathom, name);
  const prober = startProber(before.port as number);
  const fleetId = fleetIdOf(fathom.dataDir);
  const keeper = await keeperOf(fleetId);
  kill(keeper, 'SIGKILL');
  await until(
    () =>
      keeperOf(fleetId).then(
        (pid) => pid !== keeper,
        () => false,
      ),
    { what: 'the next keeper' },
  );
  // It answers requests in their order, and this one comes after those for the sockets.
  await fathom.client.databases.restart((await signUp(fathom)).name);
  kill(before.pid, 'SIGKILL');
  await untilReplaced(fathom, before);
  expect(failuresIn(await prober.stop())).toEqual([]);
});

it('leaves no keeper after a stop', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  await signUp(fathom);
  const fleetId = fleetIdOf(fathom.dataDir);
  expect(await keeperOf(fleetId)).toBeGreaterThan(0);
  await daemon.stop();
  await until(
    () =>
      keeperOf(fleetId).then(
        () => false,
        () => true,
      ),
    { what: 'the keeper to end' },
  );
});
