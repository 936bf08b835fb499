import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { instance, kill, signUp, untilInstance, untilReplaced } from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { startProber, statusOf } from '../helpers/status-prober.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();
/** A connection that the ended process had accepted. */
const ACCEPTED_BEFORE = ['ECONNRESET', 'EPIPE'];

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
  expect(
    [...counts.keys()].filter((status) => status !== 200 && !ACCEPTED_BEFORE.includes(String(status))),
  ).toEqual([]);
});

it('answers 503 with the reason while a database is failed, and serves it after its start', async () => {
  const { fathom } = shared;
  const { name } = await signUp(fathom);
  const { port } = await instance(fathom, name);
  const data = join(fathom.dataDir, 'user_dbs', name, 'pb_data');
  await fathom.client.databases.stop(name);
  await rename(data, `${data}-away`);
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
    data: { database: { code: 'data_dir_missing' } },
  });
  await rename(`${data}-away`, data);
  await fathom.client.databases.start(name);
  expect(await statusOf(port as number)).toBe(200);
});

it('refuses no connection of a running instance while the daemon is replaced, and holds its socket again', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const { name } = await signUp(fathom);
  const before = await instance(fathom, name);
  const port = before.port as number;
  const prober = startProber(port);
  daemon.signal('SIGKILL');
  await daemon.exited;
  await fathom.start();
  kill((await instance(fathom, name)).pid, 'SIGKILL');
  await untilReplaced(fathom, before);
  const counts = await prober.stop();
  expect(counts.has('ECONNREFUSED')).toBe(false);
});
