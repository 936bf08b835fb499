import { hash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { deriveKey } from '../../daemon/keys/derived-keys.ts';
import { NODE_PASS_HEADER, writePass } from '../../daemon/keys/node-pass.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { ServerFrame } from '../../shared/server-frames.ts';
import { createNode } from '../helpers/cluster-node.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { call, PASSWORD, signIn } from '../helpers/http-call.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import { createStandby, replicaOf, untilMovable } from '../helpers/standby.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

/** A leader n1 with the database of `here`, and a member n2 with that of `there`. */
async function createFleet(env: Record<string, string> = {}) {
  const etcd = await startEtcd();
  const one = await createNode(etcd, 'n1', { ...replicaOf(await scratchDirectory()), ...env });
  await one.start();
  const [here, there] = [await signUp(one, 'here'), await signUp(one, 'there')];
  const two = await createStandby(etcd, 'n2', one);
  const second = await two.start();
  await untilMovable(etcd);
  // At the node that does not run it.
  const moved = await fathomd(['databases', 'move', there.name, 'n2', '--socket', two.socketPath]);
  expect(moved).toMatchObject({ exitCode: 0 });
  await untilRunning(two, there.name);
  return { one, two, here, there, second };
}

const urlOf = ({ url }: Deployment, { name }: Tenant, action = '') =>
  `${url}/api/v1/databases/${name}${action}`;

async function adminToken(fathom: Deployment): Promise<string> {
  const { token } = await fathom.client.auth.login(fathom.admin);
  return token;
}

const REQUEST = 'request-of-a-proxy-1';

/** One request with an address of the client, as a trusted proxy sends it. */
async function stopAs(fathom: Deployment, tenant: Tenant, token: string, client: string) {
  const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': client, 'x-request-id': REQUEST };
  const sent = request(urlOf(fathom, tenant, '/stop'), { method: 'POST', headers }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, id: response.headers['x-request-id'], body: await text(response) };
}

const listAt = async (fathom: Deployment) =>
  (await fathom.client.databases.list()).items
    .filter(({ kind }) => kind === 'user')
    .map(({ name, node, phase, url }) => ({ name, node, phase, url }));

const isSnapshot = (frame: ServerFrame) => frame.type === 'snapshot';

describe.skipIf(!hasEtcd('the tests of forwarding') || litestream === null)('any node of a cluster', () => {
  it('answers for databases of other nodes, and for the leader', async () => {
    const { one, two, here, there, second } = await createFleet();
    const admin = await adminToken(one);

    // Over TCP and the local socket, in both directions.
    const stopped = await call<{ phase: string }>('POST', urlOf(one, there, '/stop'), { token: admin });
    expect([stopped.status, stopped.body.phase]).toEqual([200, 'stopped']);
    expect((await instance(two, there.name)).phase).toBe('stopped');
    expect(await one.client.databases.start(there.name)).toMatchObject({ phase: 'running' });
    expect(await two.client.databases.restart(here.name)).toMatchObject({ phase: 'running' });
    const { pid } = await instance(one, here.name);
    expect((await instance(two, here.name)).pid).toBe(pid);

    // Owners have the same permissions at each node.
    const owner = { token: (await signIn(one.url, there.email, PASSWORD)).token };
    const records = await call<{ items: unknown[] }>(
      'GET',
      urlOf(one, there, '/collections/documents/records'),
      owner,
    );
    expect([records.status, records.body.items]).toEqual([200, []]);
    const stranger = await call('POST', urlOf(two, here, '/stop'), owner);
    expect([stranger.status, stranger.body.code]).toEqual([403, 'auth.forbidden']);
    expect((await call('POST', urlOf(one, there, '/stop'))).status).toBe(401);
    const large = await call('PATCH', urlOf(one, there), { token: admin, body: `"${'x'.repeat(70_000)}"` });
    expect(large.status).toBe(413);
    const wrong = await call('PATCH', urlOf(one, there), { token: admin, body: { memory_mb: 'much' } });
    expect([wrong.status, wrong.body.code, wrong.headers.get('content-type')]).toEqual([
      400,
      'request.invalid',
      'application/problem+json',
    ]);
    const configured = await call<{ limits: unknown }>('PATCH', urlOf(one, there), {
      token: admin,
      body: { memory_mb: 700 },
    });
    expect(configured.body.limits).toMatchObject({ memory_bytes: 700 * 1024 * 1024 });

    // Logs, and a download.
    expect((await one.client.databases.logs(there.name)).lines.length).toBeGreaterThan(0);
    const backup = await one.client.backups.create(there.name);
    const download = await fetch(urlOf(one, there, `/backups/${backup.id}/download`), {
      headers: { authorization: `Bearer ${admin}` },
    });
    const bytes = (await download.bytes()).length;
    expect([download.status, download.headers.get('content-type')]).toEqual([200, 'application/x-tar']);
    expect(bytes).toBeGreaterThan(100_000);

    // What the leader does.
    const session = await signUp(two, 'new');
    expect((await instance(one, session.name)).phase).not.toBe('failed');
    const added = await two.client.users.add({ email: 'added@example.com', password: PASSWORD });
    await two.client.users.delete(added.id);
    await expect(one.client.users.get(added.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(two.client.users.delete(there.userId)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('fathomd databases move'),
    });

    second.signal('SIGKILL');
    await second.exited;
    const away = await call('GET', urlOf(one, there), { token: admin });
    expect([away.status, away.body.code, away.headers.get('retry-after')]).toEqual([
      503,
      'cluster.unavailable',
      '5',
    ]);
    expect(away.body.detail).toContain('n2');
    // The leader takes it over when the lease is over.
    await until(async () => (await call('GET', urlOf(one, there), { token: admin })).status === 200, {
      what: () => 'n1 to take it over',
    });
    await untilRunning(one, there.name);
  });

  it('lists the databases of all nodes, and follows them', async () => {
    const { one, two, here, there } = await createFleet();
    const urls = await Promise.all([instance(one, here.name), instance(two, there.name)]);
    const all = [
      { name: here.name, node: 'n1', phase: 'running', url: urls[0].url },
      { name: there.name, node: 'n2', phase: 'running', url: urls[1].url },
    ];
    for (const fathom of [one, two])
      await until(async () => isDeepStrictEqual(await listAt(fathom), all), {
        what: async () => `all databases: ${JSON.stringify(await listAt(fathom))}`,
      });

    const { token } = await signIn(one.url, there.email, PASSWORD);
    const own = await call<{ items: Instance[] }>('GET', `${one.url}/api/v1/databases`, { token });
    expect(own.body.items.map(({ name, node }) => [name, node])).toEqual([[there.name, 'n2']]);

    const reader = new StreamReader(one, { token });
    await reader.subscribe(1, 'instances');
    const seen = () => reader.events('instances').filter((event) => 'instance' in event);
    expect(await reader.untilFrame(isSnapshot, 'a snapshot')).toMatchObject({
      data: [{ name: there.name, node: 'n2' }],
    });
    await two.client.databases.stop(there.name);
    await until(() => seen().some((event) => event.instance.phase === 'stopped'), {
      what: () => `the stop on n2: ${JSON.stringify(seen())}`,
    });
    await one.client.databases.start(there.name);
    await until(() => seen().at(-1)?.instance.phase === 'running', {
      what: () => `the start on n2: ${JSON.stringify(seen())}`,
    });

    // Members know new databases at once, and deleted ones.
    const added = await signUp(one, 'new');
    const isAtTwo = async () => (await listAt(two)).some(({ name }) => name === added.name);
    await until(isAtTwo, { what: () => 'n2 to know the new database' });
    await two.client.databases.delete(added.name);
    await until(async () => !(await isAtTwo()), { what: () => 'n2 to forget it' });
  });

  it('keeps the client and its request id, and believes only nodes of the fleet', async () => {
    const { one, two, here, there } = await createFleet({ TRUSTED_PROXIES: '127.0.0.1' });
    const admin = await adminToken(one);
    const now = new Date();
    const path = `/api/v1/databases/${there.name}/stop`;
    const pass = {
      to: 'n1',
      method: 'POST',
      url: path,
      body: '',
      credentials: hash('sha256', '[null,null]', 'base64url'),
      request_id: 'a-forwarded-request',
      client: '192.0.2.7',
      local: { uid: 0 },
    };
    const fleet = (await one.client.nodes.list()).items[0]?.fleet ?? '';
    const send = (key: Uint8Array) =>
      call('POST', `${one.url}${path}`, {
        headers: { [NODE_PASS_HEADER]: writePass(pass, { key, node: 'n2', fleet }, now) },
      });
    const forged = await send(Buffer.alloc(32));
    expect([forged.status, forged.body.code]).toEqual([401, 'auth.required']);
    // It came from another node already, so it goes to no other one.
    const second = await send(deriveKey(Buffer.from(one.env['JWT_SECRET'] ?? ''), 'node-pass', 32));
    expect([second.status, second.body.code, second.headers.get('retry-after')]).toEqual([
      503,
      'cluster.unavailable',
      '1',
    ]);
    expect(second.headers.get('x-request-id')).toBe('a-forwarded-request');

    expect(await stopAs(one, there, admin, '192.0.2.9')).toMatchObject({ status: 200, id: REQUEST });
    await two.client.databases.stop(here.name);
    const entries = await until(
      async () => {
        const { items } = await one.client.audit.list({ action: 'database.stop' });
        return items.filter(({ outcome }) => outcome === 'ok').length === 2 ? items : null;
      },
      { what: () => 'both stops in the audit log, once each' },
    );
    const of = (tenant: Tenant) =>
      entries.find(({ target, outcome }) => target === tenant.name && outcome === 'ok');
    expect(of(there)).toMatchObject({ address: '192.0.2.9', actor_kind: 'session', request_id: REQUEST });
    expect(of(here)).toMatchObject({ address: 'local', actor_kind: 'local' });
  });
});
