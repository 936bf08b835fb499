import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { AuditEntry } from '../../shared/api/audit.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, kill, signUp, untilReplaced } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { call } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();

interface Key {
  id: string;
  key: string;
}

/** For its writing connection the database then is as on a full disk, without one: SQLite says that the disk is full. */
async function allowPages(fathom: Deployment, pages: number): Promise<void> {
  const query = `DELETE FROM sessions WHERE FALSE; PRAGMA max_page_count = ${pages}`;
  await (await controlPlane(fathom)).send('/api/sql', { method: 'POST', body: { query } });
}
/** Not less than there are. */
const NO_MORE = 1;
const ENOUGH = 1_000_000_000;

async function entries(fathom: Deployment, action: string): Promise<AuditEntry[]> {
  const { items } = await fathom.client.audit.list({ page: 1, per_page: 500 });
  return items.filter((entry) => entry.action === action);
}

const verified = async (fathom: Deployment) =>
  JSON.parse(
    (await fathomd(['audit', 'verify', '--json', '--socket', fathom.socketPath], { cwd: fathom.dataDir }))
      .stdout,
  ) as { ok: boolean };

it('a control plane that is full gives no API key that is not kept, takes none back, and tells the audit log all of it later', async () => {
  const { fathom } = shared;
  const { token } = await signUp(fathom);
  const given: Key[] = [];
  const ask = async () => {
    const body = { name: `the ${given.length}. key`.padEnd(100, '.') };
    const answer = await call<Key>('POST', `${fathom.url}/api/v1/api-keys`, { token, body });
    if (answer.status === 201) given.push(answer.body);
    return answer;
  };
  const opens = async ({ key }: Key) => (await call('GET', `${fathom.url}/api/v1/me`, { token: key })).status;
  await ask();
  await allowPages(fathom, NO_MORE);
  // As many as find room in the pages that are there; the first that does not is refused.
  const refused = await until(
    async () => {
      const answer = await ask();
      return answer.status === 201 ? null : answer;
    },
    { what: 'a key to be refused' },
  );
  expect(refused).toMatchObject({ status: 503, body: { code: 'control_plane.unavailable' } });
  const [revoked, ...kept] = given;
  if (!revoked) throw new Error('no key was given');
  const revoke = await call('DELETE', `${fathom.url}/api/v1/api-keys/${revoked.id}`, { token });
  expect(revoke.status).toBe(204);
  expect(await opens(revoked)).toBe(401);
  for (const key of kept) expect(await opens(key)).toBe(200);

  await allowPages(fathom, ENOUGH);
  await until(async () => (await entries(fathom, 'api-key.revoke')).length === 1, {
    what: 'the audit log to be written',
  });
  const outcomes = (await entries(fathom, 'api-key.create')).map(({ outcome }) => outcome).toReversed();
  expect(outcomes).toEqual([...given.map(() => 'ok'), 'failed']);
  expect(await verified(fathom)).toMatchObject({ ok: true });
  const before = await instance(fathom, 'global');
  kill(before.pid, 'SIGKILL');
  await untilReplaced(fathom, before);
  expect(await opens(revoked)).toBe(401);
  for (const key of kept) expect(await opens(key)).toBe(200);
});

it('an end of the audit log that cannot be kept is kept once it can be, though nothing else is written', async () => {
  const { fathom } = shared;
  // As a full disk would.
  const obstacle = join(fathom.dataDir, '.audit-head.json.new');
  await mkdir(obstacle);
  await writeFile(join(obstacle, 'in the way'), '');
  await fathom.client.users.update('nobody000000000', {}).catch(() => {});
  const [last] = await entries(fathom, 'user.update');
  const keptEnd = async () =>
    (JSON.parse(await readFile(join(fathom.dataDir, 'audit-head.json'), 'utf8')) as { seq: number }).seq;
  expect(last?.seq).toBeGreaterThan(await keptEnd());
  await rm(obstacle, { recursive: true });
  await until(async () => (await keptEnd()) === last?.seq, { what: 'the end to be kept' });
  expect(await verified(fathom)).toMatchObject({ ok: true });
});
