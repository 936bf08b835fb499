import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { kill, signUp, untilRunning } from '../helpers/fleet-actions.ts';
import {
  hostOf,
  litestream,
  nextSecond,
  pbDataOf,
  replicaTitles,
  replicated,
  scratchDirectory,
  statusOf,
  untilReplica,
  untilStatus,
} from '../helpers/replication.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

describe.skipIf(litestream === null)('a replica', () => {
  it('ends when its target is unmounted, and begins again in an empty directory', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'a');
    await untilReplica(fathom, target, tenant.name, ['a']);
    const host = join(target, await hostOf(fathom));
    await rename(host, `${host}.away`);
    await addDocument(fathom, tenant, 'b');
    await untilStatus(fathom, ({ problem }) => problem?.includes('not mounted') === true, 'a problem');

    // Mounted again, it has what was written meanwhile.
    await rm(host, { recursive: true, force: true });
    await rename(`${host}.away`, host);
    await untilReplica(fathom, target, tenant.name, ['a', 'b']);

    await rename(host, `${host}.lost`);
    await untilStatus(fathom, ({ problem }) => problem?.includes('not mounted') === true, 'a problem');
    await rm(host, { recursive: true, force: true });
    await mkdir(host, { mode: 0o700 });
    await untilReplica(fathom, target, tenant.name, ['a', 'b']);
    await addDocument(fathom, tenant, 'c');
    await untilReplica(fathom, target, tenant.name, ['a', 'b', 'c']);
  });

  it('stores whole databases in another target, also when Litestream has removed their first changes', async () => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    for (const title of ['a', 'b']) {
      await addDocument(fathom, tenant, title);
      await untilReplica(fathom, target, tenant.name, ['a', 'b'].slice(0, title === 'a' ? 1 : 2));
    }
    await daemon.stop();
    // As after six hours.
    const changes = join(pbDataOf(fathom, tenant.name), '.data.db-litestream', 'ltx', '0');
    const [first, ...later] = (await readdir(changes)).toSorted();
    expect(later).not.toEqual([]);
    await rm(join(changes, first ?? ''));
    const other = await scratchDirectory();
    const second = await fathom.start({ REPLICA: other });
    await untilRunning(fathom, tenant.name);
    await untilReplica(fathom, other, tenant.name, ['a', 'b']);
    await second.stop();

    // The first target is known, so it is not begun again where it is not mounted.
    await rm(target, { recursive: true });
    await fathom.start();
    await untilStatus(fathom, ({ problem }) => problem?.includes('not mounted') === true, 'a problem');
    expect(existsSync(target)).toBe(false);
  });

  it('restores no time that it does not reach, also of a database that was stopped meanwhile', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom);
    const { name } = tenant;
    await addDocument(fathom, tenant, 'a');
    await untilReplica(fathom, target, name, ['a']);
    await until(async () => (await fathom.client.replicas.times(name)).to !== null, { what: 'a last time' });
    const { pid } = await statusOf(fathom);
    kill(pid ?? 0, 'SIGSTOP');
    await addDocument(fathom, tenant, 'b');
    const at = (await nextSecond()).toISOString();
    const restore = () => fathom.client.backups.restore(name, 'latest', { at });
    const refusal = {
      code: 'conflict',
      message: textWith(`${name} does not reach ${at} yet`, 'fathomd status'),
    };
    await expect(restore()).rejects.toMatchObject(refusal);
    await fathom.client.databases.stop(name);
    await expect(restore()).rejects.toMatchObject(refusal);
    const { to } = await fathom.client.replicas.times(name);
    expect(Date.parse(to ?? '')).toBeLessThan(Date.parse(at));
    expect(titlesOf(fathom, tenant)).toEqual(['a', 'b']);

    await fathom.client.databases.start(name);
    await untilReplica(fathom, target, name, ['a', 'b']);
    await fathom.client.backups.restore(name, 'latest', { at: (await nextSecond()).toISOString() });
    expect(titlesOf(fathom, tenant)).toEqual(['a', 'b']);
  });

  it('begins a replica again that was removed, and shows missing changes', async () => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'a');
    await untilReplica(fathom, target, tenant.name, ['a']);
    const replica = join(target, await hostOf(fathom), tenant.name);
    await rm(replica, { recursive: true });
    await addDocument(fathom, tenant, 'b');
    await until(() => existsSync(replica), { what: 'the change alone' });
    expect(await replicaTitles(fathom, target, tenant.name)).toEqual([]);
    // A replica is checked after each registration.
    kill((await statusOf(fathom)).pid, 'SIGKILL');
    await untilReplica(fathom, target, tenant.name, ['a', 'b']);

    for (const title of ['c', 'd']) {
      const titles = await replicaTitles(fathom, target, tenant.name);
      await addDocument(fathom, tenant, title);
      await untilReplica(fathom, target, tenant.name, [...titles, title]);
    }
    await daemon.stop();
    const levels = join(replica, 'ltx');
    for (const level of await readdir(levels))
      if (level !== '0') await rm(join(levels, level), { recursive: true });
    const [, second] = (await readdir(join(levels, '0'))).toSorted();
    await rm(join(levels, '0', second ?? ''));
    await fathom.start();
    const { remedy } = await untilStatus(
      fathom,
      ({ problem }) => problem?.includes(`missing in the replica of ${tenant.name}`) === true,
      'a gap',
    );
    expect(remedy).toContain('fathomd backups create');
  });

  it.each([0, 60])('repairs what Litestream keeps, cut to %d bytes', async (bytes) => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'a');
    await untilReplica(fathom, target, tenant.name, ['a']);
    await daemon.stop();
    const changes = join(pbDataOf(fathom, tenant.name), '.data.db-litestream', 'ltx', '0');
    const last = (await readdir(changes)).toSorted().at(-1);
    await truncate(join(changes, last ?? ''), bytes);
    await fathom.start();
    await untilRunning(fathom, tenant.name);
    await addDocument(fathom, tenant, 'b');
    await untilReplica(fathom, target, tenant.name, ['a', 'b']);
  });

  it('follows no link of a database', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const [tenant, other] = [await signUp(fathom), await signUp(fathom)];
    await addDocument(fathom, other, 'private');
    const { pid } = await untilStatus(fathom, (status) => status.databases === 2, '2 databases');
    const file = join(pbDataOf(fathom, tenant.name), 'data.db-journal');
    await symlink(join(pbDataOf(fathom, other.name), 'data.db'), file);
    kill(pid, 'SIGKILL');
    const { problem } = await untilStatus(
      fathom,
      (status) => status.databases === 1 && status.problem?.includes(tenant.name) === true,
      'a problem',
    );
    expect(problem).toContain('is not a regular file');
    await untilReplica(fathom, target, other.name, ['private']);
    await rm(file);
    await untilStatus(fathom, (status) => status.databases === 2, '2 databases');
  });
});
