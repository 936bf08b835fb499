import { rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createNode, LEASE_SECONDS, waitsFor } from '../helpers/cluster-node.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { instance, PASSWORD, signUp, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import { createStandby, killServer, ownersIn, replicaOf, untilReplicated } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

describe.skipIf(!hasEtcd('the tests of takeovers') || litestream === null)('a standby node', () => {
  it('takes over when a node is lost, and gives back without a loss', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const first = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = two.launch();
    await waitsFor(two, standby, 'node n1 owns global');
    await untilReplicated(etcd, one, 'n1');

    const killedAt = performance.now();
    await killServer(one, first);
    await until(() => standby.output().includes('the daemon is ready'), { what: () => standby.output() });
    await untilRunning(two, user.name);
    const seconds = (performance.now() - killedAt) / 1000;
    console.log(`served again after ${seconds.toFixed(1)} s with a lease of ${LEASE_SECONDS} s`);
    expect(titlesOf(two, user)).toEqual(['before']);
    const session = await two.client.auth.login({ email: user.email, password: PASSWORD });
    expect(session.database?.name).toBe(user.name);
    await addDocument(two, user, 'on n2');
    await untilReplicated(etcd, two, 'n2');

    const back = one.launch();
    await waitsFor(one, back, 'node n2 owns global');
    await addDocument(two, user, 'at the end');
    expect(await standby.stop()).toBe(0);
    await until(() => back.output().includes('the daemon is ready'), { what: () => back.output() });
    await untilRunning(one, user.name);
    expect(titlesOf(one, user)).toEqual(['at the end', 'before', 'on n2']);
    // Uploaded files are not in a replica. This node has those of its own time.
    expect(new Map(await readAsOwner(one, user)).get('before')).toBe('file of before');
  });

  it('takes over from a node whose daemon hangs, which then ends', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const hung = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    const two = await createStandby(etcd, 'n2', one);
    const standby = two.launch();
    await untilReplicated(etcd, one, 'n1');
    await waitsFor(two, standby, 'this node takes it over when the lease of n1 has ended');
    const { pid } = await instance(one, user.name);
    hung.signal('SIGSTOP');
    await until(() => standby.output().includes('the daemon is ready'), { what: () => standby.output() });
    expect(processStat(pid ?? 0)).toBeNull();
    await untilRunning(two, user.name);
    expect(titlesOf(two, user)).toEqual(['before']);
    hung.signal('SIGCONT');
    expect(await hung.exited).toBe(1);
    expect(hung.output()).toContain('node n2 owns global');
  });

  it('does not take over when the last changes are not in the replica', async () => {
    const etcd = await startEtcd();
    const target = await scratchDirectory();
    const one = await createNode(etcd, 'n1', replicaOf(target));
    const first = await one.start();
    const user = await signUp(one);
    const two = await createStandby(etcd, 'n2', one);
    const standby = two.launch();
    await waitsFor(two, standby, 'node n1 owns global');
    await untilReplicated(etcd, one, 'n1');
    await rename(target, `${target}-away`);
    await writeFile(target, '');
    await addDocument(one, user, 'not replicated');
    expect(await first.stop()).toBe(0);
    await waitsFor(two, standby, "run 'fathomd nodes remove n1'");
    expect((await ownersIn(etcd)).map(({ node }) => node)).toEqual(['n1', 'n1']);
    await rm(target);
    await rename(`${target}-away`, target);
    await one.start();
    await untilRunning(one, user.name);
    expect(titlesOf(one, user)).toEqual(['not replicated']);
  });
});
