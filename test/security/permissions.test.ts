import { afterAll, beforeAll, expect, it } from 'vitest';
import { PERMISSIONS, type Permission, ROLES, type Role } from '../../daemon/accounts/permissions.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import { createClient } from '../../shared/client/fathom-client.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { textWith } from '../helpers/text-with.ts';

interface Route {
  method: string;
  path: string;
  permission: Permission | 'public' | 'edge';
}

/** A caller with the permission never gets these. */
const REFUSED = [401, 403];

let fathom: Deployment;
let routes: Route[];
const tokens = {} as Record<Role, string>;
let ann: Session;
let bob: Session;

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  tokens.admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  for (const role of ['viewer', 'operator'] as const) {
    const body = { email: `${role}@example.com`, password: PASSWORD, role };
    await call('POST', `${fathom.url}/api/v1/users`, { token: tokens.admin, body });
    tokens[role] = (await signIn(fathom.url, body.email)).token;
  }
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  tokens.user = ann.token;
  const { body } = await call<{
    paths: Record<string, Record<string, { 'x-permission': Route['permission'] }>>;
  }>('GET', `${fathom.url}/openapi.json`);
  routes = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => ({
      method: method.toUpperCase(),
      path,
      permission: route['x-permission'],
    })),
  );
});

afterAll(() => fathom.dispose());

/** With parameters that name nothing, so that nothing happens where it is allowed. */
const nowhere = (path: string) =>
  path
    .replace('{name}', '2001-01-01-001-nobody')
    .replace('{id}', 'nobody000000000')
    .replace(/\{\w+\}/g, 'x');

const ofBob = (path: string) =>
  path
    .replace('{name}', bob.database.name)
    .replace('{id}', bob.user.id)
    .replace(/\{\w+\}/g, 'x');

async function ask({ method, path }: Route, token: string | undefined): Promise<number> {
  const body = method === 'GET' || method === 'DELETE' ? undefined : {};
  return (await call(method, `${fathom.url}${path}`, { token, body })).status;
}

it('every route names a permission of the table', () => {
  expect(routes.length).toBeGreaterThan(25);
  for (const { permission } of routes)
    expect(['public', 'edge', ...Object.keys(PERMISSIONS)]).toContain(permission);
});

it('nobody gets in without a session, except where it is public', async () => {
  for (const route of routes) {
    const status = await ask({ ...route, path: nowhere(route.path) }, undefined);
    if (route.permission === 'public') expect(status, `${route.method} ${route.path}`).not.toBe(403);
    else expect(status, `${route.method} ${route.path}`).toBe(401);
  }
});

it.each(ROLES)('the role %s may do what the table says, and nothing else', async (role) => {
  // These end the session with which they are asked.
  const ending = ['/api/v1/auth/logout', '/api/v1/auth/refresh', '/api/v1/sessions'];
  const asked = routes.filter(({ method, path }) => !(method !== 'GET' && ending.includes(path)));
  for (const route of asked) {
    if (route.permission === 'public' || route.permission === 'edge') continue;
    const scope = PERMISSIONS[route.permission][role];
    const named = `${role}: ${route.method} ${route.path}`;
    const status = await ask({ ...route, path: nowhere(route.path) }, tokens[role]);
    if (scope === null) expect(status, named).toBe(403);
    if (scope === 'all') expect(REFUSED, named).not.toContain(status);
    expect(status, named).not.toBe(401);
    expect(status, named).toBeLessThan(500);
    // Ids of work items are those of the own database.
    const canNameOthers = /\{(name|id)\}/.test(route.path) && !route.permission.startsWith('work-items.');
    if (scope !== 'all' && canNameOthers) {
      const onOthers = await ask({ ...route, path: ofBob(route.path) }, tokens[role]);
      expect([403, 404], `${named} on another's`).toContain(onOthers);
    }
  }
});

it('a user sees of the lists its own alone', async () => {
  const { body } = await call<Page<{ user_id: string }>>('GET', `${fathom.url}/api/v1/databases`, {
    token: ann.token,
  });
  expect(body.items.map(({ user_id }) => user_id)).toEqual([ann.user.id]);
  for (const role of ['viewer', 'operator', 'admin'] as const) {
    const all = await call<Page<object>>('GET', `${fathom.url}/api/v1/databases`, { token: tokens[role] });
    expect(all.body.total).toBe(3);
  }
});

it('an operator restarts what a viewer may only look at', async () => {
  const url = `${fathom.url}/api/v1/databases/${bob.database.name}`;
  for (const verb of ['stop', 'start', 'restart']) {
    expect((await call('POST', `${url}/${verb}`, { token: tokens.viewer })).status).toBe(403);
    expect((await call('POST', `${url}/${verb}`, { token: tokens.operator })).status).toBe(200);
  }
  expect((await call('GET', `${url}/logs`, { token: tokens.viewer })).status).toBe(200);
  expect((await call('DELETE', url, { token: tokens.operator })).status).toBe(403);
});

it('a caller that limits itself to the role viewer gets no more, over both transports', async () => {
  const headers = { 'fathom-role': 'viewer' };
  const restart = `/api/v1/databases/${bob.database.name}/restart`;
  const list = `${fathom.url}/api/v1/databases`;
  const asAdmin = { token: tokens.admin, headers };
  expect((await call('POST', fathom.url + restart, asAdmin)).status).toBe(403);
  expect((await call('POST', `${fathom.url}/api/v1/queue/pause`, asAdmin)).status).toBe(403);
  expect((await call<Page<object>>('GET', list, asAdmin)).body.total).toBe(3);

  const onSocket = createClient({ target: { socketPath: fathom.socketPath }, role: 'viewer' });
  await expect(onSocket.databases.restart(bob.database.name)).rejects.toMatchObject({
    code: 'auth.forbidden',
    message: textWith('databases.operate', 'viewer'),
  });
  expect((await onSocket.databases.list()).total).toBeGreaterThan(2);

  // It takes away and never adds: a user stays a user.
  const asAnn = { token: ann.token, headers };
  expect((await call<Page<object>>('GET', list, asAnn)).body.total).toBe(1);
  expect((await call('GET', `${fathom.url}/api/v1/audit`, asAnn)).status).toBe(403);
  const nonsense = { token: tokens.admin, headers: { 'fathom-role': 'root' } };
  expect((await call('GET', list, nonsense)).status).toBe(400);
});
