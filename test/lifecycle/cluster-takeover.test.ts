import { existsSync, watch } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { restoreDirOf } from '../../daemon/supervisor/instance-spec.ts';
import { createNode, LEASE_SECONDS, waitsFor } from '../helpers/cluster-node.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { instance, PASSWORD, signUp, untilRunning } from '../helpers/fleet-actions.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import {
  createStandby,
  killServer,
  ownersIn,
  replicaOf,
  sharesIn,
  untilFilesStored,
  untilLeader,
  untilMovable,
  untilReplicated,
} from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

const MEMBER = 'this node is a member';

describe.skipIf(!hasEtcd('the tests of takeovers') || litestream === null)('a member', () => {
  it('uses the control plane of another node, and runs nothing of its own', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    await one.start();
    const user = await signUp(one);
    const two = await createStandby(etcd, 'n2', one);
    await two.start();
    expect((await two.client.databases.list()).items).toMatchObject([
      { name: user.name, email: user.email, phase: 'running', node: 'n1', pid: null },
    ]);
    expect((await two.client.users.list()).items.map(({ email }) => email)).toContain(user.email);
    const session = await two.client.auth.login({ email: user.email, password: PASSWORD });
    const { url } = await instance(one, user.name);
    expect(session.database).toMatchObject({ name: user.name, url, status: 'Running' });
    await addDocument(one, { ...user, ownerToken: session.database?.token ?? '' }, 'signed in at n2');
    await two.client.databases.stop(user.name);
    expect((await instance(one, user.name)).phase).toBe('stopped');
    const other = await signUp(two);
    expect((await one.client.databases.list()).items.map(({ name }) => name)).toContain(other.name);
  });
});

describe.skipIf(!hasEtcd('the tests of takeovers') || litestream === null)('a standby node', () => {
  it('takes over when a node is lost, and gives back without a loss', async () => {
    const etcd = await startEtcd();
    const target = await scratchDirectory();
    const one = await createNode(etcd, 'n1', replicaOf(target));
    const first = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = await two.start();
    expect(standby.output()).toContain(MEMBER);
    await untilReplicated(etcd, one, 'n1');
    await untilFilesStored(target, one, 1);
    // Of an earlier takeover that was interrupted.
    const interrupted = restoreDirOf(join(two.dataDir, 'user_dbs', user.name));
    await mkdir(interrupted, { recursive: true });

    const killedAt = performance.now();
    await killServer(one, first);
    await untilLeader(standby);
    await untilRunning(two, user.name);
    const seconds = (performance.now() - killedAt) / 1000;
    console.log(`served again after ${seconds.toFixed(1)} s with a lease of ${LEASE_SECONDS} s`);
    expect(titlesOf(two, user)).toEqual(['before']);
    expect(standby.output()).not.toContain('undid a restore');
    expect(existsSync(interrupted)).toBe(false);
    const session = await two.client.auth.login({ email: user.email, password: PASSWORD });
    expect(session.database?.name).toBe(user.name);
    expect(await readAsOwner(two, user)).toEqual([['before', 'file of before']]);
    await addDocument(two, user, 'on n2');
    await untilReplicated(etcd, two, 'n2');

    const back = one.launch();
    await waitsFor(one, back, 'node n2 owns global');
    await addDocument(two, user, 'at the end');
    expect(await standby.stop()).toBe(0);
    await until(() => back.output().includes('the daemon is ready'), { what: () => back.output() });
    await untilRunning(one, user.name);
    expect(await readAsOwner(one, user)).toEqual(
      ['at the end', 'before', 'on n2'].map((title) => [title, `file of ${title}`]),
    );
  });

  it('takes over from a node whose daemon hangs, which then ends', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const hung = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = await two.start();
    await untilReplicated(etcd, one, 'n1');
    const { pid } = await instance(one, user.name);
    hung.signal('SIGSTOP');
    await untilLeader(standby);
    expect(processStat(pid ?? 0)).toBeNull();
    await untilRunning(two, user.name);
    expect(titlesOf(two, user)).toEqual(['before']);
    hung.signal('SIGCONT');
    expect(await hung.exited).toBe(1);
    expect(hung.output()).toContain('node n2 owns global');
  });

  it.each([
    ['ends its first daemon', 1],
    ['starts again', 2],
  ])('leaves nothing running when it is stopped while it %s', async (_, changes) => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const first = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = await two.start();
    await untilMovable(etcd);
    await one.client.nodes.move(user.name, { node: 'n2' });
    await untilRunning(two, user.name);
    await addDocument(two, user, 'at n2');
    await untilMovable(etcd);
    // Its socket is removed by the end, and made by the next start.
    let left = changes;
    const run = watch(dirname(two.socketPath), (_event, file) => {
      if (file === basename(two.socketPath) && (left -= 1) === 0) standby.signal('SIGTERM');
    });
    expect(await first.stop()).toBe(0);
    expect(await standby.exited, standby.output()).toBe(0);
    run.close();
    expect(await fleetProcesses(two.dataDir)).toEqual([]);
    // What it wrote while nothing replicated it: no other node takes it over without that.
    const isKept = (await ownersIn(etcd)).some(({ lacks }) => lacks?.includes('changes') === true);
    expect(isKept, standby.output()).toBe(standby.output().includes('no other node takes over'));
    // The signal comes when the databases have been left.
    if (changes === 2) expect(isKept, standby.output()).toBe(true);
    await two.start();
    await untilRunning(two, user.name);
    expect(titlesOf(two, user).toSorted()).toEqual(['at n2', 'before']);
  });

  it('does not take over when the last changes are not in the replica', async () => {
    const etcd = await startEtcd();
    const target = await scratchDirectory();
    const one = await createNode(etcd, 'n1', replicaOf(target));
    const first = await one.start();
    const user = await signUp(one);
    const two = await createStandby(etcd, 'n2', one);
    await two.start();
    await untilReplicated(etcd, one, 'n1');
    await rename(target, `${target}-away`);
    await writeFile(target, '');
    await addDocument(one, user, 'not replicated');
    expect(await first.stop()).toBe(0);
    await until(
      async () =>
        (await two.client.nodes.list()).items.some(({ name, state }) => name === 'n1' && state === 'offline'),
      { what: () => 'n1 to be offline' },
    );
    expect((await ownersIn(etcd)).map(({ node }) => node)).toEqual(['n1', 'n1']);
    await rm(target);
    await rename(`${target}-away`, target);
    await one.start();
    await untilRunning(one, user.name);
    expect(titlesOf(one, user)).toEqual(['not replicated']);
  });

  it('takes over all databases of a node that stops, except those whose files are not stored', async () => {
    const etcd = await startEtcd();
    const target = await scratchDirectory();
    const one = await createNode(etcd, 'n1', replicaOf(target));
    const first = await one.start();
    const [stored, other] = [await signUp(one), await signUp(one)];
    await addDocument(one, stored, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = await two.start();
    await untilMovable(etcd);
    await untilFilesStored(target, one, 1);
    // No directory can be created there.
    const fleet = (await readFile(join(one.dataDir, 'fleet-id'), 'utf8')).trim();
    await mkdir(join(target, fleet, other.name), { recursive: true });
    const obstacle = join(target, fleet, other.name, 'files');
    await writeFile(obstacle, '');
    await addDocument(one, other, 'with a file');
    expect(await first.stop()).toBe(0);
    expect(first.output()).toContain('no other node takes over 1 databases');

    await untilLeader(standby);
    await untilRunning(two, stored.name);
    expect(await readAsOwner(two, stored)).toEqual([['before', 'file of before']]);
    expect(await sharesIn(etcd)).toEqual({ n1: 1, n2: 2 });
    const listed = (await two.client.databases.list()).items.find(({ name }) => name === other.name);
    expect(listed).toMatchObject({ node: 'n1' });
    await rm(obstacle);
    const back = await one.start({ FATHOM_FLEET_ID: fleet });
    await untilRunning(one, other.name);
    expect(await readAsOwner(one, other), back.output()).toEqual([['with a file', 'file of with a file']]);
    await until(async () => (await ownersIn(etcd)).every(({ lacks }) => lacks === undefined), {
      what: async () => JSON.stringify(await ownersIn(etcd)),
    });
    expect(await back.stop()).toBe(0);
  });
});
