import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { instance, signUp, untilRunning, writeAndRead } from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { serveByHand, untilServing } from '../helpers/serve-by-hand.ts';

const shared = sharedDeployment();

it('a second process on the data of a running database is refused by the lock', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const second = await serveByHand(fathom, tenant.name, { port: await freePortRange(1), lock: true });
  expect(await once(second, 'exit')).toEqual([200, null]);
  expect(await instance(fathom, tenant.name)).toMatchObject({ phase: 'running', restarts: 0 });
});

it('a database whose lock another process holds waits, and starts when the lock is released', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'mine');
  await fathom.client.databases.stop(tenant.name);
  // On other data, so that this one's stays untouched by a key that does not fit.
  const port = await freePortRange(1);
  const holder = await serveByHand(fathom, tenant.name, {
    port,
    lock: true,
    dir: join(fathom.dataDir, 'elsewhere'),
  });
  await untilServing(port);

  await expect(fathom.client.databases.start(tenant.name)).rejects.toMatchObject({ code: 'instance.failed' });
  expect(await instance(fathom, tenant.name)).toMatchObject({
    max_attempts: null,
    reason: { code: 'data_dir_locked' },
  });
  holder.kill('SIGKILL');
  await untilRunning(fathom, tenant.name);
  await writeAndRead(fathom, tenant, 'still mine');
});

it('should the holder be a process of its own that was lost sight of, that one is taken over', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const { port } = await fathom.client.databases.stop(tenant.name);
  if (port === null) throw new Error('it had a port');
  const lost = await serveByHand(fathom, tenant.name, { port, lock: true, markedAs: tenant.name });
  await untilServing(port);
  await fathom.client.databases.start(tenant.name).catch(() => {});
  const found = await untilRunning(fathom, tenant.name);
  expect(found.pid).toBe(lost.pid);
});
