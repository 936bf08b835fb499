import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { daemonCallBodies } from '../../shared/hooks/daemon-calls.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { signUp } from '../helpers/http-call.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const JSON_TYPE = { 'content-type': 'application/json' };

let fathom: Deployment;
let admin: string;
let user: string;

beforeAll(async () => {
  ({ fathom, admin } = await startedDeployment());
  user = (await signUp(fathom.url, 'stranger@example.com')).token;
});

afterAll(() => fathom.dispose());

/** The global PocketBase refuses it by its length, before it asks who calls. */
const TOO_LARGE = 'too many bytes';

/** The others would be 400 or 415 if they were read. */
const ODD_BODIES: readonly [string, string | undefined, Record<string, string>][] = [
  ['no body', undefined, {}],
  ['an empty body', '', JSON_TYPE],
  ['no JSON', '{', JSON_TYPE],
  ['null', 'null', JSON_TYPE],
  ['a list', '[]', JSON_TYPE],
  ['wrong fields', '{"user_id":5,"hash":{},"rows":"x","body":[]}', JSON_TYPE],
  ['a prototype', '{"__proto__":{"user":"x"}}', JSON_TYPE],
  ['deep nesting', '['.repeat(10_000), JSON_TYPE],
  [TOO_LARGE, `"${'x'.repeat(100_000)}"`, JSON_TYPE],
  ['another type', '<a/>', { 'content-type': 'text/xml' }],
  ['another character set', '{}', { 'content-type': 'application/json; charset=utf-16' }],
  ['a form', 'user=x', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a broken multipart form', 'x', { 'content-type': 'multipart/form-data; boundary=y' }],
];

async function statusesOf(url: string, method: string, headers: Record<string, string>) {
  const statuses: Record<string, number> = {};
  for (const [what, body, type] of ODD_BODIES) {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...type },
      ...(body === undefined || method === 'GET' ? {} : { body }),
    });
    statuses[what] = response.status;
    await response.arrayBuffer();
  }
  return statuses;
}

/** Callers who are not the daemon or its hooks. */
const strangers = (): [string, Record<string, string>][] => [
  ['without a token', {}],
  ['with a wrong hook token', { 'x-fathom-hook-token': 'x'.repeat(43) }],
  ['with an empty hook token', { 'x-fathom-hook-token': '' }],
  ['with a session of a user', { authorization: `Bearer ${user}` }],
];

describe('the routes of hooks at the daemon', () => {
  const paths = [...Object.keys(daemonCallBodies), '/internal/queue/wake'];

  it('are all in the table', async () => {
    const files = await readdir(join(ROOT, 'daemon'), { recursive: true });
    const registered = new Set<string>();
    for (const file of files.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
      const text = await readFile(join(ROOT, 'daemon', file), 'utf8');
      for (const [, path = ''] of text.matchAll(/'(\/internal\/[^']+)'/g)) registered.add(path);
    }
    expect([...registered].toSorted()).toEqual(paths.toSorted());
  });

  it.each(paths)('%s does not exist for a stranger, with any body', async (path) => {
    for (const [who, headers] of [
      ...strangers(),
      ['an administrator', { authorization: `Bearer ${admin}` }],
    ] as const) {
      for (const [what, status] of Object.entries(await statusesOf(fathom.url + path, 'POST', headers))) {
        expect([who, what, status]).toEqual([who, what, 404]);
      }
    }
  });
});

describe('the routes that hooks add to the global PocketBase', async () => {
  const hooks = join(ROOT, 'pb_hooks', 'global');
  const routes: [string, string][] = [];
  for (const file of (await readdir(hooks)).filter((name) => name.endsWith('.pb.js'))) {
    const text = await readFile(join(hooks, file), 'utf8');
    for (const [, method = '', path = ''] of text.matchAll(/routerAdd\(\s*'(\w+)',\s*'([^']+)'/g)) {
      routes.push([method, path]);
    }
  }

  it('are found', () => {
    expect(routes.length).toBeGreaterThanOrEqual(10);
    expect(routes).toContainEqual(['POST', '/api/fathom/identity/resolve']);
    expect(routes).toContainEqual(['POST', '/api/fathom/queue/{operation}']);
  });

  it.each(routes)('%s %s refuses a stranger before it reads the body', async (method, path) => {
    const url = fathom.globalUrl + path.replace('{operation}', 'claim').replace('{collection}', 'users');
    for (const [who, headers] of strangers()) {
      for (const [what, status] of Object.entries(await statusesOf(url, method, headers))) {
        expect(what === TOO_LARGE && method !== 'GET' ? [413] : [401, 403, 404], `${who}, ${what}`).toContain(
          status,
        );
      }
    }
  });

  it('refuse an unknown operation of the queue in the same way', async () => {
    for (const operation of ['claim', 'stats', 'nothing', '__proto__', '%00', '..%2fstats']) {
      const url = `${fathom.globalUrl}/api/fathom/queue/${operation}`;
      const { [TOO_LARGE]: tooLarge, ...others } = await statusesOf(url, 'POST', {});
      expect(tooLarge, operation).toBe(413);
      expect(new Set(Object.values(others)), operation).toEqual(new Set([404]));
    }
  });
});
