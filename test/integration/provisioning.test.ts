import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { databaseRows, expectWholeFleet } from '../helpers/fleet-state.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, PASSWORD, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
/** The one that runs when a test begins. */
let daemon: Daemon;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment());
});

afterAll(() => fathom.dispose());

describe('what a person changes in the control plane', () => {
  it('a row whose name leads out of the directory is ignored, the others run, and files of another user are never handed out', async () => {
    const bad = await signUp(fathom.url, 'bad@example.com');
    const known = (await databaseRows(fathom)).length;
    const client = new PocketBase(fathom.globalUrl);
    await client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
    const [row] = (await databaseRows(fathom)).filter(({ user }) => user === bad.user.id);
    await client.collection('user_databases').update(row?.id ?? '', { name: '../../etc' });
    await daemon.stop();

    daemon = await fathom.start();
    await until(
      async () =>
        (await fathom.client.databases.all()).filter(
          ({ phase, kind }) => kind === 'user' && phase === 'running',
        ).length ===
        known - 1,
      { what: 'the others to run' },
    );
    expect(daemon.output()).toContain("'../../etc'");
    const answer = await call('POST', `${fathom.url}/api/v1/auth/login`, {
      body: { email: 'bad@example.com', password: PASSWORD },
    });
    expect(answer.status).toBe(500);

    await client.collection('user_databases').update(row?.id ?? '', { name: bad.database.name });
    const { database: lost } = await signUp(fathom.url, 'next@example.com');
    await daemon.stop();
    // As when the control plane is put back from a backup: it counts from there again.
    withDatabase(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), { readOnly: false }, (database) => {
      database.prepare('DELETE FROM user_databases WHERE name = ?').run(lost.name);
      database.prepare('DELETE FROM users WHERE email = ?').run('next@example.com');
      database.exec('UPDATE database_days SET last_number = last_number - 1');
    });
    await fathom.start();
    const next = { body: { email: 'next@example.org', password: PASSWORD } };
    const refused = await call('POST', `${fathom.url}/api/v1/auth/register`, next);
    expect(refused).toMatchObject({ status: 502, body: { code: 'provision.failed' } });
    expect(refused.body.detail).not.toContain(lost.name);
    await expect(fathom.client.databases.start(lost.name)).rejects.toMatchObject({
      code: 'provision.failed',
    });
    // It is not taken for one that was stopped on purpose.
    expect(await fathom.client.databases.get(lost.name)).toMatchObject({
      phase: 'failed',
      desired: 'running',
      reason: { code: 'provision_failed', message: expect.stringContaining(lost.name) },
    });
    await rm(join(fathom.dataDir, 'user_dbs', lost.name), { recursive: true });
    // The remedy that is named for what is not running makes it, too.
    expect(await fathom.client.databases.start(lost.name)).toMatchObject({ phase: 'running' });
    const given = await call('POST', `${fathom.url}/api/v1/auth/login`, next);
    expect(given).toMatchObject({ status: 200, body: { database: { name: lost.name } } });
    const both = ['bad@example.com', 'next@example.org'];
    expect(await expectWholeFleet(fathom, both)).toHaveLength(known + 1);
  });
});
