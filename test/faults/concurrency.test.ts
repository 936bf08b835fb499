import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { parseDatabaseName } from '../../shared/database-name.ts';
import { controlPlane, databaseRows, expectWholeFleet } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { until } from '../helpers/until.ts';

const SIGN_UPS = 50;
const SIGN_INS = 20;

async function signUpWithSdk(globalUrl: string, email: string): Promise<Pick<Session['database'], 'name'>> {
  const client = new PocketBase(globalUrl);
  await client.collection('users').create({ email, password: PASSWORD, passwordConfirm: PASSWORD });
  // A sign-in waits half a minute for the database, and is then answered without one; the next sign-in has it.
  return until(
    async () => {
      const { meta } = await client.collection('users').authWithPassword(email, PASSWORD);
      return meta?.['database'] as Session['database'] | null;
    },
    { what: `the database of ${email}` },
  );
}

/** What a log says at level warn or above. */
describe('many at once', () => {
  it('50 sign-ups, through both doors, make 50 databases, and their deletions leave nothing behind', {
    timeout: 240_000,
  }, async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    const emails = Array.from({ length: SIGN_UPS }, (_, index) => `User.${index}@example.com`);
    const databases = await Promise.all(
      emails.map(async (email, index) =>
        index % 2 === 0 ? (await signUp(fathom.url, email)).database : signUpWithSdk(fathom.globalUrl, email),
      ),
    );
    const parts = databases.map(({ name }) => parseDatabaseName(name));
    expect(parts.map((part) => part?.username)).toEqual(emails.map((_, index) => `user${index}`));
    const numbers = parts.map((part) => part?.number).toSorted((a = 0, b = 0) => a - b);
    expect(numbers).toEqual(Array.from({ length: SIGN_UPS }, (_, index) => index + 1));

    const rows = await expectWholeFleet(fathom, emails);
    expect(rows.map(({ name }) => name).toSorted()).toEqual(databases.map(({ name }) => name).toSorted());
    expect(new Set(rows.map(({ port }) => port)).size).toBe(SIGN_UPS);

    // A row that a person deleted: what it named ends without a restart of the daemon, and its owner gets another one.
    const superuser = await controlPlane(fathom);
    const [first, ...others] = rows;
    if (!first) throw new Error('there are rows');
    await superuser.collection('user_databases').delete(first.id);
    const { pid } = await fathom.client.databases.get('global');
    process.kill(pid ?? 0, 'SIGKILL');
    await until(
      async () => {
        const names = (await fathom.client.databases.all()).map(({ name }) => name);
        return !names.includes(first.name) && names.length === SIGN_UPS + 1;
      },
      { what: 'the entry without a row to be dropped' },
    );
    expect(await readdir(join(fathom.dataDir, 'user_dbs'))).toContain(first.name);

    const logged = daemon.output().length;
    await Promise.all(others.map(({ user }) => fathom.client.users.delete(user)));
    const left = await fathom.client.databases.all();
    expect(new Set(left.map(({ user_id }) => user_id))).toEqual(new Set([first.user, null]));
    expect(await readdir(join(fathom.dataDir, 'user_dbs'))).toHaveLength(2);
    const warnings = logLines(daemon.output().slice(logged)).filter(({ level }) => level >= WARN);
    expect(new Set(warnings.map(({ instance }) => instance))).toEqual(
      new Set(others.map(({ name }) => name)),
    );
  });

  it('20 sign-ins of one user who was added while the daemon was down make one database', async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    // The global PocketBase goes on when the daemon dies.
    daemon.signal('SIGKILL');
    await daemon.exited;
    const account = new PocketBase(fathom.globalUrl);
    const fresh = { email: 'fresh@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    // Only the daemon admits sign-ups.
    await expect(account.collection('users').create(fresh)).rejects.toMatchObject({ status: 503 });
    await (await controlPlane(fathom)).collection('users').create(fresh);
    expect(await databaseRows(fathom)).toEqual([]);
    const early = await account.collection('users').authWithPassword('fresh@example.com', PASSWORD);
    expect(early.meta).toEqual({ database: null });

    await fathom.start();
    const answers = await Promise.all(
      Array.from({ length: SIGN_INS }, async () => {
        const client = new PocketBase(fathom.globalUrl);
        const { meta } = await client.collection('users').authWithPassword('fresh@example.com', PASSWORD);
        return (meta?.['database'] as Session['database'] | undefined)?.name;
      }),
    );
    expect(new Set(answers).size).toBe(1);
    const rows = await expectWholeFleet(fathom, ['fresh@example.com']);
    expect(rows.map(({ name, number }) => ({ name, number }))).toEqual([{ name: answers[0], number: 1 }]);

    // One address signed up many times at once is one account, with one database.
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => signUp(fathom.url, 'twin@example.com')),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('auth.email_taken');
    }
    expect(await expectWholeFleet(fathom, ['twin@example.com'])).toHaveLength(2);
  });
});
