import { describe, expect, it } from 'vitest';
import { isAlive, processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createNode, LEASE_SECONDS } from '../helpers/cluster-node.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { instance, signUp, untilReplaced, untilRunning } from '../helpers/fleet-actions.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { until } from '../helpers/until.ts';

const createFenced = (etcd: { url: string }, env: Record<string, string> = {}) =>
  createNode(etcd, 'n1', { FATHOM_FENCE: 'on', ...env });

/** The processes of the control plane and of a database. */
async function processesOf(fathom: Deployment, name: string) {
  const views = await Promise.all([instance(fathom, 'global'), instance(fathom, name)]);
  return views.map(({ pid }) => ({ pid: pid ?? 0, startTime: processStat(pid ?? 0)?.startTime ?? 0 }));
}

type Processes = Awaited<ReturnType<typeof processesOf>>;

const areAlive = (processes: Processes) =>
  processes.filter(({ pid, startTime }) => isAlive(pid, startTime)).length;

/** Resolves with the seconds that the processes still lived. */
async function untilEnded(processes: Processes, since: number): Promise<number> {
  await until(() => areAlive(processes) === 0, { what: () => `the end of ${areAlive(processes)} processes` });
  return (performance.now() - since) / 1000;
}

describe.skipIf(!hasEtcd('the tests of fences'))('a node with a fence', () => {
  it('ends its databases before its lease is over, and starts them with the next one', async () => {
    const etcd = await startEtcd();
    const fathom = await createFenced(etcd);
    await fathom.start();
    const user = await signUp(fathom);
    await addDocument(fathom, user, 'before');
    const processes = await processesOf(fathom, user.name);
    const before = await instance(fathom, user.name);

    const pausedAt = performance.now();
    etcd.pause();
    expect(await untilEnded(processes, pausedAt)).toBeLessThan(LEASE_SECONDS);
    await until(async () => (await instance(fathom, user.name)).reason?.code === 'cluster_unreachable', {
      what: 'the reason',
    });

    etcd.resume();
    await untilReplaced(fathom, before);
    expect(titlesOf(fathom, user)).toEqual(['before']);
  });

  it('ends its databases without its daemon', async () => {
    const etcd = await startEtcd();
    const fathom = await createFenced(etcd);
    const daemon = await fathom.start();
    const user = await signUp(fathom);
    const processes = await processesOf(fathom, user.name);
    const killedAt = performance.now();
    daemon.signal('SIGKILL');
    await daemon.exited;
    expect(areAlive(processes)).toBe(2);
    expect(await untilEnded(processes, killedAt)).toBeLessThan(LEASE_SECONDS);
  });

  it('ends its databases while its daemon is stopped', async () => {
    const etcd = await startEtcd();
    const fathom = await createFenced(etcd);
    const daemon = await fathom.start();
    const user = await signUp(fathom);
    const processes = await processesOf(fathom, user.name);
    const before = await instance(fathom, user.name);
    const stoppedAt = performance.now();
    daemon.signal('SIGSTOP');
    expect(await untilEnded(processes, stoppedAt)).toBeLessThan(LEASE_SECONDS);
    daemon.signal('SIGCONT');
    await untilReplaced(fathom, before);
  });

  it('has no database without a keeper', async () => {
    const etcd = await startEtcd();
    const fathom = await createFenced(etcd);
    const daemon = await fathom.start();
    const user = await signUp(fathom);
    const processes = await processesOf(fathom, user.name);
    const keeper = await keeperOf(fleetIdOf(fathom.dataDir));
    daemon.signal('SIGKILL');
    process.kill(keeper, 'SIGKILL');
    await untilEnded(processes, performance.now());
    await daemon.exited;
    await fathom.start();
    await untilRunning(fathom, user.name);
  });

  it('keeps its databases when the next daemon comes within the lease', async () => {
    const etcd = await startEtcd();
    const fathom = await createFenced(etcd, { FATHOM_LEASE_SECONDS: '60' });
    const daemon = await fathom.start();
    const user = await signUp(fathom);
    const { pid } = await instance(fathom, user.name);
    daemon.signal('SIGKILL');
    await daemon.exited;
    await fathom.start();
    expect(await instance(fathom, user.name)).toMatchObject({ pid });
    await addDocument(fathom, user, 'after');
  });
});
