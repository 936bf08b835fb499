import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { instance, kill, signIn, signUp, untilReplaced, writeAndRead } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment({}, { ports: 3 });

/** A foreign service, which answers any request. */
async function occupy(port: number): Promise<() => void> {
  const server = createServer((_request, response) => response.end('{}')).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const release = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(release);
  return release;
}

it('a port that was taken meanwhile is left to its process, and the new one is stored and kept', async () => {
  const { fathom } = shared;
  const { databases } = fathom.client;
  const tenant = await signUp(fathom);
  const { port: first } = await databases.stop(tenant.name);
  if (first === null) throw new Error('it had a port');
  const release = await occupy(first);

  const moved = await databases.start(tenant.name);
  expect(moved).toMatchObject({ phase: 'running', restarts: 0, attempt: 0 });
  expect(moved.port).not.toBe(first);
  expect(moved.url).toBe(`http://127.0.0.1:${moved.port}`);
  const admin = await controlPlane(fathom);
  await until(
    async () => {
      const row = await admin.collection('user_databases').getFirstListItem(`name="${tenant.name}"`);
      return row['port'] === moved.port;
    },
    { what: 'the new port in the control plane' },
  );
  expect((await signIn(fathom, tenant)).database).toMatchObject({ port: moved.port, url: moved.url });

  const { items } = await fathom.client.events.list({ name: tenant.name });
  expect(items).toContainEqual(
    expect.objectContaining({
      kind: 'moved',
      reason: {
        code: 'port_in_use',
        message: textWith(first, moved.port ?? 0),
      },
    }),
  );

  // The first one is free again, but clients know the new one by now.
  release();
  expect(await databases.restart(tenant.name)).toMatchObject({ port: moved.port });
  const before = await instance(fathom, tenant.name);
  kill(before.pid, 'SIGKILL');
  expect(await untilReplaced(fathom, before)).toMatchObject({ port: moved.port });
  await writeAndRead(fathom, tenant, 'on another port');
});

it('without a free port an instance waits with the reason, and comes up by itself once there is one', async () => {
  const { fathom } = shared;
  const { databases } = fathom.client;
  const tenant = await signUp(fathom);
  await databases.stop(tenant.name);
  const base = Number(fathom.env['PB_BASE_PORT']);
  const taken = new Set(
    (await databases.all()).filter(({ phase }) => phase === 'running').map(({ port }) => port),
  );
  const releases: (() => void)[] = [];
  for (const port of [base, base + 1, base + 2]) if (!taken.has(port)) releases.push(await occupy(port));

  await expect(databases.start(tenant.name)).rejects.toMatchObject({ code: 'instance.failed' });
  expect(await instance(fathom, tenant.name)).toMatchObject({
    phase: expect.stringMatching(/^(backing_off|queued|starting)$/),
    max_attempts: null,
    reason: { code: 'ports_exhausted', message: textWith('PB_PORT_RANGE') },
  });
  for (const release of releases) release();
  await until(async () => (await instance(fathom, tenant.name)).phase === 'running', {
    what: 'it to come up',
  });
  await writeAndRead(fathom, tenant, 'at last');
});
