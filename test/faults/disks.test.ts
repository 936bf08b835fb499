import { appendFile, mkdir, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import {
  instance,
  kill,
  ownerOf,
  signIn,
  signUp,
  untilInstance,
  untilReplaced,
  untilRunning,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { ERROR, logLines } from '../helpers/log-lines.ts';
import { mayMount, mountExt4, mountTmpfs } from '../helpers/mounts.ts';
import { finished, TEST_TASKS } from '../helpers/queue.ts';
import { scratch } from '../helpers/scratch.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;

/** A deployment on a disk of its own. */
async function onSmallDisk(settings: Record<string, string> = {}): Promise<Deployment> {
  const fathom = await deployment({ PB_HEALTH_INTERVAL: '1', DISK_RESERVE_MB: '0', ...settings });
  await mountTmpfs(fathom.dataDir, 48);
  await fathom.start();
  return fathom;
}

/** Takes all the space that is left; returns what gives it back. */
async function fill(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'filler');
  for (let round = 0; ; round += 1) {
    const { bavail, bsize } = await statfs(directory);
    if (bavail === 0) break;
    await writeFile(`${path}.${round}`, Buffer.alloc(Math.min(bavail * bsize, 8 * MIB))).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      },
    );
  }
  return async () => {
    for (let round = 0; round < 64; round += 1) await rm(`${path}.${round}`, { force: true });
  };
}

const untilLimited = (fathom: Deployment, name: string, code: string) =>
  untilInstance(
    fathom,
    name,
    ({ phase, reason }) => phase === 'running' && reason?.code === code,
    `to be ${code}`,
  );

const untilFine = (fathom: Deployment, name: string) =>
  untilInstance(
    fathom,
    name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to be fine',
    90_000,
  );

describe.skipIf(!mayMount)(`a disk of its own${mayMount ? '' : ' (skipped: mounting needs root)'}`, () => {
  it('that is full is named; reading goes on, what was acknowledged stays, and all is well once there is space', async () => {
    const fathom = await onSmallDisk();
    const tenant = await signUp(fathom);
    const before = await instance(fathom, tenant.name);
    const owner = await ownerOf(fathom, tenant);
    const documents = owner.collection('documents');
    const acknowledged = [(await documents.create({ title: 'before' })).id];
    const free = await fill(fathom.dataDir);

    expect(await untilLimited(fathom, tenant.name, 'disk_full')).toMatchObject({
      pid: before.pid,
      reason: { code: 'disk_full' },
    });
    await untilLimited(fathom, 'global', 'disk_full');
    // As many as find room in what SQLite has already; the first that does not is refused.
    const refused = await until(
      () =>
        documents.create({ title: 'x'.repeat(4_000) }).then(
          ({ id }) => {
            acknowledged.push(id);
            return null;
          },
          (error: unknown) => error,
        ),
      { what: 'a write to be refused' },
    );
    expect(refused).toMatchObject({ status: 400 });
    expect(await documents.getFullList()).toHaveLength(acknowledged.length);
    await expect(signUp(fathom)).rejects.toMatchObject({
      code: 'control_plane.unavailable',
    });
    for (const command of [
      ['plans', 'set', 'free', '--disk-mb', '5'],
      ['databases', 'set', tenant.name, '--disk-mb', '500'],
      ['users', 'set', tenant.email, '--role', 'viewer'],
      ['users', 'sign-out', tenant.email],
      ['queue', 'pause'],
    ]) {
      const { exitCode, stderr } = await fathomd([...command, '--socket', fathom.socketPath], {
        cwd: fathom.dataDir,
      });
      expect({ command, exitCode, stderr }).toMatchObject({ exitCode: 69, stderr: textWith('is full') });
    }
    // A wrong password is not a full disk.
    const login = fathom.client.auth.login({ email: tenant.email, password: 'wrong' });
    await expect(login).rejects.toMatchObject({ code: 'auth.failed' });

    // One that dies now may not come up; it waits for space, and is not given up.
    kill(before.pid, 'SIGKILL');
    await until(async () => (await instance(fathom, tenant.name)).pid !== before.pid, {
      what: 'it to be gone',
    });
    await free();
    await untilFine(fathom, tenant.name);
    await untilFine(fathom, 'global');
    expect((await documents.getFullList()).map(({ id }) => id).toSorted()).toEqual(acknowledged.toSorted());
    await documents.create({ title: 'after' });
    await signUp(fathom);
    expect((await signIn(fathom, tenant)).database?.status).toBe('Running');
  });

  it('that is full ends no process whose files were deleted: a stop waits for space to save them', async () => {
    const userDatabases = await scratch();
    await mountTmpfs(userDatabases, 16);
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '86400', PB_USER_DBS_PATH: userDatabases });
    await fathom.start();
    const tenant = await signUp(fathom);
    await (await ownerOf(fathom, tenant)).collection('documents').create({ title: 'last' });
    await rm(join(userDatabases, tenant.name), { recursive: true });
    const free = await fill(userDatabases);

    const stream = new StreamReader(fathom);
    onTestFinished(() => stream.close());
    await stream.subscribe(1, 'health');
    const { usage } = await until(
      async () => {
        const status = await fathom.client.daemon.status();
        return status.usage?.disk_path === userDatabases ? status : null;
      },
      { what: 'the disk of the databases to be reported' },
    );
    expect(usage?.disk_free_bytes).toBeLessThan(MIB);

    const stopped = fathom.client.databases.stop(tenant.name);
    await untilInstance(
      fathom,
      tenant.name,
      ({ phase, reason }) => phase === 'stopping' && reason?.code === 'data_dir_missing',
      'to wait for space',
    );
    await free();
    expect(await stopped).toMatchObject({ phase: 'stopped', pid: null });
    const [rescued] = (await readdir(userDatabases)).filter((name) => name.startsWith('.rescued-'));
    const titles = withDatabase(
      join(userDatabases, rescued ?? '', 'pb_data', 'data.db'),
      { readOnly: true },
      (database) => database.prepare('SELECT title FROM documents').all(),
    );
    expect(titles).toEqual([{ title: 'last' }]);
  });

  it('that is full takes no task; what was accepted is kept, and what runs then ends as it would have', async () => {
    const fathom = await onSmallDisk({ FATHOM_TASKS_DIR: TEST_TASKS });
    const { queue } = fathom.client;
    const gate = join(await scratch(), 'gate');
    const running = await queue.add({ type: 'gated', payload: { gate } });
    await until(async () => (await queue.get(running.id)).progress_message === 'waiting', {
      what: 'the handler to wait',
    });
    const accepted: string[] = [];
    const add = async () => {
      const { id } = await queue.add({ type: 'noop', payload: 'x'.repeat(4_000) });
      accepted.push(id);
    };
    await add();
    const free = await fill(fathom.dataDir);

    // Some may find room in what SQLite has already.
    const refused = await until(() => add().catch((error: unknown) => error), {
      what: 'a task to be refused',
    });
    expect(refused).toMatchObject({
      code: 'control_plane.unavailable',
    });
    await expect(queue.pause()).rejects.toMatchObject({ code: 'control_plane.unavailable' });
    for (const id of accepted) expect(await queue.get(id)).toMatchObject({ status: 'pending' });
    // Its end cannot be reported now; it is reported once there is space.
    await writeFile(gate, '');
    await untilLimited(fathom, 'global', 'disk_full');
    await free();
    expect(await finished(fathom, running.id)).toMatchObject({ status: 'done', attempts: 1, errors: null });
    for (const id of accepted)
      expect(await finished(fathom, id)).toMatchObject({ status: 'done', attempts: 1 });
  });

  it('that is full does not keep a daemon from its start, nor do logs on a full disk end it', async () => {
    const logs = await scratch();
    await mountTmpfs(logs, 2);
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '1', DISK_RESERVE_MB: '0', LOG_DIR: logs });
    await mountTmpfs(fathom.dataDir, 48);
    const run = join(fathom.dataDir, 'run');
    await mkdir(run);
    await mountTmpfs(run, 1);
    await fill(run);
    const first = await fathom.start();
    const tenant = await signUp(fathom);
    const ownLog = join(logs, 'fathomd.log');
    // The file has the rest of its last page already.
    await appendFile(ownLog, '\n'.repeat(PAGE_BYTES - ((await stat(ownLog)).size % PAGE_BYTES)));
    const freeLogs = await fill(logs);
    await signUp(fathom);
    expect((await fathom.client.daemon.status()).log.dropped).toBeGreaterThan(0);
    expect((await fathom.client.daemon.status()).log.problem).toEqual(textWith(ownLog, 'ENOSPC'));
    await writeAndRead(fathom, tenant, 'meanwhile');
    expect(await first.stop()).toBe(0);

    await fathom.start();
    const free = await fill(fathom.dataDir);
    await untilLimited(fathom, tenant.name, 'disk_full');
    const disks = (await doctorFindings(fathom)).filter(({ id }) => id === 'disk');
    expect(disks.find(({ summary }) => summary.includes(fathom.dataDir))).toMatchObject({ level: 'fatal' });
    expect(disks.find(({ summary }) => summary.includes(run))).toMatchObject({ level: 'fatal' });
    expect(disks.find(({ summary }) => summary.includes(logs))).toMatchObject({ level: 'warning' });
    await free();
    await freeLogs();
    await untilFine(fathom, tenant.name);
    await until(async () => (await readFile(ownLog, 'utf8')).includes('"dropped":'), {
      what: 'the log to say what is lost',
    });
    expect((await fathom.client.daemon.status()).log.problem).toBeNull();
  });

  it('that is full when the daemon starts is named as the cause', async () => {
    const fathom = await deployment({ DISK_RESERVE_MB: '0' });
    await mountTmpfs(fathom.dataDir, 48);
    await (await fathom.start()).stop();
    await fill(fathom.dataDir);
    const daemon = fathom.launch();
    expect(await daemon.exited).toBe(69);
    expect(daemon.output()).toMatch(/^fathomd: .*disk.* is full.*free some space/m);
  });

  it('that keeps a deleted database from being removed does not keep the daemon from its start', async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    const [stuck, other] = [await signUp(fathom, 'stuck'), await signUp(fathom, 'other')];
    const file = join(fathom.dataDir, 'user_dbs', stuck.name, 'pb_data', 'types.d.ts');
    await execa('mount', ['--bind', file, file]);
    await expect(fathom.client.databases.delete(stuck.name)).rejects.toMatchObject({ code: 'internal' });
    expect(await instance(fathom, stuck.name)).toMatchObject({ phase: 'stopped' });
    await daemon.stop();

    const next = await fathom.start();
    await untilRunning(fathom, other.name);
    expect(logLines(next.output())).toContainEqual(
      expect.objectContaining({ level: ERROR, msg: textWith(stuck.name) }),
    );
    const { stdout } = await execa('findmnt', ['--list', '--noheadings', '--output', 'TARGET']);
    const target = stdout.split('\n').find((line) => line.startsWith(fathom.dataDir));
    await execa('umount', [target ?? 'nothing is mounted']);
    await fathom.client.databases.delete(stuck.name);
    const left = await readdir(join(fathom.dataDir, 'user_dbs'));
    expect(left.filter((name) => name.includes(stuck.name))).toEqual([]);
  });

  it('that turns read-only after an error is reported; an instance that dies waits, and starts once the disk is repaired', async () => {
    const userDatabases = await scratch();
    const disk = await mountExt4(userDatabases, 64);
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '1', PB_USER_DBS_PATH: userDatabases });
    await fathom.start();
    const tenant = await signUp(fathom);
    const before = await instance(fathom, tenant.name);
    const documents = (await ownerOf(fathom, tenant)).collection('documents');
    await documents.create({ title: 'before' });
    await disk.fail();

    await expect(documents.create({ title: 'during' })).rejects.toMatchObject({ status: 400 });
    expect(await untilLimited(fathom, tenant.name, 'read_only')).toMatchObject({
      pid: before.pid,
      reason: { message: textWith("'dmesg'", 'remount,rw') },
    });
    kill(before.pid, 'SIGKILL');
    const waiting = await untilInstance(
      fathom,
      tenant.name,
      ({ phase, attempt }) => phase === 'backing_off' && attempt >= 3,
      'to wait',
    );
    expect(waiting).toMatchObject({ max_attempts: null, reason: { code: 'read_only' } });

    await disk.repair();
    await untilReplaced(fathom, before, 90_000);
    expect(await documents.getFullList()).toMatchObject([{ title: 'before' }]);
    await documents.create({ title: 'after' });
  });
});
