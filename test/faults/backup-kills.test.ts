import { randomBytes, randomInt } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { readDataKey } from '../../daemon/backups/keys/stored-keys.ts';
import { listBackups, readManifest } from '../../daemon/backups/manifest.ts';
import { restoreBackup } from '../../daemon/backups/restore-backup.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { unlessMissing } from '../../daemon/base/files/dir.ts';
import { keyId } from '../../daemon/keys/derived-keys.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { instance, kill, signIn, signUp, type Tenant, untilReplaced } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { randomFrom } from '../helpers/random.ts';
import { scratch } from '../helpers/scratch.ts';
import { until } from '../helpers/until.ts';

const KILLS = Number(process.env['BACKUP_KILLS'] ?? 8);
const LONGEST_MS = 1_200;
/** Makes a backup longer than the start of its process. */
const ADDED_BYTES = 3_000_000;
const OPERATIONS = ['backup', 'backup', 'prune', 'restore'] as const;
const VICTIMS = ['daemon', 'backup process', 'instance', 'target'] as const;

class Stage {
  readonly fathom: Deployment;
  readonly tenant: Tenant;
  readonly targetDir: string;
  daemon: Daemon;
  /** The instance with its last process that was killed. */
  killed: Pick<Instance, 'name' | 'pid'>;
  /** What each backup must have at least: what was acknowledged before it began. */
  readonly contents = new Map<string, readonly string[]>();

  constructor(
    fathom: Deployment,
    tenant: Tenant,
    { targetDir, daemon }: { targetDir: string; daemon: Daemon },
  ) {
    this.fathom = fathom;
    this.tenant = tenant;
    this.targetDir = targetDir;
    this.daemon = daemon;
    this.killed = { name: tenant.name, pid: null };
  }

  titles(): string[] {
    return titlesOf(this.fathom, this.tenant);
  }

  ids(): Promise<string[]> {
    return listBackups(new DirectoryTarget(this.targetDir), this.tenant.name);
  }

  /** Writes and returns what the owner has then. A restore has ended the sessions. */
  async write(title: string): Promise<string[]> {
    const { database } = await signIn(this.fathom, this.tenant);
    await addDocument(this.fathom, { ...this.tenant, ownerToken: database?.token ?? '' }, title);
    const file = join(this.fathom.dataDir, 'user_dbs', this.tenant.name, 'pb_data', 'data.db');
    using data = new DatabaseSync(file, { timeout: 20_000 });
    data.exec('CREATE TABLE IF NOT EXISTS added (x BLOB); DELETE FROM added');
    data.prepare('INSERT INTO added VALUES (?)').run(randomBytes(ADDED_BYTES));
    return this.titles();
  }

  /** Restores a backup without the daemon. */
  async contentOf(id: string): Promise<string[]> {
    const { name } = this.tenant;
    const target = new DirectoryTarget(this.targetDir);
    const master = Buffer.from(this.fathom.env['AES_MASTER_KEY'] ?? '', 'base64');
    const key = await readDataKey(target, name, { masters: [{ id: keyId(master), key: master }] });
    const backup = await readManifest(target, key, { database: name, id });
    const directory = join(this.fathom.filesDir, `restored-${id}`);
    await restoreBackup(backup, { target, key, directory });
    using data = new DatabaseSync(join(directory, 'data.db'));
    const rows = data.prepare('SELECT title FROM documents ORDER BY title').all();
    data.close();
    await rm(directory, { recursive: true });
    return rows.map(({ title }) => String(title));
  }

  /** @returns whether there was one to end */
  async end(victim: (typeof VICTIMS)[number]): Promise<boolean> {
    if (victim === 'daemon') {
      this.daemon.signal('SIGKILL');
      await this.daemon.exited;
      return true;
    }
    if (victim === 'target') {
      await rename(this.targetDir, `${this.targetDir}.away`);
      return true;
    }
    if (victim === 'instance') {
      const { name, pid } = await instance(this.fathom, this.tenant.name);
      if (pid === null) return false;
      this.killed = { name, pid };
      killIfThere(pid);
      return true;
    }
    const pids = await backupProcessesOf(this.daemon.pid);
    for (const pid of pids) killIfThere(pid);
    return pids.length > 0;
  }

  async recover(victim: (typeof VICTIMS)[number]): Promise<void> {
    if (victim === 'target') await bringBack(this.targetDir);
    if (victim === 'daemon') this.daemon = await this.fathom.start();
    // The daemon may hear of the end of a process later.
    await untilReplaced(this.fathom, this.killed);
  }
}

/** What was written in the meantime lies in a new directory without a mark, and is not of the target. */
async function bringBack(targetDir: string): Promise<void> {
  await rm(targetDir, { recursive: true, force: true });
  await rename(`${targetDir}.away`, targetDir);
}

function killIfThere(pid: number): void {
  try {
    kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function backupProcessesOf(daemon: number): Promise<number[]> {
  const children = (await readFile(`/proc/${daemon}/task/${daemon}/children`, 'utf8')).split(' ');
  const pids = children.filter(Boolean).map(Number);
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(unlessMissing)),
  );
  return pids.filter((_, at) => commands[at]?.includes('backup-process-main'));
}

it(
  'kills in backups, prunes and restores lose no backup and no acknowledged write',
  async () => {
    const seed = Number(process.env['BACKUP_SEED'] ?? randomInt(2 ** 31));
    // At once, so that it is also known of a run that does not end.
    console.log(`BACKUP_SEED=${seed}`);
    const random = randomFrom(seed);
    const choose = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const targetDir = join(await scratch(), 'target');
    const fathom = await deployment({
      BACKUP_TARGET: targetDir,
      BACKUP_SCHEDULE: 'off',
      BACKUP_KEEP: '2h,2d',
      RATE_LIMIT_PER_MINUTE: '1000000',
    });
    const daemon = await fathom.start();
    const stage = new Stage(fathom, await signUp(fathom, 'ann'), { targetDir, daemon });
    const { name } = stage.tenant;
    const first = await stage.write('first');
    stage.contents.set((await fathom.client.backups.create(name)).id, first);
    const counts: Record<string, number> = {};
    const count = (what: string) => (counts[what] = (counts[what] ?? 0) + 1);

    for (let round = 0; round < KILLS; round += 1) {
      const acknowledged = await stage.write(`written ${round}`);
      const before = await stage.ids();
      const operation = choose(OPERATIONS);
      const victim = choose(VICTIMS);
      const chosen = choose(before);
      const kept =
        operation === 'prune' ? (await fathom.client.backups.prune(name, { dry_run: true })).kept : before;
      const operate = async () => {
        if (operation === 'backup') await fathom.client.backups.create(name);
        else if (operation === 'prune') await fathom.client.backups.prune(name);
        else await fathom.client.backups.restore(name, chosen, {});
      };
      const where = `round ${round}, seed ${seed}: ${operation}, ${victim}`;
      const operating = operate().then(
        () => 'done',
        () => 'failed',
      );
      await new Promise((resolve) => setTimeout(resolve, random() * LONGEST_MS));
      if (await stage.end(victim)) count(`kill of ${victim}`);
      if (victim === 'target') count(`${operation} without its target ${await operating}`);
      else count(`${operation} ${await operating}`);
      await stage.recover(victim);

      const after = await stage.ids();
      expect(after, where).toEqual(expect.arrayContaining(kept));
      for (const id of after) if (!stage.contents.has(id)) stage.contents.set(id, acknowledged);
      // The last one each time, and all at the end.
      const looked = round === KILLS - 1 ? after : [...new Set([after.at(-1) ?? '', chosen])];
      for (const id of looked.filter((one) => after.includes(one)))
        expect(await stage.contentOf(id), `${id} of ${where}`).toEqual(stage.contents.get(id));

      const titles = stage.titles();
      const isRestored = operation === 'restore' && String(titles) !== String(acknowledged);
      expect(titles, where).toEqual(isRestored ? stage.contents.get(chosen) : acknowledged);
      expect(await readdir(join(fathom.dataDir, 'user_dbs', name)), where).not.toContain('restore');
    }
    // The next backup is complete, also after a target that was away: the wait after a failure is for the schedule only.
    const last = await stage.write('last');
    const made = await until(() => fathom.client.backups.create(name).catch(() => null), {
      what: 'a backup',
    });
    expect(await stage.contentOf(made.id)).toEqual(last);
    console.log(`${KILLS} kills: ${JSON.stringify(counts)}`);
  },
  60_000 + KILLS * 60_000,
);
