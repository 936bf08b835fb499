import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNode } from '../helpers/cluster-node.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { addDocument, titlesOf, writeUntilRefused } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, ownerOf, PASSWORD, signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import {
  createStandby,
  killServer,
  ownersIn,
  replicaOf,
  untilLeader,
  untilMovable,
} from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

async function addText(fathom: Deployment, tenant: Tenant, title: string): Promise<void> {
  await (await ownerOf(fathom, tenant)).collection('documents').create({ title });
}

/** The contents of uploaded files, on the disk of a node. */
async function readFiles(fathom: Deployment, { name }: Tenant): Promise<string[]> {
  const storage = join(fathom.dataDir, 'user_dbs', name, 'pb_data', 'storage');
  const entries = await readdir(storage, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.attrs'));
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')));
}

async function move(from: Deployment, name: string, to: string) {
  return fathomd(['databases', 'move', name, to, '--json', '--socket', from.socketPath]);
}

describe.skipIf(!hasEtcd('the tests of moves') || litestream === null)('a database that moves', () => {
  it('has all acknowledged writes on the other node, and on the way back', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const first = await one.start();
    const user = await signUp(one);
    await addDocument(one, user, 'before');
    // Its lease is longer than the next start of its daemon takes on a busy host.
    const two = await createStandby(etcd, 'n2', one, { FATHOM_LEASE_SECONDS: '30' });
    const second = await two.start();
    await untilMovable(etcd);

    const writes = writeUntilRefused(one, user);
    expect(await move(one, user.name, 'n2')).toMatchObject({ exitCode: 0 });
    const acknowledged = ['before', ...(await writes)];
    await untilRunning(two, user.name);
    expect(titlesOf(two, user)).toEqual(expect.arrayContaining(acknowledged));
    expect(second.output()).toContain('its files are those of the other node');
    expect(await readFiles(two, user)).toEqual(['file of before']);

    const { url } = await instance(two, user.name);
    const nodeAtOne = async () =>
      (await one.client.databases.list()).items.find(({ name }) => name === user.name)?.node;
    await until(async () => (await nodeAtOne()) === 'n2', { what: () => 'n1 to know that n2 runs it' });
    await until(
      async () =>
        (await one.client.auth.login({ email: user.email, password: PASSWORD })).database?.url === url,
      { what: () => `the URL at n2: ${url}` },
    );
    const session = await one.client.auth.login({ email: user.email, password: PASSWORD });
    await addText(two, { ...user, ownerToken: session.database?.token ?? '' }, 'on n2');
    await untilMovable(etcd);
    expect(await move(two, user.name, 'n1')).toMatchObject({ exitCode: 0 });
    await untilRunning(one, user.name);
    expect(titlesOf(one, user)).toEqual(expect.arrayContaining([...acknowledged, 'on n2']));

    await untilMovable(etcd);
    expect(await move(one, user.name, 'n2')).toMatchObject({ exitCode: 0 });
    await untilRunning(two, user.name);
    const { pid } = await instance(two, user.name);
    await untilMovable(etcd);
    second.signal('SIGKILL');
    await second.exited;
    const restarted = await two.start();
    await untilRunning(two, user.name);
    expect((await instance(two, user.name)).pid, restarted.output()).toBe(pid);
    expect(restarted.output()).toContain('this node is a member');
    await killServer(one, first);
    await untilLeader(restarted);
    expect((await instance(two, user.name)).pid).toBe(pid);
  });

  it('stays where it is when the other node cannot take it', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    await one.start();
    const user = await signUp(one);
    await addText(one, user, 'before');
    // It has the same fleet, and another target.
    const two = await createStandby(etcd, 'n2', one, { REPLICA: await scratchDirectory() });
    await two.start();
    await untilMovable(etcd);
    expect((await move(one, user.name, 'n3')).exitCode).not.toBe(0);
    const refused = await move(one, user.name, 'n2');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain('node n2 refused it');
    await untilRunning(one, user.name);
    await addText(one, user, 'after');
    expect(titlesOf(one, user)).toEqual(['after', 'before']);
    expect((await ownersIn(etcd)).map(({ node, handover }) => ({ node, handover }))).toEqual([
      { node: 'n1', handover: undefined },
      { node: 'n1', handover: undefined },
    ]);
  });
});
