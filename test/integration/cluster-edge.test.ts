import { describe, expect, it } from 'vitest';
import { createNode } from '../helpers/cluster-node.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, PASSWORD, signUp, type Tenant } from '../helpers/fleet-actions.ts';
import {
  type ClusterEdge,
  EDGE_DOMAIN,
  EDGE_SETTINGS,
  type EdgeRequest,
  hasHaproxy,
  hostOfDatabase,
  startClusterEdge,
} from '../helpers/haproxy.ts';
import { until } from '../helpers/until.ts';

const API = `api.${EDGE_DOMAIN}`;
const AUTH = `auth.${EDGE_DOMAIN}`;
const RECORDS = '/api/collections/documents/records';

async function createStage() {
  const etcd = await startEtcd();
  const fathom = await createNode(etcd, 'n1', EDGE_SETTINGS);
  const daemon = await fathom.start();
  const ann = await signUp(fathom, 'ann');
  const edge = await startClusterEdge(etcd);
  await untilStatus(edge, hostOfDatabase(ann.name), 200);
  return { etcd, fathom, daemon, ann, edge };
}

const statusOf = async (edge: ClusterEdge, host: string, path = '/api/health', options?: EdgeRequest) =>
  (await edge.call(host, path, options)).status;

function untilStatus(edge: ClusterEdge, host: string, status: number) {
  let seen: unknown = null;
  return until(
    async () => {
      seen = await statusOf(edge, host);
      return seen === status;
    },
    { what: () => `status ${status} of ${host}; it is ${String(seen)}: ${edge.log()}` },
  );
}

const authorization = ({ ownerToken }: Tenant) => ({ authorization: ownerToken });

const addDocument = (edge: ClusterEdge, tenant: Tenant, title: string) =>
  edge.call(hostOfDatabase(tenant.name), RECORDS, {
    method: 'POST',
    headers: authorization(tenant),
    body: JSON.stringify({ title }),
  });

const isHere = [hasEtcd('the tests of the edge'), hasHaproxy('the tests of the edge')].every(Boolean);

describe.skipIf(!isHere)('the edge of a cluster', () => {
  it('leads to databases, the API and the global PocketBase, and knows no other name', async () => {
    const { fathom, ann, edge } = await createStage();
    expect(await addDocument(edge, ann, 'by the edge')).toMatchObject({ status: 200 });
    expect(await statusOf(edge, hostOfDatabase(ann.name).toUpperCase())).toBe(200);
    expect(await statusOf(edge, `${hostOfDatabase(ann.name)}.:80`)).toBe(200);
    expect(JSON.parse((await edge.call(API, '/health')).text)).toMatchObject({ status: 'ok' });
    expect(await statusOf(edge, AUTH)).toBe(200);
    const absent = await edge.call(hostOfDatabase('2026-01-15-001-absent'), '/api/health');
    expect(JSON.parse(absent.text)).toMatchObject({ status: 404, data: {} });
    expect(absent.headers['access-control-allow-origin']).toBe('*');
    for (const host of [`x${hostOfDatabase(ann.name)}`, ann.name, EDGE_DOMAIN, '127.0.0.1'])
      expect(await statusOf(edge, host), host).toBe(404);

    const bob = await signUp(fathom, 'bob');
    await untilStatus(edge, hostOfDatabase(bob.name), 200);
    await fathom.client.databases.stop(bob.name);
    await untilStatus(edge, hostOfDatabase(bob.name), 503);
    const closed = await edge.call(hostOfDatabase(bob.name), '/api/health');
    expect([closed.status, closed.headers['retry-after']]).toEqual([503, '2']);
    await fathom.client.users.delete(bob.userId);
    await untilStatus(edge, hostOfDatabase(bob.name), 404);
  });

  it('closes what only superusers use, and headers that clients cannot set', async () => {
    const { fathom, ann, edge } = await createStage();
    const closed = [
      '/_/',
      '/_',
      '/api/settings',
      '/api/SETTINGS/',
      '/api/%73ettings',
      '/api//settings',
      '/api/x/../settings',
      '/api/x/%2e%2e/settings',
      '/api%2Fsettings',
      '/api/backups',
      '/api/logs',
      '/api/crons',
      '/api/sql',
      '/api/collections',
      '/api/collections/documents',
      '/api/collections/users/impersonate/x',
      '/api/collections/_superusers/auth-methods',
      '/api/collections/%5fSUPERUSERS/records',
      '/api/collections/pbc_3142635823/auth-methods',
    ];
    for (const host of [hostOfDatabase(ann.name), AUTH]) {
      for (const path of closed) expect(await statusOf(edge, host, path), `${host}${path}`).toBe(404);
      expect(await statusOf(edge, host, '/api/collections/users/auth-methods')).toBe(200);
    }
    for (const path of ['/metrics', '/api/v1/edge/databases/x', '/api/v1//edge/databases/x'])
      expect(await statusOf(edge, API, path), path).toBe(404);
    const headers = { 'content-length': String(101 * 2 ** 20) };
    expect(await statusOf(edge, hostOfDatabase(ann.name), RECORDS, { method: 'POST', headers })).toBe(413);

    const login = await edge.call(API, '/api/v1/auth/login', {
      method: 'POST',
      body: JSON.stringify({ email: ann.email, password: PASSWORD }),
      headers: { 'x-forwarded-for': '203.0.113.9', 'user-agent': 'forger' },
      from: '127.0.0.3',
    });
    expect(login.status).toBe(200);
    const { items } = await fathom.client.sessions.list({ user_id: ann.userId });
    expect(items.find(({ user_agent }) => user_agent === 'forger')?.address).toBe('127.0.0.3');
  });

  it('passes realtime events', async () => {
    const { ann, edge } = await createStage();
    const stream = await edge.open(hostOfDatabase(ann.name), '/api/realtime');
    let received = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
    });
    stream.on('error', () => {});
    const clientId = await until(() => /"clientId":"(\w+)"/.exec(received)?.[1], {
      what: 'the id of the connection',
    });
    const body = JSON.stringify({ clientId, subscriptions: ['documents/*'] });
    const subscribe = { method: 'POST', headers: authorization(ann), body };
    expect(await statusOf(edge, hostOfDatabase(ann.name), '/api/realtime', subscribe)).toBe(204);
    await addDocument(edge, ann, 'live');
    await until(() => received.includes('"title":"live"'), { what: 'the event' });
    stream.destroy();
    expect(edge.configuration).toContain('option http-no-delay');
  });

  it('lets requests wait while their database moves', async () => {
    const { fathom, daemon, ann, edge } = await createStage();
    await daemon.stop();
    await until(() => edge.log().includes('"to":"moving"'), { what: () => edge.log() });
    const waiting = addDocument(edge, ann, 'waited');
    await fathom.start();
    expect((await waiting).status).toBe(200);
    expect((await instance(fathom, ann.name)).phase).toBe('running');
  });

  it('keeps routes without its agent and without etcd, and learns new ones afterwards', async () => {
    const { etcd, fathom, ann, edge } = await createStage();
    await edge.agent.kill();
    const bob = await signUp(fathom, 'bob');
    await edge.haproxy.kill();
    await edge.haproxy.start();
    expect(await statusOf(edge, hostOfDatabase(ann.name))).toBe(200);
    expect(await statusOf(edge, hostOfDatabase(bob.name))).toBe(404);
    await edge.agent.start();
    expect(await statusOf(edge, hostOfDatabase(bob.name))).toBe(200);

    await etcd.stop();
    await edge.haproxy.kill();
    await edge.haproxy.start();
    for (const { name } of [ann, bob]) expect(await statusOf(edge, hostOfDatabase(name))).toBe(200);
    await etcd.start();
    const cem = await signUp(fathom, 'cem');
    await untilStatus(edge, hostOfDatabase(cem.name), 200);
  });
});

const runEdge = (env: Record<string, string>) => fathomd(['edge', 'run'], { env });

it('says which settings an edge needs', async () => {
  const cluster = { FATHOM_CLUSTER: 'http://127.0.0.1:1' };
  const port = await runEdge({ ...cluster, ...EDGE_SETTINGS, PB_PUBLIC_URL: 'http://{name}.x.test:{port}' });
  expect(port).toMatchObject({ exitCode: 78 });
  expect(port.stderr).toContain('PB_PUBLIC_URL: has {port}, which changes when a database moves');
  expect((await runEdge(EDGE_SETTINGS)).stderr).toContain('FATHOM_CLUSTER: is not set');
});
