import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { AuditEntry, AuditVerification } from '../../shared/api/audit.ts';
import type { AuditRow } from '../../shared/hooks/control-plane-routes.ts';
import { createDeployment, type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { fathomd as run } from '../helpers/fathomd.ts';
import { call, signUp } from '../helpers/http-call.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { until } from '../helpers/until.ts';

const ENTRIES = 12;
/** Everything but the last row is old. */
const ALL_OLD = { TEST_AUDIT_RETENTION_MS: '0' };

let fathom: Deployment;
let daemon: Daemon;

beforeEach(async () => {
  fathom = await createDeployment();
  onTestFinished(() => fathom.dispose(), 60_000);
  daemon = await fathom.start({}, SCRIPTED);
  await addEntries(ENTRIES);
});

async function addEntries(count: number): Promise<void> {
  for (let entry = 0; entry < count; entry += 1)
    await fathom.client.users.update('nobody000000000', {}).catch(() => {});
}

const archiveDir = () => join(fathom.dataDir, 'audit');
const archiveFile = async () => join(archiveDir(), (await readdir(archiveDir())).toSorted()[0] ?? '');

async function restart(settings: Record<string, string>): Promise<void> {
  await daemon.stop();
  daemon = await fathom.start(settings, SCRIPTED);
}

/** Restarts with everything old, and waits until only the last row is in the table. */
async function archiveAll(settings: Record<string, string> = {}): Promise<void> {
  await restart({ ...ALL_OLD, ...settings });
  await untilArchived();
}

const untilArchived = () => until(() => rowsInTable().length === 1, { what: 'the rows to be archived' });

function withTable<T>(work: (database: DatabaseSync) => T): T {
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const database = new DatabaseSync(file, { timeout: 5000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const rowsInTable = () =>
  withTable((database) =>
    database
      .prepare('SELECT seq FROM audit_log ORDER BY seq')
      .all()
      .map(({ seq }) => Number(seq)),
  );

async function rowsInFiles(): Promise<AuditRow[]> {
  const names = (await readdir(archiveDir())).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(archiveDir(), name), 'utf8')));
  return texts
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditRow);
}

const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => from + index);

const verified = async (): Promise<AuditVerification> => fathom.client.audit.verify();

function fathomd(...args: string[]) {
  return run([...args, '--socket', fathom.socketPath], { cwd: fathom.dataDir });
}

describe('old entries of the audit log', () => {
  it('move into private files, which verify together with the table', async () => {
    await archiveAll();
    const [last] = rowsInTable();
    expect((await rowsInFiles()).map(({ seq }) => seq)).toEqual(numbers((last ?? 0) - 1));
    expect((await stat(await archiveFile())).mode & 0o777).toBe(0o600);
    expect((await stat(archiveDir())).mode & 0o777).toBe(0o700);
    expect(await verified()).toMatchObject({ ok: true, checked: last });

    await addEntries(3);
    expect(await verified()).toMatchObject({ ok: true, checked: (last ?? 0) + 3 });
    const { files, problem } = await fathom.client.audit.archive();
    expect(problem).toBeNull();
    expect(files).toMatchObject([{ from: 1, to: (last ?? 0) - 1 }]);
    expect((await fathomd('audit', 'list')).stderr).toContain(archiveDir());
    expect((await fathomd('audit', 'archive', '--json')).stdout).toContain('.jsonl');
    // The table goes on where it was.
    await archiveAll();
    expect((await rowsInFiles()).map(({ seq }) => seq)).toEqual(numbers((last ?? 0) + 2));
  });

  it('stay in the table without a retention, or below its age', async () => {
    await restart({ AUDIT_RETENTION_DAYS: '0' });
    await restart({ AUDIT_RETENTION_DAYS: '1' });
    await fathom.client.audit.verify();
    expect(await fathom.client.audit.archive()).toMatchObject({ files: [], retention_days: 1 });
    expect(rowsInTable()).toHaveLength(ENTRIES);
  });

  it.each(['appended', 'removed'])(
    'are neither lost nor doubled by SIGKILL after they were %s',
    async (step) => {
      await daemon.stop();
      expect(await fathom.launch({ ...ALL_OLD, TEST_KILL_AFTER: step }, SCRIPTED).exited).toBeNull();
      expect(rowsInTable()).toHaveLength(step === 'appended' ? ENTRIES : 1);
      // A daemon that archives nothing more finishes what was interrupted.
      daemon = await fathom.start({ AUDIT_RETENTION_DAYS: '0' }, SCRIPTED);
      await untilArchived();
      expect((await rowsInFiles()).map(({ seq }) => seq)).toEqual(numbers(ENTRIES - 1));
      expect(await verified()).toMatchObject({ ok: true, checked: ENTRIES });
    },
  );

  it.each([
    ['in the middle of a row', (size: number) => size - 20],
    ['before its first byte', () => 0],
    ['in the first row', () => 30],
  ])('are complete after a write that ended %s', async (_, sizeAfter) => {
    await daemon.stop();
    await fathom.launch({ ...ALL_OLD, TEST_KILL_AFTER: 'appended' }, SCRIPTED).exited;
    const file = await archiveFile();
    await truncate(file, sizeAfter((await stat(file)).size));
    daemon = await fathom.start(ALL_OLD, SCRIPTED);
    expect(await verified()).toMatchObject({ ok: true });
    await untilArchived();
    expect((await rowsInFiles()).map(({ seq }) => seq)).toEqual(numbers(ENTRIES - 1));
    expect(await verified()).toMatchObject({ ok: true, checked: ENTRIES });
  });

  it('are compared before they are removed from the table', async () => {
    await daemon.stop();
    await fathom.launch({ ...ALL_OLD, TEST_KILL_AFTER: 'appended' }, SCRIPTED).exited;
    withTable((database) => database.exec("UPDATE audit_log SET target = 'changed' WHERE seq = 3"));
    daemon = await fathom.start(ALL_OLD, SCRIPTED);
    await until(() => rowsInTable().length === 2, { what: 'the others to be removed' });
    expect(rowsInTable()[0]).toBe(3);
    expect(await verified()).toMatchObject({ defects: [{ kind: 'misplaced', from: 3, to: 3 }] });
  });

  it('show each change of the archive', async () => {
    await archiveAll();
    const file = await archiveFile();
    const text = await readFile(file, 'utf8');
    const lines = text.trimEnd().split('\n');
    const defects = async (content: string) => {
      await writeFile(file, content);
      return (await verified()).defects.map(({ kind, from, to }) => `${kind} ${from}-${to}`);
    };
    expect(await defects(text)).toEqual([]);
    expect(await defects(text.replace(/"target":"[^"]*"/, '"target":"other"'))).toEqual(['edited 1-1']);
    expect(await defects(`${lines.toSpliced(3, 2).join('\n')}\n`)).toEqual(['missing 4-5']);
    expect(await defects(`${lines.toSpliced(3, 1, 'nonsense').join('\n')}\n`)).toEqual([
      'unreadable 4-4',
      'missing 4-4',
    ]);
    expect(await defects(`${lines.slice(0, -2).join('\n')}\n`)).toEqual(['missing 10-11']);
    expect(await defects(text.slice(0, -20))).toEqual(['unreadable 11-11', 'missing 11-11']);
    expect(await defects(`${text}${lines[2]}\n`)).toEqual(['misplaced 3-3']);
    expect(await defects(`${text}${'x'.repeat(300_000)}`)).toEqual(['unreadable 12-12']);
    expect(await defects('')).toEqual(['missing 1-11']);
    await rm(file);
    expect((await verified()).defects).toEqual([{ kind: 'missing', from: 1, to: 11 }]);

    // A damaged end does not damage what is archived after it.
    await writeFile(file, text.slice(0, -20));
    await addEntries(3);
    await archiveAll();
    expect(await readFile(file, 'utf8')).toBe(text.slice(0, -20));
    expect((await verified()).defects.map(({ kind }) => kind)).toEqual(['unreadable', 'missing']);
    await writeFile(file, text);
    expect(await verified()).toMatchObject({ ok: true });
    await appendFile(join(archiveDir(), 'notes.txt'), 'files of others are ignored');
    expect(await verified()).toMatchObject({ ok: true });
  });

  it('continue the chain after the table of an older backup', async () => {
    withTable((database) => database.exec('CREATE TABLE kept AS SELECT * FROM audit_log'));
    await addEntries(4);
    await archiveAll();
    await daemon.stop();
    withTable((database) =>
      database.exec('DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept'),
    );
    await rm(join(fathom.dataDir, 'audit-head.json'));
    daemon = await fathom.start({}, SCRIPTED);
    await addEntries(1);
    const { items } = await fathom.client.audit.list({ per_page: 5 });
    expect(Math.max(...items.map(({ seq }) => seq))).toBeGreaterThan(ENTRIES + 3);
    const { defects } = await verified();
    expect(defects.filter(({ kind }) => kind === 'edited' || kind === 'misplaced')).toEqual([]);
  });

  it('that cannot be read keep no new entry from being stored', async () => {
    await daemon.stop();
    await writeFile(archiveDir(), 'in the way');
    daemon = await fathom.start(ALL_OLD, SCRIPTED);
    await addEntries(1);
    expect(rowsInTable()).toHaveLength(ENTRIES + 1);
    const { files, problem } = await fathom.client.audit.archive();
    expect(files).toEqual([]);
    expect(problem).toContain('ENOTDIR');
    expect((await fathomd('audit', 'list')).exitCode).toBe(0);
    await rm(archiveDir());
    await archiveAll();
    expect(await verified()).toMatchObject({ ok: true, checked: ENTRIES + 1 });
  });

  it.skipIf(!mayMount)('stay in the table while the disk of the archive is full', async () => {
    await daemon.stop();
    await mkdir(archiveDir(), { mode: 0o700 });
    await mountTmpfs(archiveDir(), 1);
    await writeFile(join(archiveDir(), 'filler'), Buffer.alloc(1024 * 1024 - 4096)).catch(() => {});
    daemon = await fathom.start(ALL_OLD, SCRIPTED);
    const { problem } = await until(
      async () => {
        const state = await fathom.client.audit.archive();
        return state.problem === null ? null : state;
      },
      { what: 'the problem' },
    );
    expect(problem).toContain('ENOSPC');
    expect(rowsInTable()).toHaveLength(ENTRIES);
    expect(await verified()).toMatchObject({ ok: true, checked: ENTRIES });
    await rm(join(archiveDir(), 'filler'));
    await archiveAll();
    expect(await verified()).toMatchObject({ ok: true, checked: ENTRIES });
  });
});

it('one account cannot fill the audit log', async () => {
  await restart({ CHANGES_PER_USER: '5' });
  const { token, user } = await signUp(fathom.url, 'loud@example.com');
  const path = `${fathom.url}/api/v1/users/${user.id}`;
  const statuses: number[] = [];
  for (let request = 0; request < 8; request += 1)
    statuses.push((await call('PATCH', path, { token, body: { role: 'admin' } })).status);
  expect(statuses).toEqual([403, 403, 403, 403, 403, 429, 429, 429]);
  const { items } = await fathom.client.audit.list({ per_page: 100 });
  const own = items.filter(({ actor, action }: AuditEntry) => actor === user.id && action === 'user.update');
  expect(own).toHaveLength(5);
  // Invalid bodies do not make the rows large.
  const long = { name: 'x'.repeat(30_000), permissions: ['ä'.repeat(10_000)] };
  await fathom.client.users.update(user.id, { is_active: true });
  const quiet = await signUp(fathom.url, 'quiet@example.com');
  expect(
    (await call('POST', `${fathom.url}/api/v1/api-keys`, { token: quiet.token, body: long })).status,
  ).toBe(400);
  const [last] = (await fathom.client.audit.list({ per_page: 1 })).items;
  expect(last).toMatchObject({ actor: quiet.user.id, outcome: 'failed', detail: '{"status":400}' });
  // Others are not affected.
  await fathom.client.users.update(user.id, { role: 'viewer' });
  expect((await call('GET', path, { token })).status).toBe(200);
});
