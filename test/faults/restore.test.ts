import { cp, readdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { backUp } from '../helpers/backups.ts';
import { type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { randomFrom } from '../helpers/random.ts';
import { litestream, nextSecond, replicated, untilReplica } from '../helpers/replication.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** In their order, see `RestoreStep`. */
const STEPS = ['reading', 'staged', 'tried', 'swapping', 'moved', 'swapped', 'ended'];
const ROUNDS = Number(process.env['FATHOM_RESTORE_KILLS'] ?? 12);
const TIME_ROUNDS = Number(process.env['FATHOM_RESTORE_KILLS'] ?? STEPS.length + 2);
/** Enough for a running PocketBase. */
const FREE_BYTES = 8 * 1024 * 1024;

const directoryOf = (fathom: Deployment, { name }: Tenant) => join(fathom.dataDir, 'user_dbs', name);

/** Starts a daemon that kills itself at a step of the restore, or is killed after a time. */
async function killDuringRestore(
  fathom: Deployment,
  tenant: Tenant,
  restore: () => Promise<unknown>,
  { step, afterMs }: { step: number | null; afterMs: number },
): Promise<void> {
  const daemon = await fathom.start(step === null ? {} : { TEST_KILL_AT_RESTORE: String(step) }, SCRIPTED);
  await untilRunning(fathom, tenant.name);
  const answer = restore().then(
    () => 'restored',
    () => 'no answer',
  );
  if (step === null) {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    daemon.signal('SIGKILL');
  }
  await Promise.all([daemon.exited, answer]);
}

async function untilServing(fathom: Deployment, tenant: Tenant): Promise<Daemon> {
  const daemon = await fathom.start({}, SCRIPTED);
  await untilRunning(fathom, tenant.name);
  return daemon;
}

it.each([
  ['restore', ROUNDS],
  ['restore to a time', litestream === null ? 0 : TIME_ROUNDS],
  ['import', STEPS.length],
])(
  'SIGKILL of the daemon at any step finishes or undoes the %s',
  async (kind, rounds) => {
    const seed = Number(process.env['FATHOM_RESTORE_SEED'] ?? Date.now() % 1_000_000);
    console.log(`FATHOM_RESTORE_SEED=${seed}`);
    const random = randomFrom(seed);
    const isTime = kind === 'restore to a time';
    const { fathom, target } = isTime ? await replicated() : { fathom: await deployment(), target: '' };
    let daemon = await fathom.start({}, SCRIPTED);
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'old');
    const { id } = await backUp(fathom, tenant.name);
    if (isTime) await untilReplica(fathom, target, tenant.name, ['old']);
    const at = (await nextSecond()).toISOString();
    const archive = join(await scratch(), 'archive.tar');
    await writeFile(archive, Readable.from(await fathom.client.exports.backup(tenant.name, id)));
    const restore = (): Promise<unknown> =>
      kind === 'import'
        ? fathom.client.imports.archive(tenant.userId, { file: archive })
        : fathom.client.backups.restore(tenant.name, isTime ? 'latest' : id, isTime ? { at } : {});
    const counts = { restored: 0, undone: 0 };
    for (let round = 0; round < rounds; round += 1) {
      // Each step once, then random times.
      const step = round < STEPS.length ? round + 1 : null;
      // The session of the sign-up ends with the first restore.
      const { database } = await fathom.client.auth.login({
        email: tenant.email,
        password: 'a-good-password',
      });
      const title = `new ${round}`;
      await addDocument(fathom, { ...tenant, ownerToken: database?.token ?? '' }, title);
      const before = titlesOf(fathom, tenant);
      await daemon.stop();
      await killDuringRestore(fathom, tenant, restore, {
        step,
        afterMs: Math.floor(random() * (isTime ? 4000 : 1500)),
      });
      daemon = await untilServing(fathom, tenant);

      const entries = await readdir(directoryOf(fathom, tenant));
      expect(entries).not.toContain('restore');
      const titles = titlesOf(fathom, tenant);
      const isRestored = titles.length === 1;
      expect(titles).toEqual(isRestored ? ['old'] : before);
      if (step !== null) expect(isRestored, STEPS[step - 1]).toBe(step >= STEPS.indexOf('swapping') + 1);
      expect((await readAsOwner(fathom, tenant)).map(([, content]) => content)).toEqual(
        titles.map((one) => `file of ${one}`),
      );
      counts[isRestored ? 'restored' : 'undone'] += 1;
      const kept = entries.filter((entry) => entry.startsWith('pb_data.before-')).toSorted();
      expect(kept).toHaveLength(counts.restored);
      if (!isRestored) continue;
      const file = join(directoryOf(fathom, tenant), kept.at(-1) ?? '', 'data.db');
      const rows = withDatabase(file, { readOnly: true }, (opened) =>
        opened.prepare('SELECT title FROM documents ORDER BY title').all(),
      );
      expect(rows.map((row) => row['title'])).toEqual(before);
    }
    console.log(`${rounds} kills: ${JSON.stringify(counts)}`);
  },
  600_000,
);

it.skipIf(!mayMount)('names a full disk, and changes nothing', async () => {
  const disk = await scratch();
  await mountTmpfs(disk, 48);
  const fathom = await deployment({ PB_USER_DBS_PATH: disk });
  await fathom.start();
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  const dataDir = join(disk, tenant.name, 'pb_data');
  const { id } = await backUp(fathom, tenant.name, dataDir);
  await addDocument(fathom, tenant, 'later');
  const { bavail, bsize } = await statfs(disk);
  await execa('fallocate', ['-l', String(bavail * bsize - FREE_BYTES), join(disk, 'filler')]);
  await expect(fathom.client.backups.restore(tenant.name, id, {})).rejects.toMatchObject({
    code: 'backup.failed',
    message: textWith('no space', 'free '),
  });
  expect((await readAsOwner(fathom, tenant)).map(([title]) => title)).toEqual(['kept', 'later']);
  expect(await readdir(join(disk, tenant.name))).not.toContain('restore');
  await execa('rm', [join(disk, 'filler')]);
  await fathom.client.backups.restore(tenant.name, id, {});
  await until(async () => (await readAsOwner(fathom, tenant)).length === 1, { what: 'the restored data' });
});

it.skipIf(!mayMount)('names data that cannot be moved, and changes nothing', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  const { id } = await backUp(fathom, tenant.name);
  await addDocument(fathom, tenant, 'later');
  await fathom.client.databases.stop(tenant.name);
  const dataDir = join(directoryOf(fathom, tenant), 'pb_data');
  const copy = join(await scratch(), 'pb_data');
  await cp(dataDir, copy, { recursive: true });
  await mountTmpfs(dataDir, 48);
  await cp(copy, dataDir, { recursive: true });
  await fathom.client.databases.start(tenant.name);
  await expect(fathom.client.backups.restore(tenant.name, id, {})).rejects.toMatchObject({
    code: 'backup.failed',
    message: textWith('mount point'),
  });
  await untilRunning(fathom, tenant.name);
  expect((await readAsOwner(fathom, tenant)).map(([title]) => title)).toEqual(['kept', 'later']);
  expect(await readdir(directoryOf(fathom, tenant))).not.toContain('restore');
});

it('leaves nothing of a database that is deleted during its restore', async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'kept');
  const { id } = await backUp(fathom, tenant.name);
  const restoring = fathom.client.backups.restore(tenant.name, id, {}).then(
    () => 'restored',
    (error: unknown) => error,
  );
  await until(async () => (await readdir(directoryOf(fathom, tenant))).includes('restore'), {
    what: 'the restore',
  });
  await fathom.client.databases.delete(tenant.name);
  await restoring;
  await until(async () => !(await readdir(join(fathom.dataDir, 'user_dbs'))).includes(tenant.name), {
    what: 'the end of its directory',
  });
});
