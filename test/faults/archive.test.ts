import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { randomFrom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';

/** In their order, see `ArchiveStep`. */
const STEPS = ['stored', 'verified', 'taken', 'removed'];
const STEPS_BACK = ['fetching', 'fetched', 'back'];
const ROUNDS = Number(process.env['FATHOM_ARCHIVE_KILLS'] ?? 5);

/** Starts a daemon that kills itself at a step, or is killed after a time. */
async function kill(
  fathom: Deployment,
  work: () => Promise<unknown>,
  { step, afterMs }: { step: number | null; afterMs: number },
): Promise<void> {
  const daemon = await fathom.start(step === null ? {} : { TEST_KILL_AT_RESTORE: String(step) }, SCRIPTED);
  const answer = work().catch(() => null);
  if (step === null) {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    daemon.signal('SIGKILL');
  }
  await Promise.all([daemon.exited, answer]);
}

async function expectConsistent(fathom: Deployment, { name }: Tenant): Promise<boolean> {
  const instance = await untilInstance(
    fathom,
    name,
    ({ phase }) => phase === 'running' || phase === 'asleep',
    'to rest',
  );
  const isArchived = instance.reason?.code === 'archived';
  const directory = join(fathom.dataDir, 'user_dbs', name);
  expect(existsSync(join(directory, 'pb_data', 'data.db'))).toBe(!isArchived);
  const entries = await readdir(directory);
  expect(entries).not.toContain('restore');
  expect(entries).not.toContain('pb_data.archived');
  expect(entries.includes('archived.json')).toBe(isArchived);
  return isArchived;
}

function isCounted(fathom: Deployment, { name }: Tenant): boolean {
  using database = new DatabaseSync(join(fathom.dataDir, 'usage.db'), { timeout: 10_000 });
  return database.prepare('SELECT 1 FROM inactivity WHERE name = ?').get(name) !== undefined;
}

const daysAgo = (days: number) => Date.now() - days * 86_400_000;

/** The owner got both notices, and the time is over. */
function makeDue(fathom: Deployment, { name }: Tenant): void {
  using database = new DatabaseSync(join(fathom.dataDir, 'usage.db'), { timeout: 10_000 });
  const row = database.prepare('INSERT OR REPLACE INTO inactivity VALUES (?, ?, ?, ?, 0)');
  row.run(name, daysAgo(40), daysAgo(8), daysAgo(1.1));
  database.prepare('INSERT OR REPLACE INTO last_uses VALUES (?, ?)').run(name, daysAgo(40));
}

it('SIGKILL of the daemon in an automatic archiving loses nothing, and the next daemon continues', async () => {
  const seed = Number(process.env['FATHOM_ARCHIVE_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_ARCHIVE_SEED=${seed}`);
  const random = randomFrom(seed);
  const fathom = await deployment({ DATABASE_INACTIVE_DAYS: '14' });
  const looking = { TEST_INACTIVE_LOOK_MS: '100' };
  const automatic = { ...looking, TEST_SLEEP_AFTER_MS: '1000' };
  let daemon = await fathom.start(looking, SCRIPTED);
  const tenant = await signUp(fathom);
  const { name } = tenant;
  await until(() => isCounted(fathom, tenant), { what: 'the database to be counted' });
  const counts = { archived: 0, kept: 0 };
  const expected: string[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await addDocument(fathom, tenant, `round ${round + 10}`);
    expected.push([`round ${round + 10}`, `file of round ${round + 10}`]);
    await daemon.stop();
    makeDue(fathom, tenant);
    const step = round < STEPS.length ? round + 1 : null;
    daemon = await fathom.start(
      step === null ? automatic : { ...automatic, TEST_KILL_AT_RESTORE: String(step) },
      SCRIPTED,
    );
    if (step === null) {
      await untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000));
      daemon.signal('SIGKILL');
    }
    await daemon.exited;
    daemon = await fathom.start({}, SCRIPTED);
    const isArchived = await expectConsistent(fathom, tenant);
    counts[isArchived ? 'archived' : 'kept'] += 1;
    if (step !== null) expect(isArchived, STEPS[step - 1]).toBe(step >= STEPS.indexOf('taken') + 1);
    if (!isArchived) {
      await daemon.stop();
      makeDue(fathom, tenant);
      daemon = await fathom.start(automatic, SCRIPTED);
      await untilInstance(fathom, name, ({ reason }) => reason?.code === 'archived', 'to be archived');
      await daemon.stop();
      daemon = await fathom.start({}, SCRIPTED);
    }
    await fathom.client.databases.wake(name);
    expect(await readAsOwner(fathom, tenant)).toEqual(expected);
  }
  console.log(`${ROUNDS} kills: ${JSON.stringify(counts)}`);
}, 600_000);

it('SIGKILL of the daemon at any step leaves a database archived or not, and loses nothing', async () => {
  const seed = Number(process.env['FATHOM_ARCHIVE_SEED'] ?? Date.now() % 1_000_000);
  console.log(`FATHOM_ARCHIVE_SEED=${seed}`);
  const random = randomFrom(seed);
  const fathom = await deployment();
  let daemon = await fathom.start({}, SCRIPTED);
  const tenant = await signUp(fathom);
  const { name } = tenant;
  const counts = { archived: 0, kept: 0, back: 0, away: 0 };
  const expected: string[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await addDocument(fathom, tenant, `round ${round + 10}`);
    expected.push([`round ${round + 10}`, `file of round ${round + 10}`]);
    await daemon.stop();
    const step = round < STEPS.length ? round + 1 : null;
    const running = async () => {
      await untilInstance(fathom, name, ({ phase }) => phase === 'running', 'to run');
      await fathom.client.databases.archive(name);
    };
    await kill(fathom, running, { step, afterMs: Math.floor(random() * 3_000) });
    daemon = await fathom.start({}, SCRIPTED);
    const isArchived = await expectConsistent(fathom, tenant);
    counts[isArchived ? 'archived' : 'kept'] += 1;
    if (step !== null) expect(isArchived, STEPS[step - 1]).toBe(step >= STEPS.indexOf('taken') + 1);
    if (!isArchived) await fathom.client.databases.archive(name);

    await daemon.stop();
    const backStep = round < STEPS_BACK.length ? round + 1 : null;
    const wake = () => fathom.client.databases.wake(name);
    await kill(fathom, wake, { step: backStep, afterMs: Math.floor(random() * 1_500) });
    daemon = await fathom.start({}, SCRIPTED);
    const isAway = await expectConsistent(fathom, tenant);
    counts[isAway ? 'away' : 'back'] += 1;
    if (backStep !== null) expect(isAway, STEPS_BACK[backStep - 1]).toBe(backStep < STEPS_BACK.length);
    await fathom.client.databases.wake(name);
    expect(await readAsOwner(fathom, tenant)).toEqual(expected);
  }
  console.log(`${2 * ROUNDS} kills: ${JSON.stringify(counts)}`);
}, 600_000);
