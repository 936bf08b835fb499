import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pino from 'pino';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createRecoveryKey, recoveryKeyId } from '../../daemon/backups/keys/recovery-key.ts';
import { CONTROL_PLANE, listBackups } from '../../daemon/backups/manifest.ts';
import { ensureBackupHost } from '../../daemon/backups/service/backup-host.ts';
import { type BackupSubject, Backups } from '../../daemon/backups/service/backups.ts';
import { BackupOverview } from '../../daemon/backups/service/overview.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { ManualTime } from '../helpers/manual-time.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { scratch } from '../helpers/scratch.ts';
import { listAll } from '../helpers/target-conformance.ts';
import { until } from '../helpers/until.ts';

const KEEP = { hours: 0, days: 7, weeks: 4, months: 6, years: 0 };

const HOUR_MS = 3_600_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const [ANN, BETH] = ['2024-01-15-001-ann', '2024-01-15-002-beth'] as const;
const MASTERS = [{ id: 'abcd1234', key: randomBytes(32) }] as const;

/** Each row takes SQLite some milliseconds. */
const ENDLESS_CHECK = `CREATE TABLE slow (n CHECK (length(hex(zeroblob(1900000 + n))) > 0));
  PRAGMA ignore_check_constraints = ON;
  WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000) INSERT INTO slow SELECT n % 9 FROM c`;

let root: string;
let time: ManualTime;
let backups: Backups;
let subjects: BackupSubject[];
let target: DirectoryTarget;
let isDiskHeld = false;
let recovery: string | null = null;
const log = pino({ level: 'silent' });

beforeEach(async () => {
  root = await scratch();
  isDiskHeld = false;
  recovery = null;
  time = new ManualTime();
  subjects = [];
  for (const name of [ANN, BETH, CONTROL_PLANE]) {
    const dataDir = join(root, 'data', name, 'pb_data');
    await mkdir(dataDir, { recursive: true });
    write(dataDir, 'first');
    subjects.push({ name, dataDir });
  }
  target = new DirectoryTarget(join(root, 'target'));
  // Files have times of the system clock. The next run is hours away.
  const midday = Math.ceil(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS + 12 * HOUR_MS;
  await time.advance(midday - time.now().getTime());
  await open();
});

const config = () => ({
  target: join(root, 'target'),
  schedule: { cron: '0 2 * * *', timezone: 'UTC' },
  keep: KEEP,
  parallel: 2,
  beforeChanges: true,
  drills: null,
});

async function open(): Promise<void> {
  const created = await Backups.create({
    config: config(),
    hostDir: root,
    readHost: () => ensureBackupHost(root, log),
    subjects: () => subjects,
    find: (name) => subjects.find((subject) => subject.name === name) ?? null,
    archivedIn: () => null,
    requirePrunable: () => {},
    masters: MASTERS,
    readRecoveryKey: () => Promise.resolve(recovery),
    settings: { written: { open: {}, secret: {} } },
    ownBackups: () => Promise.resolve(2),
    isDiskHeld: () => isDiskHeld,
    spareBytes: () => 0,
    clock: time,
    log,
  });
  await created.load();
  backups = created;
  onTestFinished(() => created.stop());
}

function write(dataDir: string, text: string): void {
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x)');
  database.prepare('INSERT INTO t VALUES (?)').run(text.repeat(2_000));
}

const subject = (name: string): BackupSubject =>
  subjects.find((one) => one.name === name) ?? expect.fail(name);

const status = () =>
  new BackupOverview({
    backups,
    config: config(),
    subjects: () => subjects,
    restoreOf: () => null,
    lastRestoreOf: () => null,
    drills: () => ({ nextAt: null, running: null, progressOf: () => null }),
    replica: () => null,
    clock: time,
  }).status();

const OTHER_ID = '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a11';

const markFile = () => join(root, 'target', 'fathom.json');
const readMark = async () => JSON.parse(await readFile(markFile(), 'utf8')) as { id: string; host: string };
const writeMark = (mark: { id: string; host?: string }) =>
  writeFile(markFile(), JSON.stringify({ format: 1, ...mark }));

const ids = (name: string) => listBackups(target, name);

/** Moves on until a condition holds; processes need time of their own. */
async function pass(ms: number, isDone: () => boolean | Promise<boolean>, what: string): Promise<void> {
  await time.advance(ms);
  await until(
    async () => {
      await time.advance(SECOND_MS);
      return (await isDone()) && backups.running === 0;
    },
    { what },
  );
}

const isBackedUp = (name: string) => backups.stateOf(name).last !== null;

/** From midday until all databases were due. */
const UNTIL_NEXT_RUN_MS = 15 * HOUR_MS + MINUTE_MS;

describe('the schedule', () => {
  beforeEach(async () => {
    // Databases that are older than the last run are backed up at once.
    backups.start();
    await pass(MINUTE_MS, () => subjects.every(({ name }) => isBackedUp(name)), 'the first backups');
  }, 60_000);

  it('backs up what has changed since the last run, and confirms the rest', async () => {
    const before = backups.stateOf(BETH);
    write(subject(ANN).dataDir, 'second');
    await pass(UNTIL_NEXT_RUN_MS, async () => (await ids(ANN)).length === 2, 'a second backup');
    await pass(0, () => backups.stateOf(BETH).confirmed_at !== before.confirmed_at, 'a confirmation');
    expect(await ids(BETH)).toHaveLength(1);
    expect(await ids(CONTROL_PLANE)).toHaveLength(1);
    expect(backups.stateOf(BETH).last).toEqual(before.last);
    expect(status()).toMatchObject({ late: 0, failures: [] });
  });

  it('is made up for after a time without a daemon, also when the state is lost', async () => {
    await backups.stop();
    const known = backups.stateOf(ANN).last;
    write(subject(ANN).dataDir, 'while it was off');
    await time.advance(3 * 24 * HOUR_MS);
    await open();
    expect(backups.stateOf(ANN).last).toEqual(known);
    expect(status()).toMatchObject({ late: 3 });
    backups.start();
    await pass(MINUTE_MS, () => status().late === 0, 'the missed run');
    expect(await ids(ANN)).toHaveLength(2);
    expect(await ids(BETH)).toHaveLength(1);

    await backups.stop();
    await rm(join(root, 'backup-state.json'));
    const chunks = (await listAll(target, 'chunks/')).length;
    await open();
    backups.start();
    await pass(MINUTE_MS, () => subjects.every(({ name }) => isBackedUp(name)), 'the next backups');
    expect(await listAll(target, 'chunks/')).toHaveLength(chunks);
  });

  it('reports a damaged database, keeps its backups, and backs it up when it is repaired', async () => {
    const file = join(subject(ANN).dataDir, 'data.db');
    const good = await readFile(file);
    await writeFile(file, Buffer.from(good).fill(7, 4_096, 8_192));
    await pass(UNTIL_NEXT_RUN_MS, () => backups.stateOf(ANN).failure !== null, 'a failure');
    expect(status().failures).toMatchObject([{ reason: 'database_damaged', databases: 1 }]);
    expect(await ids(ANN)).toHaveLength(1);
    // Others are not held up.
    await pass(0, () => backups.counts.unchanged >= 2, 'the others');
    await writeFile(file, good);
    await pass(2 * MINUTE_MS, () => backups.stateOf(ANN).failure === null, 'a repaired backup');
    expect(await ids(ANN)).toHaveLength(2);
  });

  it('reports a database whose files cannot be read, and backs up the others', async () => {
    const { dataDir } = subject(ANN);
    await rm(dataDir, { recursive: true });
    // Fails with ELOOP, also for root.
    await symlink(dataDir, dataDir);
    write(subject(BETH).dataDir, 'second');
    await pass(UNTIL_NEXT_RUN_MS, async () => (await ids(BETH)).length === 2, 'the other database');
    await pass(0, () => backups.stateOf(ANN).failure !== null, 'a failure');
    expect(backups.stateOf(ANN).failure?.message).toContain('cannot be read: ELOOP');
    expect(status()).toMatchObject({ databases: 3, failures: [{ reason: 'failed', databases: 1 }] });
  });

  it('notices a target that is away, writes nothing in its place, and goes on when it is back', async () => {
    for (const { dataDir } of subjects) write(dataDir, 'second');
    await rename(join(root, 'target'), join(root, 'unmounted'));
    await mkdir(join(root, 'target'));
    await pass(UNTIL_NEXT_RUN_MS, () => status().failures.length > 0, 'a failure');
    expect(status().failures).toMatchObject([{ reason: 'target_away' }]);
    expect(await listAll(target, '')).toEqual([]);
    // One database tries at a time.
    const attempts = backups.counts.failed;
    expect(attempts).toBeLessThanOrEqual(2);
    await pass(MINUTE_MS, () => backups.counts.failed > attempts, 'another attempt');
    await rm(join(root, 'target'), { recursive: true });
    await rename(join(root, 'unmounted'), join(root, 'target'));
    await pass(
      10 * MINUTE_MS,
      async () => status().failures.length === 0 && (await ids(CONTROL_PLANE)).length === 2,
      'the backups',
    );
    for (const { name } of subjects) expect(await ids(name)).toHaveLength(2);
  });

  it.skipIf(!mayMount)('backs up the others while one has no space for its copy', async () => {
    await mkdir(join(root, 'backup-scratch'), { recursive: true });
    await mountTmpfs(join(root, 'backup-scratch'), 1);
    for (const { dataDir } of subjects) write(dataDir, 'second');
    using database = new DatabaseSync(join(subject(ANN).dataDir, 'data.db'));
    database.prepare('INSERT INTO t VALUES (?)').run(randomBytes(3_000_000));
    await pass(UNTIL_NEXT_RUN_MS, () => backups.stateOf(ANN).failure !== null, 'a failure');
    await pass(0, async () => (await ids(CONTROL_PLANE)).length === 2, 'the control plane');
    expect(await ids(BETH)).toHaveLength(2);
    expect(status().failures).toMatchObject([{ reason: 'disk_full', databases: 1 }]);
  });

  it('removes old backups also while the disk is held', async () => {
    write(subject(ANN).dataDir, 'second');
    await backups.create(subject(ANN));
    expect(await ids(ANN)).toHaveLength(2);
    write(subject(ANN).dataDir, 'third');
    isDiskHeld = true;
    await pass(UNTIL_NEXT_RUN_MS, async () => (await ids(ANN)).length === 1, 'the older one to be removed');
    expect(status().failures).toMatchObject([{ reason: 'disk_full' }]);
  });

  it('refuses a target that it has not used before until it is accepted', async () => {
    await writeMark({ id: OTHER_ID });
    await time.advance(2 * MINUTE_MS);
    await expect(backups.create(subject(ANN))).rejects.toMatchObject({ reason: 'target_foreign' });
    backups.acceptTarget();
    expect(await backups.create(subject(ANN))).toMatchObject({ result: 'made' });
  });

  it('neither writes to nor removes from a target that another host took over', async () => {
    const before = await readMark();
    await writeMark({ ...before, host: OTHER_ID });
    // Its check of a moment ago is not enough.
    for (const work of [
      () => backups.create(subject(ANN)),
      () => backups.prune(ANN, { isDryRun: false }),
      () => backups.verify(ANN, []),
    ])
      await expect(work()).rejects.toMatchObject({
        reason: 'target_foreign',
        message: expect.stringContaining(OTHER_ID) as string,
      });
    expect(await ids(ANN)).toHaveLength(1);
    backups.acceptTarget();
    expect(await backups.create(subject(ANN))).toMatchObject({ result: 'made' });
    expect(await readMark()).toEqual(before);
  });

  it.skipIf(!mayMount)('names a target that is full, and continues when it has space', async () => {
    await rm(join(root, 'target'), { recursive: true });
    await mkdir(join(root, 'target'));
    await mountTmpfs(join(root, 'target'), 1);
    backups.acceptTarget();
    await pass(MINUTE_MS, () => subjects.every(({ name }) => isBackedUp(name)), 'backups on it');
    using database = new DatabaseSync(join(subject(ANN).dataDir, 'data.db'));
    database.prepare('INSERT INTO t VALUES (?)').run(randomBytes(3_000_000));
    await expect(backups.create(subject(ANN))).rejects.toMatchObject({ reason: 'target_full' });
    database.exec('DELETE FROM t WHERE length(x) > 1000000; VACUUM');
    await time.advance(2 * MINUTE_MS);
    await rm(join(root, 'target', 'chunks', ANN), { recursive: true });
    expect(await backups.create(subject(ANN))).toMatchObject({ result: 'made' });
    expect(status().failures).toEqual([]);
  });
});

it('wraps keys again after a backup that was queued before the recovery key changed', async () => {
  await backups.create(subject(BETH));
  // The last one waits for a process.
  const queued = [BETH, CONTROL_PLANE, ANN].map((name) => backups.create(subject(name)));
  await new Promise((resolve) => setImmediate(resolve));
  recovery = createRecoveryKey().publicText;
  await backups.useRecoveryKey();
  await Promise.all(queued);
  await backups.create(subject(BETH));
  for (const { name } of subjects) {
    const { recovery: wrapped } = JSON.parse(String(await target.get(`keys/${name}.json`))) as {
      recovery: string | null;
    };
    expect(wrapped, name).toContain(recoveryKeyId(recovery));
  }
});

it('reports a key that cannot be wrapped again, until it is used', async () => {
  await backups.create(subject(ANN));
  const key = join(root, 'target', 'keys', `${ANN}.json`);
  const intact = await readFile(key);
  await writeFile(key, '{}');
  recovery = createRecoveryKey().publicText;
  await backups.useRecoveryKey();
  expect(status().unusable_keys).toMatchObject([{ database: ANN }]);
  await backups.stop();
  await open();
  expect(status().unusable_keys).toMatchObject([{ database: ANN }]);
  await writeFile(key, intact);
  await backups.create(subject(ANN));
  expect(status().unusable_keys).toEqual([]);
});

it('asks the files of a database without a backup once', async () => {
  const [first] = subjects;
  const covered = backups.coveredSince(first as BackupSubject);
  await rm(join((first as BackupSubject).dataDir, 'data.db'));
  expect(backups.coveredSince(first as BackupSubject)).toEqual(covered);
});

it('reports a database that could never be read', async () => {
  const { dataDir } = subject(ANN);
  await rm(dataDir, { recursive: true });
  await symlink(dataDir, dataDir);
  backups.start();
  await pass(MINUTE_MS, () => isBackedUp(BETH) && backups.stateOf(ANN).failure !== null, 'a failure');
  expect(status().failures).toMatchObject([{ reason: 'failed', databases: 1 }]);
});

it('stops while SQLite reads a database that was made to take for ever', async () => {
  const { dataDir } = subject(ANN);
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  database.exec(ENDLESS_CHECK);
  const made = expect(backups.create(subject(ANN))).rejects.toThrow('the daemon stops');
  await until(() => existsSync(join(root, 'backup-scratch', ANN, 'data.db')), { what: 'a copy' });
  await backups.stop();
  await made;
});

it('a database is late after 26 hours without a backup', async () => {
  for (const one of subjects) await backups.create(one);
  for (const { dataDir } of subjects) write(dataDir, 'second');
  isDiskHeld = true;
  backups.start();
  const backedUpAt = time.now().getTime();
  await pass(UNTIL_NEXT_RUN_MS, () => status().failures.length > 0, 'a failure');
  expect(status()).toMatchObject({ late: 0, failures: [{ reason: 'disk_full' }] });
  await time.advance(backedUpAt + 26 * HOUR_MS - MINUTE_MS - time.now().getTime());
  expect(status().late).toBe(0);
  await time.advance(2 * MINUTE_MS);
  expect(status().late).toBe(3);
  isDiskHeld = false;
  await pass(2 * HOUR_MS, () => status().late === 0, 'the backups');
  expect(status().failures).toEqual([]);
});

it('a clock that was ahead does not stop backups', async () => {
  await backups.create(subject(ANN));
  await backups.stop();
  const path = join(root, 'backup-state.json');
  const state = JSON.parse(await readFile(path, 'utf8')) as {
    databases: Record<string, { confirmed_at: string }>;
  };
  const ann = state.databases[ANN] ?? expect.fail(ANN);
  ann.confirmed_at = new Date(time.now().getTime() + 365 * 24 * HOUR_MS).toISOString();
  await writeFile(path, JSON.stringify(state));
  await open();
  backups.start();
  await pass(
    MINUTE_MS,
    () => Date.parse(backups.stateOf(ANN).confirmed_at ?? '') <= time.now().getTime(),
    'a time of now',
  );
});

it('the event loop stays free while a database is backed up', async () => {
  const { dataDir } = subject(ANN);
  using database = new DatabaseSync(join(dataDir, 'data.db'));
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  for (let row = 0; row < 40; row += 1) insert.run(randomBytes(1_000_000));
  const startedAt = performance.now();
  let last = startedAt;
  let longestMs = 0;
  const done = new AbortController();
  const made = backups.create(subject(ANN)).finally(() => done.abort());
  while (!done.signal.aborted) {
    await new Promise((resolve) => setImmediate(resolve));
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }
  await made;
  expect(longestMs).toBeLessThan((performance.now() - startedAt) / 2);
});

it('keeps the newest backups of the owner, and prunes after each', async () => {
  const { dataDir } = subject(ANN);
  const made: string[] = [];
  for (const text of ['one', 'two', 'three', 'four']) {
    write(dataDir, text);
    await time.advance(1_000);
    const { backup } = await backups.create(subject(ANN), { isOwn: true });
    made.push(backup.id);
  }
  expect(await ids(ANN)).toEqual(made.slice(-2));
  // The next day, the schedule keeps one of a day, and those of the owner.
  write(dataDir, 'five');
  await time.advance(24 * HOUR_MS);
  const { backup } = await backups.create(subject(ANN));
  await backups.prune(ANN, { isDryRun: false });
  expect(await ids(ANN)).toEqual([...made.slice(-2), backup.id]);
});
