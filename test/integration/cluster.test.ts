import { cp, rm } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createNode, secretsOf, waitsFor } from '../helpers/cluster-node.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { type Etcd, hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, PASSWORD, signUp, untilReplaced, untilRunning } from '../helpers/fleet-actions.ts';
import { until } from '../helpers/until.ts';

/** Another server with a copy of the data, made while the first one is stopped. */
async function copyTo(etcd: Etcd, node: string, from: Deployment): Promise<Deployment> {
  const copy = await createNode(etcd, node, secretsOf(from));
  await rm(copy.dataDir, { recursive: true });
  await cp(from.dataDir, copy.dataDir, { recursive: true });
  return copy;
}

const run = (fathom: Deployment, ...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);

describe.skipIf(!hasEtcd('the tests of clusters'))('a node of a cluster', () => {
  it('is listed with its load, and owns the databases that it starts', async () => {
    const etcd = await startEtcd();
    const fathom = await createNode(etcd, 'n1', { FATHOM_NODE_ADDRESS: '10.0.0.1' });
    await fathom.start();
    const user = await signUp(fathom);
    const node = await until(
      async () => (await fathom.client.nodes.list()).items.find(({ running }) => running === 1),
      { what: 'the load' },
    );
    expect(node).toMatchObject({ name: 'n1', state: 'online', address: '10.0.0.1', databases: 1 });
    expect(node).not.toHaveProperty('machine');
    expect(await fathom.client.nodes.list()).toMatchObject({
      cluster: 'default',
      node: 'n1',
      problem: null,
      etcd: [{ endpoint: etcd.url, problem: null, version: expect.stringMatching(/^3\./) }],
    });
    const { stdout } = await run(fathom, 'nodes', 'list');
    expect(stdout).toMatch(/NAME +STATE +ADDRESS .*\nn1 +online +10\.0\.0\.1 +1 +1 /);
    expect(await instance(fathom, user.name)).toMatchObject({ phase: 'running', node: 'n1' });
    const removal = await fathomd(['nodes', 'remove', 'n1', '--socket', fathom.socketPath], {
      input: 'n1\n',
    });
    expect(removal).toMatchObject({ exitCode: 1 });
    expect(removal.stderr).toContain('node n1 is online; stop its daemon');
    await expect(fathom.client.nodes.remove('n9')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('does not start a copy of what another node owns, until that node is removed', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1');
    const first = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    await first.stop();
    const two = await copyTo(etcd, 'n2', one);
    const again = await one.start();
    await untilRunning(one, user.name);

    const copy = two.launch();
    await waitsFor(two, copy, 'node n1 owns global');
    expect((await two.client.nodes.list()).items).toMatchObject([
      { name: 'n1', state: 'online' },
      { name: 'n2', state: 'online', running: 0 },
    ]);
    await expect(two.client.nodes.remove('n1')).rejects.toMatchObject({ code: 'conflict' });

    await again.stop();
    expect(await two.client.nodes.list()).toMatchObject({
      items: [{ state: 'offline' }, { state: 'online' }],
    });
    await waitsFor(two, copy, 'node n1 owns global');
    expect(await two.client.nodes.remove('n1')).toEqual({ databases: 2 });
    await until(() => copy.output().includes('the daemon is ready'), { what: () => copy.output() });
    await untilRunning(two, user.name);
    expect(titlesOf(two, user)).toEqual(['before']);

    const back = one.launch();
    await waitsFor(one, back, 'node n2 owns global');
    expect(await back.stop()).toBe(0);
  });

  it('waits for etcd when it starts, and goes on without it when it runs', async () => {
    const etcd = await startEtcd();
    const fathom = await createNode(etcd, 'n1');
    await fathom.start();
    const user = await signUp(fathom);
    await etcd.stop();
    const before = await instance(fathom, user.name);
    process.kill(before.pid ?? 0, 'SIGKILL');
    await untilReplaced(fathom, before);
    const report = await run(fathom, 'nodes', 'list');
    expect(report).toMatchObject({ exitCode: 69 });
    expect(report.stderr).toContain('etcd does not answer');
    const account = { email: 'late@example.com', password: PASSWORD };
    await expect(fathom.client.auth.register(account)).rejects.toThrow(
      /it is not known whether another node owns it/,
    );
    await etcd.start();
    await until(async () => (await fathom.client.nodes.list().catch(() => null))?.problem === null, {
      what: 'the node to be registered again',
    });
    const { database } = await fathom.client.auth.login(account);
    expect(database?.token).toBeTruthy();
  });

  it('takes its name back from a daemon that was killed, and not from one that runs', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1');
    const first = await one.start();
    const user = await signUp(one);
    const { pid } = await instance(one, user.name);
    first.signal('SIGKILL');
    await first.exited;
    await one.start();
    expect(await instance(one, user.name)).toMatchObject({ pid });

    const namesake = await createNode(etcd, 'n1');
    const daemon = namesake.launch();
    expect(await daemon.exited).toBe(1);
    expect(daemon.output()).toContain('the node name n1 belongs to another server or data directory');
  });

  it('stops at once while it waits', async () => {
    const fathom = await createNode({ url: 'http://127.0.0.1:1' }, 'n1');
    const daemon = fathom.launch();
    await waitsFor(fathom, daemon, 'etcd does not answer: http://127.0.0.1:1');
    expect(await daemon.stop()).toBe(0);
  });
});

it('without FATHOM_CLUSTER, there are no nodes', async () => {
  const fathom = await createDeployment();
  onTestFinished(() => fathom.dispose());
  await fathom.start();
  const list = await run(fathom, 'nodes', 'list');
  expect(list).toMatchObject({ exitCode: 1 });
  expect(list.stderr).toContain('FATHOM_CLUSTER is not set');
});
