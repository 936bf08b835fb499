import { existsSync } from 'node:fs';
import { rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { instance, ownerOf, signIn, signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { readMetric } from '../helpers/metrics.ts';
import { mayMount, mountExt4, mountTmpfs } from '../helpers/mounts.ts';
import { finished, TEST_TASKS } from '../helpers/queue.ts';
import { stallUpload } from '../helpers/stalled-upload.ts';
import { until } from '../helpers/until.ts';

const MIB = 1024 * 1024;
const RESERVE_MB = 48;
const RESERVE = RESERVE_MB * MIB;
/** A reserve is at most a twentieth of its disk. */
const DISK_PER_RESERVE = 23;

async function onDisk(reserveMb = RESERVE_MB, options: readonly string[] = []): Promise<Deployment> {
  const fathom = await deployment({
    PB_HEALTH_INTERVAL: '1',
    DISK_RESERVE_MB: String(reserveMb),
    FATHOM_TASKS_DIR: TEST_TASKS,
  });
  await mountExt4(fathom.dataDir, reserveMb * DISK_PER_RESERVE, options);
  await fathom.start();
  await until(async () => (await reserveBytes(fathom)) === reserveMb * MIB, { what: 'the reserve' });
  return fathom;
}

const reserveFile = (fathom: Deployment) => join(fathom.dataDir, 'disk-reserve');

async function reserveBytes(fathom: Deployment): Promise<number> {
  const path = reserveFile(fathom);
  if (!existsSync(path)) return 0;
  const { size, blocks } = await stat(path);
  // A file with holes reserves nothing.
  return Math.min(size, blocks * 512);
}

/** Leaves `left` bytes free. What other programs write takes the space of everybody. */
async function fill(fathom: Deployment, left = 0): Promise<() => Promise<void>> {
  const path = join(fathom.dataDir, `filler-${Math.random()}`);
  const { bavail, bsize } = await statfs(fathom.dataDir);
  const bytes = bavail * bsize - left;
  await execa('fallocate', ['--length', String(bytes), path], { reject: false });
  return () => rm(path, { force: true });
}

const isHeld = async (fathom: Deployment) => (await fathom.client.daemon.status()).usage?.writes_held;

async function upload(fathom: Deployment, tenant: Tenant, megabytes: number): Promise<unknown> {
  const owner = await ownerOf(fathom, tenant);
  const file = new File([Buffer.alloc(megabytes * MIB, 'x')], 'big.txt');
  return owner
    .collection('documents')
    .create({ title: 'big', files: [file] })
    .then(
      () => null,
      (error: unknown) => error,
    );
}

async function uploadUntilHeld(fathom: Deployment, tenant: Tenant): Promise<void> {
  await until(
    async () => {
      const { phase, reason } = await instance(fathom, tenant.name);
      // Its restart ends the connections of the process before.
      if (reason?.code === 'disk_reserve') return phase === 'running';
      // A small file: what is written until the hold applies must not fill the disk.
      await upload(fathom, tenant, 0.1);
      return false;
    },
    { what: 'the database that writes to be held' },
  );
}

async function untilReleased(fathom: Deployment, { name }: Tenant): Promise<void> {
  await untilInstance(
    fathom,
    name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to be released',
  );
}

async function hasWorkingControlPlane(fathom: Deployment, tenant: Tenant): Promise<void> {
  const { token, database } = await signIn(fathom, tenant);
  expect(token).toBeTruthy();
  expect(database?.url).toBeTruthy();
  await fathom.client.users.update(tenant.userId, { is_active: true });
  const { items } = await fathom.client.audit.list({ per_page: 5 });
  expect(items.map(({ action }) => action)).toEqual(expect.arrayContaining(['user.update', 'sign-in']));
  const { id } = await fathom.client.queue.add({ type: 'noop', payload: 'x'.repeat(4_000) });
  expect(await finished(fathom, id)).toMatchObject({ status: 'done' });
}

describe.skipIf(!mayMount)('the disk reserve', () => {
  it('keeps sign-ins, administration and deletion working on a disk that others have filled', async () => {
    const fathom = await onDisk();
    const [tenant, other] = [await signUp(fathom), await signUp(fathom)];
    const documents = (await ownerOf(fathom, tenant)).collection('documents');
    const before = await documents.create({ title: 'before' });
    const free = await fill(fathom);
    await until(async () => (await reserveBytes(fathom)) === 0 && (await isHeld(fathom)), {
      what: 'the reserve to be released',
    });
    expect(await readMetric(fathom, 'fathom_writes_held')).toBe('1');

    await hasWorkingControlPlane(fathom, tenant);
    expect(await documents.getOne(before.id)).toMatchObject({ title: 'before' });
    await fathom.client.databases.delete(other.name);
    await expect(signUp(fathom)).rejects.toMatchObject({ code: 'databases.limit_reached' });
    expect(await doctorFindings(fathom)).toContainEqual(
      expect.objectContaining({ id: 'disk_reserve', level: 'fatal' }),
    );

    await free();
    await until(async () => (await reserveBytes(fathom)) === RESERVE && !(await isHeld(fathom)), {
      what: 'the reserve to be back',
    });
    await documents.create({ title: 'after' });
    await signUp(fathom);
  });

  it('holds databases that write, and leaves the others alone', async () => {
    const fathom = await onDisk();
    const [loud, quiet] = [await signUp(fathom), await signUp(fathom)];
    const before = await instance(fathom, quiet.name);
    const free = await fill(fathom, 22 * MIB);
    await until(() => isHeld(fathom), { what: 'the hold' });
    await uploadUntilHeld(fathom, loud);
    expect(await upload(fathom, loud, 1)).toMatchObject({
      status: 507,
      response: { data: { database: { code: 'disk_reserve' } } },
    });
    expect(await instance(fathom, quiet.name)).toMatchObject({ pid: before.pid, reason: null });
    // The own data can be read and deleted.
    const documents = (await ownerOf(fathom, loud)).collection('documents');
    for (const { id } of await documents.getFullList()) await documents.delete(id);
    expect(await reserveBytes(fathom)).toBe(RESERVE);

    await free();
    await untilReleased(fathom, loud);
    expect(await upload(fathom, loud, 1)).toBeNull();
    expect(existsSync(join(fathom.dataDir, 'user_dbs', loud.name, 'hooks', 'refuse-writes.json'))).toBe(
      false,
    );
  });

  it('ends unfinished uploads of strangers', async () => {
    const fathom = await onDisk();
    const tenant = await signUp(fathom);
    await fill(fathom, 90 * MIB);
    const { port } = await instance(fathom, tenant.name);
    const socket = await stallUpload(port ?? 0, 64);
    // By the bound of temporary files, or by the hold of a database that writes: whichever notices it first.
    await until(() => socket.destroyed, { what: 'the end of the upload' });
    const next = await stallUpload(port ?? 0, 64);
    await until(() => next.destroyed, { what: 'the refusal' });
    await hasWorkingControlPlane(fathom, tenant);
  });

  it('survives owners who upload without a pause', async () => {
    // A hold takes about two seconds: a reserve lasts for what is uploaded meanwhile.
    const reserveMb = 240;
    const fathom = await onDisk(reserveMb);
    const tenants = [await signUp(fathom), await signUp(fathom), await signUp(fathom)];
    const watcher = await signUp(fathom);
    await fill(fathom, (reserveMb * 0.75 + 40) * MIB);
    // The daemon checks an empty disk less often than one that was nearly full before.
    const free = await fill(fathom, reserveMb * 0.25 * MIB);
    await until(() => isHeld(fathom), { what: 'the hold' });
    await free();
    await until(async () => !(await isHeld(fathom)), { what: 'the end of the hold' });
    const refused = new Set<string>();
    await until(
      async () => {
        await Promise.all(
          tenants.map(async (tenant) => {
            const error = await upload(fathom, tenant, 4);
            if ((error as { status?: number } | null)?.status === 507) refused.add(tenant.name);
          }),
        );
        return refused.size === tenants.length;
      },
      { what: () => `all to be refused; ${refused.size} are`, timeoutMs: 60_000 },
    );
    await hasWorkingControlPlane(fathom, watcher);
    const { bavail, bsize } = await statfs(fathom.dataDir);
    const room = bavail * bsize + (await reserveBytes(fathom));
    expect(room).toBeGreaterThan((reserveMb / 4) * MIB);
  });

  it('holds databases that write on a disk without inodes', async () => {
    const fathom = await onDisk(RESERVE_MB, ['-N', '4096']);
    const tenant = await signUp(fathom);
    const many = join(fathom.dataDir, 'many');
    const fewLeft = 100;
    const { ffree } = await statfs(fathom.dataDir);
    await execa('bash', ['-c', `mkdir ${many} && cd ${many} && seq ${ffree - fewLeft} | xargs touch`]);
    await until(() => isHeld(fathom), { what: 'the hold' });
    await uploadUntilHeld(fathom, tenant);
    expect(await upload(fathom, tenant, 0.1)).toMatchObject({ status: 507 });
    await hasWorkingControlPlane(fathom, tenant);

    await rm(many, { recursive: true });
    await untilReleased(fathom, tenant);
    expect(await upload(fathom, tenant, 0.1)).toBeNull();
  });

  it('lets a daemon start on a full disk', async () => {
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '1', DISK_RESERVE_MB: '48' });
    await mountExt4(fathom.dataDir, 1100);
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await until(async () => (await reserveBytes(fathom)) === RESERVE, { what: 'the reserve' });
    await daemon.stop();
    await fill(fathom);
    await fathom.start();
    expect(await reserveBytes(fathom)).toBe(0);
    expect((await signIn(fathom, tenant)).token).toBeTruthy();
    await fathom.client.databases.delete(tenant.name);
  });

  it('is not kept for databases on another disk', async () => {
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '1', DISK_RESERVE_MB: '48' });
    await mountExt4(fathom.dataDir, 1100);
    const userDatabases = join(fathom.dataDir, 'user_dbs');
    await execa('mkdir', ['-m', '700', userDatabases]);
    await mountTmpfs(userDatabases, 64);
    await fathom.start();
    const tenant = await signUp(fathom);
    await fill(fathom);
    await until(() => isHeld(fathom), { what: 'the hold' });
    expect(await upload(fathom, tenant, 1)).toBeNull();
    expect(await upload(fathom, tenant, 1)).toBeNull();
    expect(await instance(fathom, tenant.name)).toMatchObject({ reason: null });
  });
});
