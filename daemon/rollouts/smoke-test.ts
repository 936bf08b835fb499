import { messageOf } from '../../shared/errors.ts';
import type { DatabaseFacts } from './data/facts.ts';

/** Of one request. A view can be slow. */
const TIMEOUT_MS = 30_000;
const PAGE = 200;

export interface SmokeTest {
  url: string;
  /** Of the data before. */
  facts: DatabaseFacts;
  superuserToken: string;
  /** Null when the owner has no record. */
  owner: { id: string; token: string | null } | null;
}

/**
 * Tests a PocketBase that no client uses: it answers, a superuser can list every collection and finds as many rows as before,
 * and the owner can sign in.
 *
 * @returns the first problem; null when everything works
 */
export async function smokeTest(test: SmokeTest, signal: AbortSignal): Promise<string | null> {
  const call = async (path: string, options: { token?: string | null; body?: object } = {}) => {
    const response = await fetch(`${test.url}${path}`, {
      method: options.body ? 'POST' : 'GET',
      headers: {
        ...(options.token ? { authorization: options.token } : {}),
        ...(options.body ? { 'content-type': 'application/json' } : {}),
      },
      ...(options.body ? { body: JSON.stringify(options.body) } : {}),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  try {
    const health = await call('/api/health');
    if (health.status !== 200) return `/api/health answers ${health.status}`;
    return (await testCollections(test, call)) ?? (await testOwner(test, call));
  } catch (error) {
    return `a request failed: ${messageOf(error)}`;
  }
}

type Call = (
  path: string,
  options?: { token?: string | null; body?: object },
) => Promise<{ status: number; body: Record<string, unknown> }>;

async function testCollections(
  { facts, superuserToken: token }: SmokeTest,
  call: Call,
): Promise<string | null> {
  const listed = new Set<string>();
  for (let page = 1; ; page += 1) {
    const query = `page=${page}&perPage=${PAGE}&fields=name&sort=name`;
    const { status, body } = await call(`/api/collections?${query}`, { token });
    if (status !== 200) return `the list of collections answers ${status}`;
    const items = body['items'] as { name: string }[];
    for (const { name } of items) listed.add(name);
    if (items.length < PAGE) break;
  }
  for (const name of Object.keys(facts.rules)) {
    if (!listed.has(name)) return `the collection ${name} is not listed`;
    const path = `/api/collections/${encodeURIComponent(name)}/records?perPage=1&fields=id`;
    const { status, body } = await call(path, { token });
    if (status !== 200) return `the records of ${name} cannot be listed (${status})`;
    const count = facts.rows[name];
    if (count !== undefined && body['totalItems'] !== count)
      return `${name} lists ${String(body['totalItems'])} records, before the change ${count}`;
  }
  return null;
}

async function testOwner({ owner }: SmokeTest, call: Call): Promise<string | null> {
  if (!owner) return null;
  const path = '/api/collections/users';
  const methods = await call(`${path}/auth-methods`);
  const password = methods.body['password'] as { enabled?: boolean } | undefined;
  if (password?.enabled !== true) return 'the owner cannot sign in with the password';
  const refreshed = await call(`${path}/auth-refresh`, { token: owner.token, body: {} });
  const record = refreshed.body['record'] as { id?: string } | undefined;
  if (refreshed.status !== 200 || record?.id !== owner.id)
    return `the session of the owner is not accepted (${refreshed.status})`;
  // The password is not known, and a wrong one shows no more than an empty one, which takes no time to refuse.
  const empty = await call(`${path}/auth-with-password`, { body: {} });
  return empty.status === 400 ? null : `the sign-in of the owner answers ${empty.status}`;
}
