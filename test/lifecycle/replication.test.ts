import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { argumentsOf } from '../../daemon/pocketbase/process/procfs.ts';
import { backUp } from '../helpers/backups.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import {
  instance,
  kill,
  ownerOf,
  PASSWORD,
  signUp,
  untilReplaced,
  untilRunning,
} from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { readMetric } from '../helpers/metrics.ts';
import {
  hostOf,
  litestream,
  nextSecond,
  replicaTitles,
  replicated,
  scratchDirectory,
  statusOf,
  untilReplica,
  untilStatus,
} from '../helpers/replication.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { findS3Server, startS3Server } from '../helpers/s3-server.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

it('runs no process without REPLICA', async () => {
  const fathom = await deployment();
  await fathom.start();
  expect((await fathom.client.daemon.status()).backups.replica).toBeNull();
  expect(existsSync(join(fathom.dataDir, 'run', 'litestream.sock'))).toBe(false);
  expect(await readMetric(fathom, 'fathom_replica_up')).toBeUndefined();
});

it('restores no time without REPLICA', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { name } = await signUp(fathom);
  const at = new Date().toISOString();
  await expect(fathom.client.backups.restore(name, 'latest', { at })).rejects.toMatchObject({
    code: 'conflict',
    message: textWith('REPLICA is not set'),
  });
});

it('names a Litestream that cannot be used, and runs without it', async () => {
  const directory = await scratchDirectory();
  const old = join(directory, 'litestream');
  await writeFile(old, '#!/bin/sh\necho v0.3.13\n');
  await chmod(old, 0o755);
  const fathom = await deployment({ REPLICA: join(directory, 'replica'), LITESTREAM_BINARY_PATH: old });
  await fathom.start();
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'written');
  const { problem, remedy } = await untilStatus(fathom, (status) => status.problem !== null, 'a problem');
  expect(problem).toContain('is 0.3.13, and Fathom works with 0.5.17');
  expect(remedy).toContain('LITESTREAM_BINARY_PATH');
  expect(await doctorFindings(fathom)).toContainEqual(
    expect.objectContaining({ id: 'replica', level: 'warning', summary: problem }),
  );
});

describe.skipIf(litestream === null)('with Litestream', () => {
  it('replicates what runs, and lets sleeping and stopped databases go', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const [one, two] = [await signUp(fathom), await signUp(fathom)];
    await addDocument(fathom, one, 'first');
    await untilStatus(fathom, (status) => status.databases === 2 && status.problem === null, '2 databases');
    await untilReplica(fathom, target, one.name, ['first']);

    const { pid } = await statusOf(fathom);
    const config = join(fathom.dataDir, 'run', 'litestream.yml');
    expect(argumentsOf(pid ?? 0)?.slice(1)).toEqual(['replicate', '-no-expand-env', '-config', config]);
    expect(await readMetric(fathom, 'fathom_replica_up')).toBe('1');
    expect(Number(await readMetric(fathom, 'fathom_replica_lag_seconds'))).toBeLessThan(60);

    // The last write is in the replica when the stop has ended.
    await addDocument(fathom, one, 'last');
    await fathom.client.databases.stop(one.name);
    expect(await replicaTitles(fathom, target, one.name)).toEqual(['first', 'last']);
    await fathom.client.databases.sleep(two.name, { force: true });
    await untilStatus(fathom, (status) => status.databases === 0, 'no database');
    await fathom.client.databases.start(one.name);
    await addDocument(fathom, one, 'later');
    await untilReplica(fathom, target, one.name, ['first', 'last', 'later']);
  });

  it('archives a replicated database, and replicates it again when it is back', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'earlier');
    await untilReplica(fathom, target, tenant.name, ['earlier']);
    await fathom.client.databases.archive(tenant.name);
    expect(await fathom.client.databases.get(tenant.name)).toMatchObject({
      phase: 'asleep',
      reason: { code: 'archived' },
    });
    await fathom.client.databases.start(tenant.name);
    await addDocument(fathom, tenant, 'later');
    await untilReplica(fathom, target, tenant.name, ['earlier', 'later']);
  });

  it('starts a killed Litestream again, and names the cause', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom);
    const before = await untilStatus(fathom, (status) => status.databases === 1, 'a database');
    kill(before.pid, 'SIGKILL');
    const after = await untilStatus(
      fathom,
      (status) => status.pid !== null && status.pid !== before.pid && status.databases === 1,
      'another process',
    );
    expect(after).toMatchObject({ restarts: 1, problem: 'Litestream ended (SIGKILL)' });
    await addDocument(fathom, tenant, 'after');
    await untilReplica(fathom, target, tenant.name, ['after']);
  });

  it('continues after the database and the daemon were killed', async () => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'a');
    await untilReplica(fathom, target, tenant.name, ['a']);
    const running = await instance(fathom, tenant.name);
    kill(running.pid, 'SIGKILL');
    await untilReplaced(fathom, running);
    await addDocument(fathom, tenant, 'b');
    await untilReplica(fathom, target, tenant.name, ['a', 'b']);

    const { pid } = await statusOf(fathom);
    daemon.signal('SIGKILL');
    await daemon.exited;
    await fathom.start();
    await untilRunning(fathom, tenant.name);
    const now = await untilStatus(fathom, (status) => status.databases === 1, 'a database');
    expect(now.pid).not.toBe(pid);
    expect(argumentsOf(pid ?? 0) ?? []).toEqual([]);
    await addDocument(fathom, tenant, 'c');
    await untilReplica(fathom, target, tenant.name, ['a', 'b', 'c']);
  });

  it('ends the Litestream of a killed daemon after REPLICA was removed', async () => {
    const { fathom } = await replicated();
    const daemon = await fathom.start();
    const { pid } = await untilStatus(fathom, (status) => status.pid !== null, 'a process');
    daemon.signal('SIGKILL');
    await daemon.exited;
    await fathom.start({ REPLICA: '' });
    expect(argumentsOf(pid ?? 0) ?? []).toEqual([]);
  });

  it('removes the replica of a database that is erased', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const [erased, kept] = [await signUp(fathom), await signUp(fathom)];
    for (const tenant of [erased, kept]) {
      await addDocument(fathom, tenant, 'private');
      await untilReplica(fathom, target, tenant.name, ['private']);
    }
    await fathom.client.databases.delete(erased.name);
    const host = join(target, await hostOf(fathom));
    await until(async () => !(await readdir(host)).includes(erased.name), { what: 'the end of the replica' });
    expect(await readdir(host)).toEqual([kept.name, 'fathom.json'].toSorted());
    expect(await readdir(join(fathom.dataDir, 'user_dbs'))).not.toContain(erased.name);
  });

  it('restores the second between two writes, and one of before that restore', async () => {
    const { fathom, target } = await replicated();
    await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'first');
    const { id } = await backUp(fathom, tenant.name);
    await addDocument(fathom, tenant, 'second');
    await untilReplica(fathom, target, tenant.name, ['first', 'second']);
    const before = await nextSecond();
    await addDocument(fathom, tenant, 'third');
    // Its file is in the backup only.
    const owner = await ownerOf(fathom, tenant);
    const first = await owner.collection('documents').getFirstListItem("title = 'first'");
    await owner.collection('documents').delete(first.id);
    await untilReplica(fathom, target, tenant.name, ['second', 'third']);
    const after = await nextSecond();
    const { from } = await until(
      async () => {
        const times = await fathom.client.replicas.times(tenant.name);
        return Date.parse(times.to ?? '') >= after.getTime() ? times : null;
      },
      { what: 'the last time' },
    );
    expect(Date.parse(from ?? '')).toBeLessThanOrEqual(before.getTime());

    const restore = (...argv: string[]) =>
      runInProcess(['backups', 'restore', tenant.name, ...argv, '--socket', fathom.socketPath], {
        cwd: fathom.dataDir,
        input: '',
      });
    const restored = await restore('--at', before.toISOString().replace('.000', ''), '--yes');
    expect(restored).toMatchObject({
      code: 0,
      out: textWith(`the backup ${id}`, 'is running', 'pb_data.before-'),
    });
    expect(await readAsOwner(fathom, tenant)).toEqual([
      ['first', 'file of first'],
      ['second', 'file of second'],
    ]);
    // Replication continues with the restored data, and what was before it can still be restored.
    const { database } = await fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
    await addDocument(fathom, { ...tenant, ownerToken: database?.token ?? '' }, 'fourth');
    await untilReplica(fathom, target, tenant.name, ['first', 'fourth', 'second']);
    const at = after.toISOString();
    expect(await fathom.client.backups.restore(tenant.name, 'latest', { at })).toMatchObject({
      created_at: at,
      files_from: id,
      phase: 'running',
    });
    expect(await readAsOwner(fathom, tenant)).toEqual([
      ['second', 'file of second'],
      ['third', 'file of third'],
    ]);

    // What cannot be restored changes nothing.
    const future = new Date(Date.now() + 3_600_000).toISOString();
    expect(await restore('--at', future, '--yes')).toMatchObject({
      code: 1,
      err: textWith('is in the future'),
    });
    const past = await restore('--at', '2024-01-15T10:30:00Z', '--yes');
    expect(past).toMatchObject({ code: 1, err: textWith('has nothing of 2024-01-15T10:30:00.000Z') });
    expect(await restore('--at', 'noon', '--yes')).toMatchObject({ code: 2, err: textWith('is not a time') });
    expect(titlesOf(fathom, tenant)).toEqual(['second', 'third']);
    expect(await fathom.client.backups.restore(tenant.name, 'latest', { at: from ?? '' })).toMatchObject({
      created_at: from,
      phase: 'running',
    });
  });

  it('replicates to S3, and erases there', async () => {
    const installed = await findS3Server('replication to S3');
    if (installed === null) return;
    await using server = await startS3Server(installed);
    await server.createBucket('replica');
    await server.requireCredentials(true);
    const { fathom } = await replicated({
      REPLICA: `s3://replica/a?endpoint=${server.url}&region=us-east-1`,
      ...server.credentials,
    });
    await fathom.start();
    const tenant = await signUp(fathom);
    await addDocument(fathom, tenant, 'written');
    await untilStatus(fathom, (status) => status.databases === 1, 'a database');
    await fathom.client.databases.stop(tenant.name);
    const keys = async () => {
      await server.requireCredentials(false);
      const listed = await (await server.request('/replica?list-type=2')).text();
      await server.requireCredentials(true);
      return [...listed.matchAll(/<Key>([^<]+)</g)].map(([, key]) => key ?? '');
    };
    const prefix = `a/${await hostOf(fathom)}/${tenant.name}/`;
    expect((await keys()).some((key) => key.startsWith(prefix))).toBe(true);
    const at = (await nextSecond()).toISOString();
    expect(await fathom.client.backups.restore(tenant.name, 'latest', { at })).toMatchObject({
      files_from: null,
      phase: 'stopped',
    });
    await fathom.client.databases.start(tenant.name);
    expect(await readAsOwner(fathom, tenant)).toEqual([['written', 'file of written']]);
    await untilStatus(fathom, (status) => status.databases === 1, 'the restored database');
    await fathom.client.databases.delete(tenant.name);
    await until(async () => (await keys()).length === 0, {
      what: async () => `no object; there are ${(await keys()).join()}`,
    });
    // The credentials are in the environment only.
    const written = await readFile(join(fathom.dataDir, 'run', 'litestream.yml'), 'utf8');
    expect(written).not.toContain(server.credentials.AWS_SECRET_ACCESS_KEY);
  });

  it('refuses a target that is not mounted', async () => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    await untilStatus(fathom, (status) => status.pid !== null, 'a process');
    await daemon.stop();
    await rm(target, { recursive: true });
    await fathom.start();
    const { problem } = await untilStatus(fathom, (status) => status.problem !== null, 'a problem');
    expect(problem).toContain('the disk is not mounted');
    expect(existsSync(target)).toBe(false);
  });
});
